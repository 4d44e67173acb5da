"""The manual of cures in the terminal: all of them in a list, or one page each."""

from __future__ import annotations

from rich.text import Text

from gradiometer.catalog import GROUPS, SEED, Entry, in_general
from gradiometer.records import Change, Receipt

from .style import Style, line, pad, paragraph, render
from .text_table import Column, table_lines

NAME, KIND = 24, 9  # columns of a cure's name and of its kind in the list
KINDS = {"surgery": "applied", "edit": "edit", "advice": "advice"}
"""Kind of an entry -> how the manual calls it."""

SHOWN = 3  # changes of one kind that are written out

HOW = {
    "surgery": "Gradiometer applies it to a live network: gm.cure(model, {name!r}, {given}), which gives a receipt "
    "that undoes it, or gradiometer run --cure {written} train.py.",
    "edit": "A change to write into the code; Gradiometer does not apply it.",
    "advice": "An edit that repairs the training loop; it is never applied or tried.",
}


def cures_page(style: Style) -> str:
    """Every cure by group, one or two lines each, ending in a line break."""
    out: list[Text] = []
    for group, entries in GROUPS.items():
        out += [*([Text("")] if out else []), line((group, "title"))]
        for entry in entries:
            first, *rest = [x.plain for x in paragraph(style.words(entry.title), style.columns - NAME - KIND - 2)]
            kind = pad(KINDS[entry.kind], KIND)
            out.append(line(("  " + pad(entry.name, NAME), "error"), (kind, "quiet"), (first, "")))
            out += [line((" " * (NAME + KIND + 2) + x, "")) for x in rest]
    foot = (
        "applied: by gradiometer run --cure NAME and gm.cure; edit: a change to write into the code; advice: a repair "
        "of the training loop. gradiometer cures NAME tells all of one."
    )
    return render([*out, Text(""), *paragraph(style.words(foot), style.columns, "quiet")], style)


def cure_page(entry: Entry, style: Style) -> str:
    """One cure: what it changes, mathematics, causes, side effects, cost, source, settings, edit, how it is applied."""
    out = [line((entry.name, "title")), *paragraph(style.words(f"{_capital(entry.title)}."), style.columns)]
    for title, words in facts(entry):
        out += [Text(""), line((title, "title")), *paragraph(style.words(words), style.columns, indent="  ")]
    taught = entry.param("teacher") is not None
    written = f"{entry.name}:teacher=package.module:function" if taught else entry.name
    given = "teacher=network, ..." if taught else "..."
    how = HOW[entry.kind].format(name=entry.name, given=given, written=written)
    return render([*out, Text(""), *paragraph(style.words(how), style.columns, "quiet")], style)


def facts(entry: Entry) -> list[tuple[str, str]]:
    """Title and words of each fact, for every form of the manual."""
    causes = ", ".join(sorted(entry.answers, key=lambda cause: entry.answers[cause]))
    out = [
        ("Changes", entry.changes),
        ("Mathematics", entry.mathematics),
        ("Answers", causes),
        ("Side effects", entry.side_effects),
        ("Source", entry.source),
        ("By hand", in_general(entry)),
    ]
    if entry.kind == "surgery":
        settings = "; ".join(f"{p.name} ({p.default}), {p.meaning}" for p in (*entry.params, SEED))
        out[4:4] = [("Cost", entry.cost), ("Settings", settings)]
    return out


def receipt_page(receipt: Receipt, model: str, style: Style) -> str:
    """What an applied cure changed: the first changes of each kind one a line, then how many more there are."""
    changes = receipt.changes
    many = f"{len(changes)} change{'s' if len(changes) != 1 else ''}"
    out = [line((f"Cured with {receipt.prescription.cure}: ", "title"), (style.words(f"{model}, {many}"), ""))]
    rows: list[tuple[str, str, str]] = []
    for what in dict.fromkeys(c.what for c in changes):
        alike = [c for c in changes if c.what == what]
        shown = alike if len(alike) <= SHOWN + 1 else alike[:SHOWN]
        rows += [_cell(c) for c in shown]
        if len(shown) < len(alike):
            rows.append((f"and {len(alike) - len(shown)} more", "", ""))
    columns = [Column("", [style.words(row[i]) for row in rows], folds=i > 0) for i in range(3)]
    return render([*out, *table_lines(columns, style, 2)], style)


def _cell(change: Change) -> tuple[str, str, str]:
    told = change.after if change.before == change.after else f"{change.before} → {change.after}"
    return change.site or "(root)", change.what, told


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
