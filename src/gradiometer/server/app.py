"""The dashboard as an ASGI application: pages, data as JSON, and events. It reads one folder and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gradiometer.records import GradiometerError, UserError

from .assets import asset
from .channel import message
from .encoding import encoded
from .gate import Door, Gate
from .hub import Hub, Watched
from .live_run import compared
from .pages import RUNS, TRIALS, Place, shell, trial_page
from .player import Player

PING_S = 15
YEAR_S = 31536000
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(folder: Path, door: Door, worker: Sequence[str] = ()) -> Starlette:
    """The application for one folder. worker: the command that makes networks for the playground, () for none.

    UserError where there is no such folder.
    """
    hub = Hub(folder)
    player = Player(worker, hub.born)

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        await hub.start()
        try:
            yield
        finally:
            await hub.stop()
            await player.close()

    app = Starlette(routes=_routes(), middleware=[Middleware(Gate, door=door)], lifespan=life)
    app.state.hub, app.state.player = hub, player
    app.add_exception_handler(GradiometerError, _told)
    return app


PLAYGROUND = "gradiometer.server.playground"
"""A module that may be there or not: ``routes()`` are its routes, ``PLACE`` its entry of the bar."""


def _playground() -> tuple[list[Route], tuple[Place, ...]]:
    if find_spec(PLAYGROUND) is None:
        return [], ()
    module = import_module(PLAYGROUND)
    return list(module.routes()), (module.PLACE,)


def _routes() -> list[Route]:
    more, entries = _playground()
    places = (RUNS, TRIALS, *entries)
    get = partial(Route, methods=["GET"])
    return [
        *more,
        get("/", _page(shell("runs", "runs.js", RUNS, places))),
        get("/runs/{id}", _page(shell("run", "run.js", RUNS, places))),
        get("/compare", _page(shell("compare", "compare.js", RUNS, places))),
        get("/trials", _page(shell("trials", "trials.js", TRIALS, places))),
        get("/trials/{id}", partial(_trial, places)),
        get("/static/{name}", _static),
        get("/api/runs", _list),
        get("/api/runs/{id}", _run),
        get("/api/runs/{id}/steps/{step}", _step),
        get("/api/runs/{id}/diagnosis", _diagnosis),
        get("/api/compare", _compare),
        get("/events/runs", _list_events),
        get("/events/trials/{id}", _trial_events),
        get("/events/runs/{id}", _run_events),
    ]


def _page(html: str) -> Endpoint:
    async def page(request: Request) -> Response:
        return HTMLResponse(html)

    return page


async def _static(request: Request) -> Response:
    found = asset(request.path_params["name"])
    if found is None:
        return _missing("no such file")
    kept = f"private, max-age={YEAR_S}, immutable" if request.path_params["name"] == "plotly.js" else "no-cache"
    return Response(found.body, media_type=found.media_type, headers={"cache-control": kept})


# -- data


async def _list(request: Request) -> Response:
    return _json(await _hub(request).runs())


async def _run(request: Request) -> Response:
    hub, watched, refused = await _found(request)
    if watched is None:
        return refused
    model = request.query_params.get("model", "")
    return _json(encoded(await hub.in_judge(partial(watched.live.document, model))))


async def _step(request: Request) -> Response:
    hub, watched, refused = await _found(request)
    if watched is None:
        return refused
    model = request.query_params.get("model", "")
    step = _whole(request.path_params["step"])
    return _json(await hub.in_judge(partial(watched.live.step, model, step)))


async def _diagnosis(request: Request) -> Response:
    _, watched, refused = await _found(request)
    if watched is None or watched.live.found is None:
        return refused
    return _json(encoded(watched.live.found.diagnosis))


async def _compare(request: Request) -> Response:
    hub = _hub(request)
    sides = []
    for name in ("a", "b"):
        _, watched, refused = await _found(request, request.query_params.get(name, ""))
        if watched is None:
            return refused
        sides.append(watched.live)
    step = request.query_params.get("step")
    work = partial(compared, sides[0], sides[1], None if step is None else _whole(step))
    return _json(await hub.in_judge(work))


async def _trial(places: tuple[Place, ...], request: Request) -> Response:
    hub = _hub(request)
    read = await hub.trial(request.path_params["id"])
    if isinstance(read, str):
        return HTMLResponse(shell("trial", "missing.js", TRIALS, places), 404)
    return HTMLResponse(await hub.in_judge(partial(trial_page, read, places)))


async def _found(request: Request, identifier: str | None = None) -> tuple[Hub, Watched | None, Response]:
    """The run of the address (or of an identifier); where there is none, the answer that says why."""
    hub = _hub(request)
    identifier = request.path_params["id"] if identifier is None else identifier
    watched = await hub.watched(identifier)
    if watched is not None:
        return hub, watched, Response()
    entry = await hub.entry(identifier)
    if entry is None:
        return hub, None, _missing("There is no such run in this folder.")
    problem = entry.problem or hub.problem_of(entry.id) or "It holds a trial, not a run."
    return hub, None, JSONResponse({"error": problem, "file": entry.name}, 409)


# -- events


async def _list_events(request: Request) -> Response:
    channel = _hub(request).list_channel
    return _events(channel.listen(_last(request), message("at", b"{}")))


async def _run_events(request: Request) -> Response:
    hub, watched, refused = await _found(request)
    if watched is None:
        return refused
    model = request.query_params.get("model", "")
    channel = hub.channel(watched, model)
    now = message("at", encoded(watched.live.at(watched.live.of_model(model).model)))
    return _events(channel.listen(_last(request), now))


async def _trial_events(request: Request) -> Response:
    channel = await _hub(request).trial_channel(request.path_params["id"])
    if channel is None:
        return _missing("There is no such trial in this folder.")
    return _events(channel.listen(_last(request), message("at", b"{}")))


def _last(request: Request) -> str:
    """The last message that the page has: the browser's own header, or what our page says where it came back itself."""
    return request.headers.get("last-event-id", "") or request.query_params.get("last", "")


def _events(source: AsyncIterator[bytes]) -> Response:
    return EventSourceResponse(source, ping=PING_S, headers={"cache-control": "no-store"})


# -- answers


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _missing(words: str) -> Response:
    return JSONResponse({"error": words}, 404)


def _whole(text: str) -> int:
    """A step number. UserError where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise UserError("A step is a whole number.")
    return int(text)


async def _told(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404 if isinstance(error, UserError) else 409)
