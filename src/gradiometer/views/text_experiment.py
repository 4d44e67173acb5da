"""The terminal page of a reproduced experiment: tag, sentence, picture, figures against their rule, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

from rich.cells import cell_len
from rich.text import Text

from .experiment import (
    ToldExperiment,
    ToldRow,
    ToldTable,
    counts_words,
    how_measured,
    name_words,
    precise,
    rule_words,
    seconds_words,
    spread_words,
)
from .style import Ink, Style, line, paragraph, render, stacked
from .text_chart import chart_lines
from .text_findings import tag_line
from .text_table import Column, table_lines
from .wording import Verdict

NAME_LEAST, PUBLISHED_LEAST = 22, 12  # columns that a figure's name and what was published of it keep
RANGE_MOST = 14  # columns of a range on one line


def experiment_page(one: ToldExperiment, style: Style | None = None) -> str:
    """What an experiment says, for a terminal or a pipe, ending in a line break."""
    style = style or Style()
    sections = [_top(one, style), _picture(one, style), _figures(one, style), _words(one, style)]
    sections += [_table(table, style) for table in one.tables]
    sections.append(_foot(one, style))
    return render(stacked(sections), style)


def experiments_summary(told: Sequence[ToldExperiment], style: Style | None = None) -> str:
    """One line an experiment, and how many of them reproduce."""
    style = style or Style()
    glyphs, numbers = style.glyphs, style.numbers
    signs = [glyphs.ok if one.reproduced else glyphs.fail for one in told]
    tones: list[Ink] = ["healthy" if one.reproduced else "guilty" for one in told]
    judged = [[row for row in one.rows if row.holds is not None] for one in told]
    columns = [
        Column("", signs, tones),
        Column("experiment", [one.name for one in told]),
        Column("what it shows", [style.words(one.title) for one in told], folds=True),
        Column("rules met", [f"{sum(bool(r.holds) for r in rows)} of {len(rows)}" for rows in judged]),
        Column("time", [style.words(numbers.duration(one.seconds)) for one in told], ["quiet"] * len(told), "right"),
    ]
    head = paragraph(style.words(counts_words(tuple(told))), style.columns, "title")
    return render([*head, *table_lines(columns, style)], style)


def _top(one: ToldExperiment, style: Style) -> list[Text]:
    out = [tag_line(Verdict(one.tone, one.tag, one.name, ""), style, "quick form" if one.quick else "")]
    out += paragraph(style.words(one.title), style.columns, "title")
    out += paragraph(style.words(f"Source: {one.source}"), style.columns, "quiet")
    return out + paragraph(style.words(one.setting), style.columns)


def _picture(one: ToldExperiment, style: Style) -> list[Text]:
    return chart_lines(one.figures[0], style) if one.figures else []


def _figures(one: ToldExperiment, style: Style) -> list[Text]:
    """Published beside measured, each with its rule."""
    numbers, words = style.numbers, style.words
    rows = one.rows
    signs = [_sign(row, style) for row in rows]
    tones: list[Ink] = [{True: "healthy", False: "guilty", None: "quiet"}[row.holds] for row in rows]  # type: ignore[misc]
    beyond: list[Ink] = ["guilty" if row.holds is False else "title" for row in rows]
    stars = ["*" if row.by == "every value" and row.holds is not None else "" for row in rows]
    rules = [words(rule_words(row, numbers)) + star for row, star in zip(rows, stars, strict=True)]
    sources = list(dict.fromkeys(row.source for row in rows if row.source))
    letters = dict(zip(sources, ascii_lowercase, strict=False)) if len(sources) > 1 else {}
    quiet: list[Ink] = ["quiet"] * len(rows)
    columns = [
        Column("", signs, tones),
        Column("figure", [words(name_words(row)) for row in rows], folds=True, floor=NAME_LEAST),
        Column("published", [words(row.published) for row in rows], folds=True, floor=PUBLISHED_LEAST),
        Column("measured", [words(precise(row.measured, numbers)) for row in rows], beyond, "right"),
        Column("spread", [_range(words(spread_words(row, numbers))) for row in rows], quiet),
        Column("rule", [_range(rule) for rule in rules], quiet),
        Column("", [letters.get(row.source, "") for row in rows], quiet),
    ]
    if not any(row.published for row in rows):
        del columns[2]
    if not any(row.spread for row in rows):
        columns = [c for c in columns if c.head != "spread"]
    legend = "; ".join(f"{letters[s]}: {s}" if letters else s for s in sources)
    told = [how_measured(rows), f"Rule: {one.rule.rstrip('.')}.", f"Published in {legend}." if sources else ""]
    return table_lines(columns, style) + paragraph(words(" ".join(t for t in told if t)), style.columns, "quiet")


def _range(text: str) -> str:
    """A long range stands on two lines, broken between its numbers and nowhere else."""
    return text.replace(" to ", " to\n") if cell_len(text) > RANGE_MOST else text


def _sign(row: ToldRow, style: Style) -> str:
    if row.holds is None:
        return ""
    return style.glyphs.ok if row.holds else style.glyphs.fail


def _words(one: ToldExperiment, style: Style) -> list[Text]:
    """Why it likely did not reproduce, then what a reader must know."""
    out: list[Text] = []
    for reason in one.reasons:
        out += _item("likely reason  ", reason, style, "guilty")
    for note in one.notes:
        out += _item("note  ", note, style, "")
    return out


def _item(head: str, text: str, style: Style, ink: Ink) -> list[Text]:
    body = paragraph(style.words(text), style.columns - len(head), ink)
    return [line((head if i == 0 else " " * len(head), "title"), (t.plain, ink)) for i, t in enumerate(body)]


def _table(table: ToldTable, style: Style) -> list[Text]:
    built = [
        Column(style.words(head), [style.words(row[at]) for row in table.rows], folds=True)
        for at, head in enumerate(table.columns)
    ]
    return [*paragraph(style.words(table.title), style.columns, "title"), *table_lines(built, style)]


def _foot(one: ToldExperiment, style: Style) -> list[Text]:
    more = len(one.figures) - 1
    facts = [seconds_words(one, style.numbers)]
    if more > 0:
        facts.append(f"{more} more picture{'s' if more > 1 else ''} in the page that -o writes")
    return paragraph(style.words(" · ".join(facts)), style.columns, "quiet")
