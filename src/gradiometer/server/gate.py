"""What stands before every page: who may ask, from where, and what the answer may do in the browser.

The server speaks on one machine, but every page that the user has open in a browser can send requests to it, and a
foreign name can be made to point at 127.0.0.1 (DNS rebinding). So: a token that only the printed address holds, then a
cookie of the same value that scripts cannot read and other sites cannot send; a list of host names; no request that
began on another site; and headers under which a page can load nothing from elsewhere and run no script of its own text.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_BYTES = 32
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""No script but our own files. Styles may stand in the page: Plotly sets the size and colour of its marks so."""

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SAFE_METHODS = ("GET", "HEAD")
OWN_SITES = ("same-origin", "none")
NO_TOKEN = (
    "This address needs its token. Open the whole address that gradiometer printed in the terminal; "
    "it holds token=... and is new at every start.\n"
)


def new_token() -> str:
    """A secret of 256 bits that can stand in an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the server stands. hosts: names in the Host header, without port, that are ours; port: where it listens;
    any_address: it listens for other machines too, and every bare IP address is ours (a name is what rebinding needs).
    """

    token: str
    port: int
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    any_address: bool = False

    @property
    def cookie(self) -> str:
        """Cookies know no port: two servers on one machine must not take each other's."""
        return f"gradiometer-{self.port}"

    def is_ours(self, host: str) -> bool:
        """True where a Host header names this server."""
        name, port = _split(host)
        if port != self.port:
            return False
        if name in self.hosts:
            return True
        return self.any_address and _is_address(name)

    def is_right(self, token: str) -> bool:
        """Compared in constant time."""
        return secrets.compare_digest(token.encode("utf-8", "surrogatepass"), self.token.encode())


def _split(host: str) -> tuple[str, int]:
    name, colon, port = host.lower().rpartition(":")
    if not colon or host.endswith("]"):
        return host.lower(), 80
    return name, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


class Gate:
    """ASGI middleware: refuses, lets the right token in, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 421 a foreign host, 403 another site or a missing token, 400 what is no HTTP."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no websocket here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._answer(scope)
        await (self.app if answer is None else answer)(scope, receive, guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """The refusal or redirection, None where the request may pass."""
        headers = Headers(scope=scope)
        if not self._host_is_ours(headers.getlist("host")):
            return PlainTextResponse("This server does not answer to that name.\n", 421)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        entering = bool(tokens) and self.door.is_right(tokens[0])
        if not self._from_here(scope["method"], headers, entering):
            return PlainTextResponse("Requests from other sites are refused.\n", 403)
        if tokens:
            return self._enter(scope, query) if entering else PlainTextResponse(NO_TOKEN, 403)
        if not self._knows(headers):
            return PlainTextResponse(NO_TOKEN, 403)
        return None

    def _host_is_ours(self, hosts: list[str]) -> bool:
        return len(hosts) == 1 and self.door.is_ours(hosts[0])

    def _from_here(self, method: str, headers: Headers, entering: bool) -> bool:
        """False where the browser says that the request began on another site. A link with the right token may be
        followed from anywhere: who made it knows the secret."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own = origin is None or origin == f"http://{headers['host']}"
        if method not in SAFE_METHODS and (origin is None or not own):
            return False
        following = entering and method == "GET" and headers.get("sec-fetch-mode", "navigate") == "navigate"
        return own and (site is None or site in OWN_SITES or following)

    def _knows(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer ") and self.door.is_right(bearer.removeprefix("Bearer ")):
            return True
        cookies = cookie_parser(headers.get("cookie", ""))
        return self.door.is_right(cookies.get(self.door.cookie, ""))

    def _enter(self, scope: Scope, query: Iterable[tuple[str, str]]) -> Response:
        """The token becomes a cookie, and leaves the address."""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # "//name" would lead to another host
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(self.door.cookie, self.door.token, httponly=True, samesite="strict", path="/")
        return answer
