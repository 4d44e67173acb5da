"""From outcomes and run files to the printed score: label, judge, count, tell."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cases import Case, Script, half_of, moved
from judging import Question, judge_all
from labels import FAULTS, SOUND, Label, label_faulty, label_healthy, label_mutant
from mutants import mutants_of
from outcomes import Outcomes, sources_digest, watch_digest
from plan import Order
from rates import TARGETS, Judged, Score, score_of

MIDDLE = "calibration"  # mutants share scripts with both halves, so they belong to none that is reported
JUDGES = ("diagnosis", "quantities", "records", "theory")
Labelled = tuple[Label, Script, str]


def tell(order: Order, outcomes: Outcomes, path: str | None, workers: int = 2) -> int:
    """Judge, print, write. 0, also where a target is missed: the table says so."""
    from telling import printed

    labelled = [(half_of(c.name, moved()), *row) for c in order.cases for row in labels_of(c, outcomes, order)]
    rows = judged_of(labelled, order, outcomes, workers)
    score = score_of(rows, [label for _, label, _, _ in labelled])
    printed(score, order)
    scripts = [script for _, _, script, _ in labelled]
    if old := outcomes.other_watch(scripts, order.seeds):
        print(f"\n{old} of the runs were recorded by another state of the watch; --retrain records them anew.")
    if path is not None:
        text = json.dumps(document(score, order, outcomes), indent=1, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
    return 0


def labels_of(case: Case, outcomes: Outcomes, order: Order) -> list[Labelled]:
    """Every label of a case, scored or not, with its script and its population."""
    if not case.healthy:
        faulty = label_faulty(case, outcomes)
        twin = Label(case.name, "fixed", "healthy", faulty.seeds, ("none",), figures=faulty.figures)
        out = [(faulty, case.scripts[0], "faulty")]
        return [*out, (twin, case.scripts[1], "twin")] if faulty.kind in FAULTS else out
    out = [(label_healthy(case, outcomes), case.scripts[0], "healthy")]
    for mutant in mutants_of(case) if order.with_mutants else ():
        label = label_mutant(case, mutant.script, outcomes, (mutant.operator.symptoms, mutant.operator.causes))
        if label.kind == "harmless" and mutant.operator.wrong:
            label = replace(label, kind="unscored", seeds=(), why="a mistake that this training copes with")
        out.append((label, mutant.script, "mutant" if label.kind in FAULTS else "harmless"))
    return out


def judged_of(
    labelled: Sequence[tuple[str, Label, Script, str]], order: Order, outcomes: Outcomes, workers: int
) -> list[Judged]:
    """Every scored script with what was said of its runs."""
    rows: list[tuple[Judged, list[Path]]] = []
    for half, label, script, population in labelled:
        paths = [outcomes.run_file(script, s) for s in label.seeds if s < order.seeds]
        paths = [p for p in paths if p.exists()]
        if label.kind in FAULTS | SOUND and paths:
            own = MIDDLE if population in ("mutant", "harmless") else half
            rows.append((Judged(label, own, population), paths))
    questions = [Question(p, row.population == "faulty") for row, paths in rows for p in paths]
    with _bar(len(questions)) as tick:
        answers = iter(judge_all(questions, workers, tick))
    return [replace(row, said=tuple(next(answers) for _ in paths)) for row, paths in rows]


@contextmanager
def _bar(total: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("diagnosing", total=total)
        yield lambda: progress.advance(task)


def document(score: Score, order: Order, outcomes: Outcomes) -> dict[str, Any]:
    """The score as one JSON document, with the command and the digests of what it was made from."""
    corpus = hashlib.sha256("".join(s.digest for c in order.cases for s in c.scripts).encode()).hexdigest()[:16]
    held = outcomes.committed.read_bytes() if outcomes.committed.exists() else b""
    return {
        "command": " ".join(["python benchmarks/faults/run.py", *sys.argv[1:]]),
        "digests": {
            "corpus": corpus,
            "outcomes": hashlib.sha256(held).hexdigest()[:16],
            "watch": watch_digest(),
            "diagnosis": sources_digest(JUDGES),
        },
        "cases": len(order.cases),
        "seeds": order.seeds,
        "targets": TARGETS,
        **plain(asdict(score)),
    }


def plain(value: Any) -> Any:
    """As JSON has it, which knows no nan and no inf; four digits are enough."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value
