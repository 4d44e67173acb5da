"""``gradiometer cures``: the manual of cures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import command
from .options import Json
from .outlet import check_json, put_json, put_text

if TYPE_CHECKING:
    from gradiometer.catalog import Entry

EXAMPLES = """\b
Examples:
  gradiometer cures
  gradiometer cures critical
  gradiometer cures tanh --json -
"""


@command
def cures(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One cure; without it all are listed.")] = None,
    json: Json = None,
) -> int:
    """Tell what a cure changes, by which mathematics, what it answers, its price, and how it is applied."""
    check_json(json)
    from gradiometer.catalog import ENTRIES, entry_of

    chosen = ENTRIES if name is None else (entry_of(name),)
    if json is not None:
        documents = [_document(entry) for entry in chosen]
        put_json(documents if name is None else documents[0], json)
        return 0
    from gradiometer.views import Style
    from gradiometer.views.text_cures import cure_page, cures_page

    style = Style.of_stream(sys.stdout)
    put_text(cures_page(style) if name is None else cure_page(chosen[0], style))
    return 0


def _document(entry: Entry) -> dict[str, Any]:
    from gradiometer.catalog import SEED, in_general

    params = (*entry.params, SEED) if entry.kind == "surgery" else ()
    return {
        "cure": entry.name,
        "kind": entry.kind,
        "title": entry.title,
        "changes": entry.changes,
        "mathematics": entry.mathematics,
        "answers": sorted(entry.answers, key=lambda cause: entry.answers[cause]),
        "side_effects": entry.side_effects,
        "cost": entry.cost if entry.kind == "surgery" else None,
        "source": entry.source,
        "settings": [{"name": p.name, "default": p.default, "meaning": p.meaning} for p in params],
        "edit": in_general(entry),
    }
