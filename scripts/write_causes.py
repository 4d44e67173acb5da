"""Write docs/causes.md: every cause, as the rules describe it.

python scripts/write_causes.py [docs/causes.md]
"""

from __future__ import annotations

import sys
from pathlib import Path

from gradiometer.diagnosis.manual import card_of, cures_of
from gradiometer.records import CAUSES
from gradiometer.views.numbers import UNICODE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "causes.md"
HEAD = """# The causes

A finding names one cause out of a closed vocabulary: the **one thing whose removal alone lets the training work**.
Each diagnosis says under `checked` which causes it looked for; one that it did not look for is neither found nor
ruled out. `gradiometer causes` shows this manual in the terminal, `gradiometer causes NAME` one page of it.

Symptoms are `vanishing`, `exploding`, `zero` (no error at all reaches trainable parameters, or no parameter moves),
`non-finite`, `stalled` (the loss stays near what a constant prediction reaches), `unstable`, and `none`.

Where several causes fit, the first in this order is reported, and the others stand under it as alternatives. Behind a
broken wire, what else is seen stands under the wire.
"""


def page() -> str:
    """The whole page."""
    sections = [HEAD]
    for group, causes in CAUSES.items():
        rows = [f"| `{cause}` | {_cell(card_of(cause).what)} |" for cause in causes]
        table = "\n".join(["| cause | what is wrong |", "|---|---|", *rows])
        sections += [f"## {group[0].upper()}{group[1:]}\n", f"{table}\n", *(_cause(cause) for cause in causes)]
    return "\n".join(sections)


def _cause(name: str) -> str:
    card = card_of(name)
    out = [
        f"### `{name}`\n",
        f"{card.what} Seen at the earliest: {card.earliest}.\n",
        *_list("Recognised by", card.seen),
    ]
    if card.limits:
        out += ["| quantity | limit | source |", "|---|---|---|"]
        out += [f"| {_cell(q)} | {UNICODE.number(limit.value)} | {_cell(limit.source)} |" for q, limit in card.limits]
        out.append("")
    out += _list("Looks alike", [f"`{cause}`: {how}" for cause, how in card.alike])
    out += _list("Not called so", card.spared)
    out += _list("Cures", [f"`{e.name}`: {e.title}" for e in cures_of(name)])
    return "\n".join(out)


def _list(title: str, items: tuple[str, ...] | list[str]) -> list[str]:
    return [f"{title}:\n", *(f"* {item}" for item in items), ""] if items else []


def _cell(text: str) -> str:
    """A bar would end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: {sum(len(c) for c in CAUSES.values())} causes")
