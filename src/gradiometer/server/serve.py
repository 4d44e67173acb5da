"""Runs the application: a socket on this machine, the address with its token, and an end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from gradiometer.records import UserError

from .app import make_app
from .gate import Door, new_token
from .hub import Hub

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::", "")
PORT = 8471
TRIES = 20
GRACE_S = 2
LOOK_S = 0.2
WINDOWS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@dataclass(frozen=True, slots=True)
class Place:
    """What to serve, and where. port 0: any free one; None: PORT, or the next free one. token: "" for a new one.
    inherited: number of a socket that already listens, -1 for a new one. worker: the command that makes networks for
    the playground, () for none."""

    folder: Path
    host: str = "127.0.0.1"
    port: int | None = None
    token: str = ""
    inherited: int = -1
    worker: tuple[str, ...] = ()
    on_up: Callable[[str], None] = field(default=lambda url: None)
    is_over: Callable[[int], bool] = field(default=lambda viewers: False)


def serve(place: Place) -> None:
    """Serve until Ctrl-C, or until ``is_over`` says so of the number of viewers. ``on_up`` gets the address, as soon as
    pages can be asked for. UserError where the address is taken or is none of this machine."""
    listening = bound(place.host, place.port) if place.inherited < 0 else socket.socket(fileno=place.inherited)
    port = listening.getsockname()[1]
    door = door_of(place.host, port, place.token or new_token())
    app = make_app(place.folder, door, place.worker)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="on", ws="none",
        server_header=False, date_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    url = address(place.host, port, door.token)

    async def run() -> None:
        watching = asyncio.create_task(_look_after(server, app, place, url))
        await server.serve(sockets=[listening])
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    with contextlib.closing(listening), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


async def _look_after(server: uvicorn.Server, app: Starlette, place: Place, url: str) -> None:
    hub: Hub = app.state.hub
    while not server.started:
        await asyncio.sleep(0.02)
    place.on_up(url)
    while not (server.should_exit or place.is_over(hub.viewers)):
        await asyncio.sleep(LOOK_S)
    server.should_exit = True
    hub.hang_up()
    app.state.player.channel.hang_up()


def address(host: str, port: int, token: str) -> str:
    """What is printed: the address with its token."""
    name = "127.0.0.1" if host in ANY else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/?token={token}"


def door_of(host: str, port: int, token: str) -> Door:
    """Which names the server answers to."""
    if host in LOOPBACK:
        return Door(token, port)
    own = frozenset({"127.0.0.1", "localhost", "[::1]", host.lower(), socket.gethostname().lower()})
    return Door(token, port, own, any_address=host in ANY)


def bound(host: str, port: int | None) -> socket.socket:
    """A listening socket. UserError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted, reason = (range(PORT, PORT + TRIES) if port is None else (port,)), ""
    for one in wanted:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, one))
        except OSError as error:
            made.close()
            reason = error.strerror or str(error)
            continue
        made.listen(128)
        return made
    raise UserError(f"Cannot listen on {host}, port {wanted[0]}: {reason}. Name another one with --port.")


def opened_in_browser(url: str) -> None:
    """Open the user's browser without waiting for it; where there is none, nothing happens. A browser in the terminal
    is none: it would take the terminal away."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    ):
        return
    threading.Thread(target=_open, args=(url,), daemon=True).start()


def _open(url: str) -> None:
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


class BesideTraining:
    """When a server that a training has started is over: some time after the training has ended and nobody looks."""

    def __init__(self, training_is_over: Callable[[], bool], linger_s: float = 60.0, most_s: float = 3600.0) -> None:
        self._training_is_over = training_is_over
        self._linger_s, self._most_s = linger_s, most_s
        self._ended_s: float | None = None
        self._seen_s = time.monotonic()

    def __call__(self, viewers: int) -> bool:
        """True where the server should end."""
        now = time.monotonic()
        if viewers:
            self._seen_s = now
        if self._ended_s is None:
            if not self._training_is_over():
                return False
            self._ended_s = self._seen_s = now
        return now - self._seen_s > self._linger_s or now - self._ended_s > self._most_s
