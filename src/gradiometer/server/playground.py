"""The playground as a page of the dashboard: the same one that `gradiometer playground` writes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from .pages import RUNS, SCRIPTS, TRIALS, Place

PLACE = Place("Playground", "/playground")


def routes() -> list[Route]:
    """What the dashboard mounts."""
    return [Route("/playground", partial(_page, (RUNS, TRIALS, PLACE)), methods=["GET"])]


async def _page(places: Sequence[Place], request: Request) -> Response:
    return HTMLResponse(await run_in_threadpool(_written, places))


@cache
def _written(places: Sequence[Place]) -> str:
    """Its tables take a second: they are made when the page is first asked for."""
    from gradiometer.views.html_playground import SCRIPTS as OWN
    from gradiometer.views.html_playground import served_playground

    names = dict.fromkeys((*SCRIPTS, *OWN, "playing.js"))
    around = {"title": "Playground", "scripts": tuple(names), "places": places, "here": PLACE.name}
    return served_playground(around)
