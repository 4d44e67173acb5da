"""A client that asks an ASGI application in this process, in a loop of its own; like a browser it keeps cookies."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette


class Client:
    """``with Client(app, base) as client: client.get("/")``. The application lives as long as the block."""

    def __init__(self, app: Starlette, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url=base, headers=headers, follow_redirects=False)
        self._stack = ExitStack()
        self._portal: BlockingPortal

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._stack.enter_context(self._portal.wrap_async_context_manager(self.app.router.lifespan_context(self.app)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._client.aclose)
        self._stack.close()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer, whole."""

        async def ask() -> httpx.Response:
            return await self._client.request(method, path, **more)

        return self._portal.call(ask)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **more)
