"""The corpus: trainings with a fault, their twins without it, and trainings in which nothing is wrong.

A case is a folder. ``cases/NAME`` holds ``faulty.py``, ``fixed.py`` and ``case.toml``; ``healthy/NAME`` holds
``train.py`` and ``case.toml``. A script takes one argument, its seed, and prints ``METRIC: NUMBER``; the last such line
counts. Variants are the faulty script with one thing changed: the text ``old`` replaced by ``new``.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, get_args

from gradiometer.records import ALL_CAUSES
from gradiometer.records.finding import Symptom

ROOT = Path(__file__).resolve().parent
NUMBERED = re.compile(r"-\d+$")  # `lr-too-high-2`: the same cause, removed in a second way
Better = Literal["higher", "lower"]
Half = Literal["calibration", "report"]


class CorpusError(Exception):
    """A case is not written as the corpus asks for."""


@dataclass(frozen=True, slots=True)
class Script:
    """A text to train. role: ``faulty``, ``fixed``, ``healthy``, or the name of a variant or a mutant."""

    case: str
    role: str
    text: str

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing changed in the faulty script. cause: the cause that the change removes."""

    cause: str
    changes: tuple[tuple[str, str], ...]

    def applied(self, text: str, where: str) -> str:
        """The changed text. CorpusError where an old text does not stand there."""
        for old, new in self.changes:
            if old not in text:
                raise CorpusError(f"{where}: variant {self.cause!r} replaces a text that is not there: {old!r}")
            text = text.replace(old, new)
        return text


@dataclass(frozen=True)
class Case:
    """One folder of the corpus.

    source: where the fault was met. metric, better: what its scripts print, and which way is good. trivial: the
    metric of the best constant prediction. floor: a healthy training reaches at least (most) this, else its label is
    not true. symptoms: the accepted ones. published: the cause as its source tells it, in its words.
    """

    name: str
    folder: Path
    source: str
    metric: str
    better: Better
    trivial: float
    floor: float | None = None
    symptoms: tuple[str, ...] = ()
    published: str = ""
    exempt: str = ""
    variants: tuple[Variant, ...] = ()

    @property
    def healthy(self) -> bool:
        """True for a training in which nothing is wrong."""
        return self.folder.parent.name == "healthy"

    @property
    def half(self) -> Half:
        """Which half it belongs to, by the hash of its name; a case of ``moved.txt`` was opened and tuned on."""
        return half_of(self.name, moved())

    @cached_property
    def scripts(self) -> tuple[Script, ...]:
        """Its scripts, variants included."""
        if self.healthy:
            return (Script(self.name, "healthy", self._read("train.py")),)
        faulty = self._read("faulty.py")
        own = (Script(self.name, "faulty", faulty), Script(self.name, "fixed", self._read("fixed.py")))
        where, changed = str(self.folder / "case.toml"), []
        for i, v in enumerate(self.variants):
            earlier = sum(w.cause == v.cause for w in self.variants[:i])  # one cause may be removed in several ways
            role = f"without {v.cause}" + (f" ({earlier + 1})" if earlier else "")
            changed.append(Script(self.name, role, v.applied(faulty, where)))
        return (*own, *changed)

    def _read(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():
            raise CorpusError(f"{self.folder} has no {name}")
        return path.read_text(encoding="utf-8")


@cache
def moved(root: Path = ROOT) -> frozenset[str]:
    """Names in ``moved.txt``, one a line, what follows a # left out."""
    path = root / "moved.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


def half_of(name: str, opened: frozenset[str] = frozenset()) -> Half:
    """The half of a case: the first byte of the SHA-256 of its name, odd for the report; calibration where opened."""
    return "report" if hashlib.sha256(name.encode()).digest()[0] % 2 and name not in opened else "calibration"


def load_case(folder: Path) -> Case:
    """The case in a folder. CorpusError where its ``case.toml`` lacks something."""
    try:
        says = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
        variants = tuple(
            Variant(
                NUMBERED.sub("", v["cause"]), tuple((a, b) for a, b in v.get("changes", [(v.get("old"), v.get("new"))]))
            )
            for v in says.pop("variant", [])
        )
        says["symptoms"] = tuple(says.get("symptoms", ()))
        _check_words(says["symptoms"], [v.cause for v in variants])
        return Case(name=folder.name, folder=folder, variants=variants, **says)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{folder / 'case.toml'}: {error}") from error


def _check_words(symptoms: Sequence[str], causes: Sequence[str]) -> None:
    strange = [s for s in symptoms if s not in get_args(Symptom)] + [c for c in causes if c not in ALL_CAUSES]
    if strange:
        raise ValueError(f"not in the vocabulary: {', '.join(strange)}")


def load_corpus(root: Path = ROOT, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """Every case, or those whose names match one of the patterns of a shell, faulty ones first, by name."""
    folders = [p.parent for kind in ("cases", "healthy") for p in sorted((root / kind).glob("*/case.toml"))]
    return tuple(load_case(f) for f in folders if not names or any(fnmatch(f.name, name) for name in names))
