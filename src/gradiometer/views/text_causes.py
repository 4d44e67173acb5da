"""The manual of causes in the terminal: all of them in a list, or one page each."""

from __future__ import annotations

from rich.text import Text

from gradiometer.diagnosis.manual import cards, cures_of
from gradiometer.diagnosis.rule import Card
from gradiometer.records import CAUSES

from .style import Style, line, pad, paragraph, render

WIDE = 26  # columns of a cause's name in the list


def causes_page(style: Style) -> str:
    """Every cause by group, one or two lines each, ending in a line break."""
    known = {card.cause: card for card in cards()}
    out: list[Text] = []
    for group, causes in CAUSES.items():
        out += [*([Text("")] if out else []), line((group, "title"))]
        for cause in causes:
            said = paragraph(style.words(known[cause].what), style.columns - WIDE - 2)
            first, *rest = [x.plain for x in said]
            out.append(line(("  " + pad(cause, WIDE), "error"), (first, "")))
            out += [line((" " * (WIDE + 2) + x, "")) for x in rest]
    foot = "The first that fits is reported, in this order. gradiometer causes NAME tells how one is recognised."
    return render([*out, Text(""), *paragraph(style.words(foot), style.columns, "quiet")], style)


def cause_page(card: Card, style: Style) -> str:
    """One cause: what it is, how it is recognised, limits, what looks alike, what is spared, cures."""
    out = [line((card.cause, "title")), *_block(card.what, style)]
    out += _list("Recognised by", card.seen, style)
    out += _limits(card, style)
    out += _list("Looks alike", [f"{name}: {how}" for name, how in card.alike], style)
    out += _list("Not called so", card.spared, style)
    out += _list("Cures", [f"{e.name}: {e.title}. {e.edit}" for e in cures_of(card.cause)], style)
    out += [Text(""), line((style.words(f"Seen at the earliest: {card.earliest}."), "quiet"))]
    return render(out, style)


def _block(words: str, style: Style) -> list[Text]:
    return paragraph(style.words(words), style.columns)


def _list(title: str, items: tuple[str, ...] | list[str], style: Style) -> list[Text]:
    if not items:
        return []
    out = [Text(""), line((title, "title"))]
    for item in items:
        first, *rest = [x.plain for x in paragraph(style.words(item), style.columns - 4)]
        out.append(line(("  " + "- ", "quiet"), (first, "")))
        out += [line(("    " + x, "")) for x in rest]
    return out


def _limits(card: Card, style: Style) -> list[Text]:
    said = [f"{quantity}: {style.numbers.number(limit.value)} ({limit.source})" for quantity, limit in card.limits]
    return _list("Limits, with their sources", said, style)
