"""What every training reached: a journal in the cache of runs, and the committed file that labels are made from.

The journal (``.runs/journal.jsonl``) gets a line as each training ends, so that nothing is lost with a killed process.
The committed file has a line a script, sorted; a script whose text has changed has another digest, and is trained anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cases import ROOT, Script
from forked import Job, Outcome

COMMITTED = ROOT / "outcomes.jsonl"
RUNS = ROOT / ".runs"
SOURCE = ROOT.parents[1] / "src" / "gradiometer"
WATCH_ROOMS = ("measurement", "quantities", "records", "session", "store")


@dataclass(frozen=True, slots=True)
class Record:
    """One training that has ended. watch: digest of the watch that recorded it, "" where there was none."""

    case: str
    role: str
    metric: str
    digest: str
    seed: int
    value: float
    seconds: float
    steps: int = -1
    error: str = ""
    watch: str = ""


class Outcomes:
    """Records by script and seed; ``add`` writes the journal at once."""

    def __init__(self, runs: Path = RUNS, committed: Path = COMMITTED) -> None:
        self.runs, self.committed = runs, committed
        self._records: dict[tuple[str, str], dict[int, Record]] = {}  # (digest, metric) -> seed -> record
        for record in (*_read_committed(committed), *_read_journal(runs / "journal.jsonl")):
            self._keep(record)

    def _keep(self, record: Record) -> None:
        self._records.setdefault((record.digest, record.metric), {})[record.seed] = record

    def _of(self, script: Script, metric: str) -> list[Record]:
        return sorted(self._records.get((script.digest, metric), {}).values(), key=lambda r: r.seed)

    def get(self, script: Script, metric: str, seed: int) -> Record | None:
        """The record of a script as it stands now, None where it was not trained."""
        return self._records.get((script.digest, metric), {}).get(seed)

    def values(self, script: Script, metric: str) -> dict[int, float]:
        """Its metric by seed, for every seed that was trained."""
        return {r.seed: r.value for r in self._of(script, metric)}

    def error(self, script: Script, metric: str) -> str:
        """How it broke, "" where it did not in any seed."""
        return next((r.error for r in self._of(script, metric) if r.error), "")

    def run_file(self, script: Script, seed: int) -> Path:
        """Where the watch of this training records."""
        return self.runs / f"{script.digest}-{seed}.gmr"

    def add(self, job: Job, outcome: Outcome) -> None:
        """Keep what a training reached."""
        record = Record(
            case=job.script.case,
            role=job.script.role,
            metric=job.metric,
            digest=outcome.digest,
            seed=outcome.seed,
            value=outcome.value,
            seconds=round(outcome.seconds, 2),
            steps=outcome.steps,
            error=outcome.error,
            watch=watch_digest() if job.run_file is not None else "",
        )
        self._keep(record)
        self.runs.mkdir(parents=True, exist_ok=True)
        with (self.runs / "journal.jsonl").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(record) | {"value": _written(record.value)}) + "\n")

    def other_watch(self, scripts: Iterable[Script], seeds: int) -> int:
        """Of the recorded runs of these scripts, how many another state of the watch has recorded."""
        now, wanted = watch_digest(), {s.digest for s in scripts}
        mine = (r for (digest, _), some in self._records.items() if digest in wanted for r in some.values())
        return sum(r.watch != now for r in mine if r.watch and r.seed < seeds)

    def write(self, scripts: Mapping[str, Iterable[tuple[Script, str]]], corpus: Iterable[str]) -> None:
        """Write the committed file: the (script, metric) pairs of the cases given, by case; others keep their lines.

        corpus: names of all cases there are; the lines of others are left out.
        """
        kept = [line for line in _lines(self.committed) if line["case"] in set(corpus) - set(scripts)]
        mine = [line for pairs in scripts.values() for s, m in pairs if (line := self._line(s, m))]
        lines = sorted(kept + mine, key=lambda line: (line["case"], _rank(line["role"]), line["role"]))
        part = self.committed.with_suffix(f".{os.getpid()}.part")
        part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        part.replace(self.committed)

    def _line(self, script: Script, metric: str) -> dict[str, Any] | None:
        found = self._of(script, metric)
        if not found:
            return None
        line: dict[str, Any] = {"case": script.case, "role": script.role, "metric": metric, "digest": script.digest}
        line |= {"seeds": [r.seed for r in found], "values": [_written(r.value) for r in found]}
        line |= {"seconds": [round(r.seconds, 1) for r in found], "steps": max(r.steps for r in found)}
        error = next((r.error for r in found if r.error), "")
        return line | ({"error": error} if error else {})


def _rank(role: str) -> int:
    first = ("healthy", "faulty", "fixed")
    return first.index(role) if role in first else len(first)


def _written(value: float) -> float | str:
    """JSON knows no nan and no inf."""
    return value if math.isfinite(value) else str(value)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _read_committed(path: Path) -> list[Record]:
    found = []
    for line in _lines(path):
        same = {key: line[key] for key in ("case", "role", "metric", "digest", "steps")} | {
            "error": line.get("error", "")
        }
        for seed, value, seconds in zip(line["seeds"], line["values"], line["seconds"], strict=True):
            found.append(Record(seed=seed, value=float(value), seconds=seconds, **same))
    return found


def _read_journal(path: Path) -> list[Record]:
    """Its records; a last line that a killed process left torn is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            says = json.loads(line)
        except json.JSONDecodeError:
            continue
        found.append(Record(**(says | {"value": float(says["value"])})))
    return found


@cache
def watch_digest() -> str:
    """The state of the watch: digest of the sources of all rooms that a recording passes through."""
    return sources_digest(WATCH_ROOMS)


def sources_digest(rooms: Iterable[str], beside: Collection[str] = ()) -> str:
    """The first 16 hex digits of the SHA-256 of all Python files of some rooms. beside: files that are left out."""
    files = sorted(p for room in rooms for p in (SOURCE / room).rglob("*.py"))
    files = [p for p in files if str(p.relative_to(SOURCE)) not in beside]
    digest = hashlib.sha256()
    for path in files:
        digest.update(str(path.relative_to(SOURCE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
