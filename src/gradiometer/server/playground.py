"""The playground as a page of the dashboard: the same one that `gradiometer playground` writes, and beside it real
networks, which a worker process makes. What a page asks is checked before the worker hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache, partial
from typing import TypeVar

import msgspec
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gradiometer.records import UserError
from gradiometer.records.playing import Course, Number, Played

from .channel import message
from .encoding import encoded
from .pages import RUNS, SCRIPTS, TRIALS, Place
from .player import GoneError, Player

PLACE = Place("Playground", "/playground")
MOST_BYTES = 4096
"""Of a request; the longest one has some hundred."""
PING_S = 15
T = TypeVar("T")


class _Measured(msgspec.Struct, forbid_unknown_fields=True):
    network: Played


class _Trained(msgspec.Struct, forbid_unknown_fields=True):
    network: Played
    course: Course


class _Stopped(msgspec.Struct, forbid_unknown_fields=True):
    number: Number


class _BadRequestError(Exception):
    """status: of the answer. words: what was wrong with the request."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def routes() -> list[Route]:
    """What the dashboard mounts."""
    post = partial(Route, methods=["POST"])
    return [
        Route("/playground", partial(_page, (RUNS, TRIALS, PLACE)), methods=["GET"]),
        post("/api/playground/measure", _measure),
        post("/api/playground/train", _train),
        post("/api/playground/stop", _stop),
        Route("/events/playground", _events, methods=["GET"]),
    ]


async def _page(places: Sequence[Place], request: Request) -> Response:
    player = _player(request)
    if player.is_there:  # it loads torch while the reader looks around
        request.app.state.warming = asyncio.create_task(_warmed(player))
    return HTMLResponse(await run_in_threadpool(_written, places, player.is_there))


async def _warmed(player: Player) -> None:
    try:
        await player.warm()
    except GoneError as gone:
        player.channel.publish("gone", encoded({"words": str(gone)}))


@cache
def _written(places: Sequence[Place], with_worker: bool) -> str:
    """Its tables take a second: they are made when the page is first asked for."""
    from gradiometer.views.html_playground import SCRIPTS as OWN
    from gradiometer.views.html_playground import served_playground

    names = dict.fromkeys((*SCRIPTS, *OWN, *(("playing_network.js",) if with_worker else ()), "playing.js"))
    around = {"title": "Playground", "scripts": tuple(names), "places": places, "here": PLACE.name}
    return served_playground(around | {"worker": with_worker})


# -- what the page asks of the worker


async def _measure(request: Request) -> Response:
    try:
        asked = await _read(request, _Measured)
        return _json(encoded(await _player(request).measure(asked.network)))
    except (_BadRequestError, UserError, GoneError) as error:
        return _refused(error)


async def _train(request: Request) -> Response:
    try:
        asked = await _read(request, _Trained)
        number = await _player(request).train(asked.network, asked.course)
        return _json(encoded({"number": number}), 202)
    except (_BadRequestError, UserError, GoneError) as error:
        return _refused(error)


async def _stop(request: Request) -> Response:
    try:
        asked = await _read(request, _Stopped)
        await _player(request).stop(asked.number)
        return Response(status_code=204)
    except (_BadRequestError, UserError, GoneError) as error:
        return _refused(error)


async def _events(request: Request) -> Response:
    player = _player(request)
    if not player.is_there:
        return _refused(_BadRequestError(404, NONE))
    last = request.headers.get("last-event-id", "") or request.query_params.get("last", "")
    source = player.channel.listen(last, message("at", encoded({"training": player.training})))
    return EventSourceResponse(source, ping=PING_S, headers={"cache-control": "no-store"})


NONE = "This server makes no networks: only gradiometer serve does."


async def _read(request: Request, kind: type[T]) -> T:
    """The body as one of our requests. _BadRequestError where there is no worker, or it is none."""
    if not _player(request).is_there:
        raise _BadRequestError(404, NONE)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _BadRequestError(415, "A request is application/json.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise _BadRequestError(413, f"A request has at most {MOST_BYTES} bytes.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise _BadRequestError(400, f"The request is not understood: {error}.") from error


def _player(request: Request) -> Player:
    player: Player = request.app.state.player
    return player


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _refused(error: Exception) -> Response:
    status = error.status if isinstance(error, _BadRequestError) else 503 if isinstance(error, GoneError) else 409
    return JSONResponse({"error": str(error)}, status)
