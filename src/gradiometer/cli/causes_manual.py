"""``gradiometer causes``: the manual of causes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import command
from .options import Json
from .outlet import check_json, put_json, put_text

if TYPE_CHECKING:
    from gradiometer.diagnosis.rule import Card

EXAMPLES = """\b
Examples:
  gradiometer causes
  gradiometer causes init-too-small
  gradiometer causes clip-binds --json -
"""


@command
def causes(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One cause; without it all are listed.")] = None,
    json: Json = None,
) -> int:
    """Tell what a cause is, how it is recognised, by which limits, what looks alike, and what cures it."""
    check_json(json)
    from gradiometer.diagnosis import manual

    chosen = manual.cards() if name is None else (manual.card_of(name),)
    if json is not None:
        documents = [_document(card) for card in chosen]
        put_json(documents if name is None else documents[0], json)
        return 0
    from gradiometer.views import Style
    from gradiometer.views.text_causes import cause_page, causes_page

    style = Style.of_stream(sys.stdout)
    put_text(causes_page(style) if name is None else cause_page(chosen[0], style))
    return 0


def _document(card: Card) -> dict[str, Any]:
    from gradiometer.diagnosis.manual import cures_of

    return {
        "cause": card.cause,
        "what": card.what,
        "seen": card.seen,
        "limits": [{"quantity": q, "value": limit.value, "source": limit.source} for q, limit in card.limits],
        "alike": [{"cause": cause, "told_apart": how} for cause, how in card.alike],
        "spared": card.spared,
        "earliest": card.earliest,
        "cures": [{"name": e.name, "title": e.title, "edit": e.edit} for e in cures_of(card.cause)],
    }
