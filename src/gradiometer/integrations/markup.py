"""HTML out of elements: every text is escaped where it is set in, so that no name of a user's program is markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gradiometer.views.numbers import clean

VOID = frozenset({"br", "path", "line", "rect", "circle", "col"})


class Html(str):
    """Markup that was made by ``el``, ``joined`` or ``ours``."""

    __slots__ = ()


Piece = str | Html | None


def el(tag: str, *inside: Piece, **attributes: str | float | None) -> Html:
    """An element. ``cls`` is its class, ``aria_label`` its aria-label; what is None or "" is left out."""
    given = {_name(name): str(value) for name, value in attributes.items() if value is not None and value != ""}
    named = "".join(f' {name}="{escaped(value)}"' for name, value in given.items())
    if tag in VOID:
        return Html(f"<{tag}{named}/>")
    return Html(f"<{tag}{named}>{joined(inside)}</{tag}>")


def _name(name: str) -> str:
    return "class" if name == "cls" else name.replace("_", "-")


def joined(pieces: Iterable[Piece]) -> Html:
    """Pieces one after the other; text among them is escaped."""
    return Html("".join(p if isinstance(p, Html) else escaped(p) for p in pieces if p))


def escaped(text: str) -> str:
    """Text without control characters (line breaks stay), as it may stand in an element and in an attribute."""
    return escape("\n".join(clean(line) for line in text.split("\n")), quote=True)


def ours(markup: str) -> Html:
    """Markup of this package's own files, set in as it is."""
    return Html(markup)


def table(
    head: Sequence[Piece], rows: Sequence[Sequence[Piece]], numbers: Sequence[int] = (), lesser: Sequence[int] = ()
) -> Html:
    """A table. The columns ``numbers`` stand to the right; the ``lesser`` ones are left out of a narrow cell."""
    kinds = [" ".join(k for k, at in (("n", numbers), ("wide", lesser)) if i in at) for i in range(len(head))]
    top = el("tr", *(el("th", h, cls=c, scope="col") for h, c in zip(head, kinds, strict=True)))
    body = [el("tr", *(el("td", cell, cls=c) for cell, c in zip(row, kinds, strict=True))) for row in rows]
    return el("table", el("thead", top), el("tbody", *body))


def code(text: str) -> Html:
    """A name or a command."""
    return el("code", text)


def folded(title: str, *inside: Piece) -> Html:
    """What is shown on demand; no script is needed for it."""
    return el("details", el("summary", title), *inside)
