"""The arms of a trial as values: no cure, prescribed cures, a sham, a cure drawn at random. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..catalog import ENTRIES, entry_of, settings_of
from ..records import Diagnosis, Scalar, TrialArm, UserError
from .design import MOST_CURES

NONE = TrialArm("none", "none")
SETTING = "set."  # before the name of a setting of the cure, in an arm's params
_HOME = "gradiometer.trial.treatments"


def cure_arm(name: str, cure: str, settings: Mapping[str, Scalar] | None = None) -> TrialArm:
    """An arm that applies a cure of the catalog. settings: as in a prescription's params."""
    return TrialArm(name, "cure", f"{_HOME}:cure", {"cure": cure, **_prefixed(settings)})


def sham_arm(of: TrialArm) -> TrialArm:
    """An arm that applies the cure of another arm and undoes it."""
    return TrialArm("sham", "sham", f"{_HOME}:sham", of.params, of=of.name)


def random_arm(among: Sequence[str]) -> TrialArm:
    """An arm that applies, for every seed, a cure drawn from ``among``; the next one drawn where one cannot be."""
    return TrialArm("random", "random", f"{_HOME}:random_cure", {"among": ",".join(among)})


def applicable() -> tuple[str, ...]:
    """Names of the cures that surgery applies to a network, in the order of the catalog."""
    return tuple(e.name for e in ENTRIES if e.kind == "surgery")


def prescribed(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Cures of the findings that can be applied, at most MOST_CURES: the first finding's first, and those that theory
    calls not enough last."""
    able = applicable()
    ranked = [c for f in diagnosis.findings for c in f.cures if c.name in able]
    names = [c.name for c in sorted(ranked, key=lambda c: not c.enough)]
    return tuple(dict.fromkeys(names))[:MOST_CURES]


def asked_arms(asked: Sequence[str]) -> tuple[TrialArm, ...]:
    """Arms of ``NAME`` or ``NAME:param=value:...``. UserError for what the catalog does not have, or cannot apply."""
    arms = []
    for text in asked:
        name, *settings = text.split(":")
        entry = entry_of(name)
        if entry.kind != "surgery":
            raise UserError(f"{name} cannot be applied to a network, so it cannot be tried. The edit: {entry.edit}")
        given: dict[str, Scalar] = {}
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals:
                raise UserError(f"--cure {text}: {setting!r} is no setting. Write it as param=value.")
            given[key] = value
        settings_of(entry, given)
        arms.append(cure_arm(text, name, given))
    doubled = next((a.name for a in arms if [b.name for b in arms].count(a.name) > 1), None)
    if doubled is not None:
        raise UserError(f"--cure {doubled} was given twice.")
    return tuple(arms)


def all_arms(cures: Sequence[TrialArm], not_drawn: Collection[str]) -> tuple[TrialArm, ...]:
    """No cure, the cures, a random one, and a sham. The random arm is left out where nothing is left to draw from."""
    drawn = [name for name in applicable() if name not in not_drawn]
    return (NONE, *cures, *((random_arm(drawn),) if drawn else ()), sham_arm(cures[0]))


def _prefixed(settings: Mapping[str, Scalar] | None) -> dict[str, Scalar]:
    return {f"{SETTING}{name}": value for name, value in (settings or {}).items()}
