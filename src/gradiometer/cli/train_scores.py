"""The block below the page: scores beside the best constant prediction, what was learned, the files."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path

from rich.text import Text

from gradiometer.views import Style
from gradiometer.views.numbers import Numbers
from gradiometer.views.style import Ink, line, pad, paragraph, render

from .settings import read_settings
from .train_results import Results

MOST_LEARNED = 6  # values that are told one by one
_GAP = "  "
_LABEL = 13  # columns of what stands before a fact


def scores_text(results: Results, style: Style) -> str:
    """The block, at most ``style.columns`` wide, ending in a line break."""
    return render([*_table(results, style), *_facts(results, style)], style)


def score_words(results: Results, numbers: Numbers) -> str:
    """``Test accuracy 95.8 %, best constant 9.2 %.``; the last split that there is, "" where there is none."""
    if not results.scores:
        return ""
    split, score = list(results.scores.items())[-1]
    told, constant = (metric_words(v, score.metric_name, numbers) for v in (score.metric, score.constant_metric))
    return f"{split.capitalize()} {score.metric_name} {told}, best constant {constant}."


def metric_words(value: float, name: str, numbers: Numbers) -> str:
    """An accuracy as percent, anything else as a number."""
    return numbers.percent(value) if name == "accuracy" else numbers.number(value)


def _table(results: Results, style: Style) -> list[Text]:
    """A row a split; each score stands before that of the best constant prediction."""
    n = style.numbers
    metric = next((s.metric_name for s in results.scores.values()), "")
    table = [("scores", metric, "best constant", "loss", "best constant")]
    for split, s in results.scores.items():
        own, constant = (metric_words(v, metric, n) for v in (s.metric, s.constant_metric))
        table.append((split, own, constant, n.number(s.loss), n.number(s.constant_loss)))
    wide = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    wide[0] = _LABEL - len(_GAP)
    out = []
    for i, row in enumerate(table):
        cells = [pad(c, w, "right" if at else "left") for at, (c, w) in enumerate(zip(row, wide, strict=True))]
        if i == 0:
            out.append(line((cells[0], "title"), (_GAP + _GAP.join(cells[1:]), "quiet")))
        else:
            shown: list[tuple[str, Ink]] = [
                (_GAP + c, "" if at % 2 == 0 else "quiet") for at, c in enumerate(cells[1:])
            ]
            out.append(line((cells[0], ""), *shown))
    return out


def _facts(results: Results, style: Style) -> list[Text]:
    n, told = style.numbers, []
    if results.diverged_at is not None:
        told.append(("diverged", "the loss did not stay finite"))  # the page has the step, as the run counts it
    if results.slopes:
        told.append(("slopes", f"{learned_words(results.slopes, n)} (PReLU, from 0.25)"))
    if results.scales:
        told.append(("scales", f"{learned_words(results.scales, n)} (α of the branches, from 0)"))
    if results.searched is not None:
        told.append(("rate", rate_found(results, n)))
    if results.started is not None:
        told.append(("from", results.started.sentence))
    told += [("task", results.task)] if results.task else []
    out: list[Text] = []
    for name, words in told:
        body = paragraph(style.words(words), style.columns - _LABEL)
        out += [line((pad(name if i == 0 else "", _LABEL), "title"), (t.plain, "quiet")) for i, t in enumerate(body)]
    return out + _foot(results, style)


def _foot(results: Results, style: Style) -> list[Text]:
    """The weights and the command that goes on, as the foot of the page: a path or a command has its own line."""
    if results.weights is None:
        return []
    lines = (near(results.weights), train_on(results))
    return [t for words in lines for t in paragraph(style.words(words), style.columns, "quiet")]


def learned_words(learned: tuple[tuple[str, float], ...], n: Numbers) -> str:
    """A few values one by one, loss first; of many the range and both ends."""
    values = [value for _, value in learned]
    lost = sum(not math.isfinite(value) for value in values)
    if lost:
        return f"{lost} of {len(values)} are not finite"
    if len(values) <= MOST_LEARNED:
        return f"{', '.join(map(n.number, values))}, loss first"
    low, high = n.number(min(values)), n.number(max(values))
    ends = f"{n.number(values[0])} nearest the loss, {n.number(values[-1])} nearest the input"
    return f"{len(values)} from {low} to {high}, {ends}"


def rate_found(results: Results, n: Numbers) -> str:
    """How the learning rate was chosen."""
    found = results.searched
    assert found is not None
    rates, seeds = {run.lr for run in found.runs}, {run.seed for run in found.runs}
    edge = "; it is the edge of what was tried, and a better one may lie beyond" if found.at_edge else ""
    if all(run.diverged for run in found.runs):
        return f"{n.number(found.lr)}: every training diverged, at {len(rates)} rates; this is the smallest"
    return (
        f"{n.number(found.lr)}, the best of {len(rates)} on the validation split, "
        f"{len(seeds)} trainings each on other seeds{edge}"
    )


def train_on(results: Results) -> str:
    """The command that goes on."""
    assert results.weights is not None
    weights = Path(results.weights)
    known = weights.parent == read_settings().runs_folder.absolute()
    name = weights.stem if known else near(results.weights)
    steps = "" if results.steps < results.recipe.steps else f" --steps {results.steps - results.begun}"
    return f"gradiometer train --resume {shlex.quote(name)}{steps}"


def near(path: str) -> str:
    """From the working folder where that is shorter."""
    try:
        relative = os.path.relpath(path, Path.cwd())
    except ValueError:  # another drive
        return path
    return relative if len(relative) < len(path) and not relative.startswith("..") else path
