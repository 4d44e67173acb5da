"""Write the table of the reproduced experiments into the manual.

gradiometer reproduce all --json all.json
python scripts/write_reproduced.py all.json      keep its figures in docs/reproduced.json, and write the page
python scripts/write_reproduced.py a.json b.json the same of a run in parts; the later part wins
python scripts/write_reproduced.py               write the page again from docs/reproduced.json
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradiometer.reproduction.menu import offered
from gradiometer.views import ToldExperiment, ToldRow, ToldTable
from gradiometer.views.experiment import counts_words, how_measured, name_words, precise, rule_words, spread_words
from gradiometer.views.numbers import UNICODE

DOCS = Path(__file__).resolve().parent.parent / "docs"
KEPT, PAGE = DOCS / "reproduced.json", DOCS / "reproduce.md"
BEGIN, END = "<!-- figures begin: scripts/write_reproduced.py -->", "<!-- figures end -->"
DIGITS = 6
DROPPED = ("figures", "notes", "setting")


def slim(document: dict[str, Any]) -> dict[str, Any]:
    """The figures of a document without pictures and notes, numbers to six digits.

    ValueError for one that is broken off or of the quick form: the manual shows whole runs.
    """
    if not document["complete"]:
        raise ValueError("this document was broken off; run gradiometer reproduce all to its end")
    quick = [one["name"] for one in document["experiments"] if one["quick"]]
    if quick:
        raise ValueError(f"of the quick form: {', '.join(quick)}; run gradiometer reproduce all without --quick")
    kept = [{k: v for k, v in one.items() if k not in DROPPED} for one in document["experiments"]]
    out: dict[str, Any] = rounded({"schema": document["schema"], "complete": True, "experiments": kept})
    return out


def rounded(value: Any) -> Any:
    """Every number inside to six significant digits; a bound of a rule keeps its own."""
    if isinstance(value, dict):
        return {k: v if k in ("low", "high") else rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def kept_text(document: dict[str, Any]) -> str:
    """The slim document, a line a row, so that a difference can be read."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace('},{"name"', '},\n{"name"').replace('"rows":[', '"rows":[\n') + "\n"


def told(document: dict[str, Any]) -> tuple[ToldExperiment, ...]:
    """The document as the values that every page is made from."""
    experiments = []
    for one in document["experiments"]:
        rows = tuple(_row(row) for row in one["rows"])
        tables = tuple(_table(one) for one in one["tables"])
        facts = {k: tuple(v) if isinstance(v, list) else v for k, v in one.items() if k not in (*DROPPED, *_BUILT)}
        experiments.append(ToldExperiment(rows=rows, tables=tables, setting="", **facts))
    return tuple(experiments)


_BUILT = ("rows", "tables")


def _table(table: dict[str, Any]) -> ToldTable:
    return ToldTable(table["title"], tuple(table["columns"]), tuple(map(tuple, table["rows"])))


def _row(row: dict[str, Any]) -> ToldRow:
    numbers = ("measured", "spread_low", "spread_high")
    values = tuple(math.nan if v is None else v for v in row["values"])
    return ToldRow(**(row | {"values": values} | {k: math.nan if row[k] is None else row[k] for k in numbers}))


def table(document: dict[str, Any]) -> str:
    """What stands between the markers of the page."""
    experiments = told(document)
    return "\n".join([*_summary(experiments), *(line for one in experiments for line in _section(one))])


def _summary(experiments: tuple[ToldExperiment, ...]) -> Iterator[str]:
    yield f"**{counts_words(experiments)}**\n"
    yield "| | experiment | what it shows | rules met | time |"
    yield "|---|---|---|---|---|"
    for one in experiments:
        judged = [row.holds for row in one.rows if row.holds is not None]
        cells = [one.title, f"{sum(judged)} of {len(judged)}", UNICODE.duration(one.seconds)]
        yield _line([_sign(one.reproduced), f"[`{one.name}`](#{one.name})", *cells])
    yield ""


def _section(one: ToldExperiment) -> Iterator[str]:
    yield f"### {one.name}\n"
    verdict = "Reproduced" if one.reproduced else "**Not reproduced**"
    yield f"{verdict}. {_cell(one.title)}. Source: {_cell(one.source)}. Rule: {_cell(one.rule.rstrip('.'))}.\n"
    for reason in one.reasons:
        yield f"Likely reason: {_cell(reason)}\n"
    yield "| | figure | published | measured | spread | rule |"
    yield "|---|---|---|---|---|---|"
    for row in one.rows:
        rule = rule_words(row, UNICODE) + ("\\*" if row.by == "every value" and row.holds is not None else "")
        cells = [name_words(row), row.published, precise(row.measured, UNICODE), spread_words(row, UNICODE)]
        yield _line([_sign(row.holds), *cells, rule])
    yield f"\n{_cell(how_measured(one.rows))}\n"
    for table in one.tables:
        yield f"{_cell(table.title)}:\n"
        yield _line(list(table.columns))
        yield "|---" * len(table.columns) + "|"
        yield from (_line(list(row)) for row in table.rows)
        yield ""


def _sign(holds: bool | None) -> str:
    return {True: "✓", False: "✕", None: ""}[holds]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Words as Markdown shows them: no bar ends a cell, no star begins an emphasis, no angle a tag."""
    for sign in ("|", "*", "<"):
        text = text.replace(f"\\{sign}", sign).replace(sign, f"\\{sign}")
    return text


def page_with(page: str, document: dict[str, Any]) -> str:
    """The page with the document's figures between its markers. ValueError where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{table(document)}\n{END}{after}"


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts of one run as one document, in the order of the list; of an experiment twice, the later one."""
    found = {one["name"]: one for document in documents for one in document["experiments"]}
    names = [entry.name for entry in offered() if entry.name in found]
    order = [*names, *(name for name in found if name not in names)]
    complete = all(document["complete"] for document in documents)
    return {**documents[-1], "complete": complete, "experiments": [found[name] for name in order]}


def main(arguments: list[str]) -> int:
    """Take over the documents that are named, then write the page."""
    try:
        if arguments:
            documents = [json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments]
            KEPT.write_text(kept_text(slim(merged(documents))), encoding="utf-8")
        document = json.loads(KEPT.read_text(encoding="utf-8"))
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"write_reproduced: {error}", file=sys.stderr)
        return 2
    print(counts_words(told(document)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
