"""Sites of a deep trunk grouped by module path: no site is left out, and none that a finding names is averaged away."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradiometer.quantities import Profile
from gradiometer.records import Finding, Run, Site

from .plot import DOTS_MOST

FEWEST, MOST = 20, 100
"""Groups that a picture has room for: each a cell that can be hit, and still a shape of the whole."""
SEVERITIES = ("", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Member:
    """One site of a group: its name, whether it is a station of the trunk, log10 of its error against the loss's site
    (−inf where it is exactly 0, nan where it was not measured)."""

    name: str
    trunk: bool
    decades: float


@dataclass(frozen=True, slots=True)
class Group:
    """Stations first..last of the trunk (indices, loss first) with the branches beside them.

    severity: the worst of any member, "" where no finding names one. guilty: the members that findings name."""

    name: str
    first: int
    last: int
    members: tuple[Member, ...]
    severity: str
    guilty: tuple[str, ...]

    @property
    def branches(self) -> tuple[float, ...]:
        """Decades of the branch sites whose error was measured and is not 0."""
        return tuple(m.decades for m in self.members if not m.trunk and np.isfinite(m.decades))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows first..last of a picture whose rows are stations, drawn as one: those of the group of that number.

    severity: the worst finding that names a member of the group, "" where none does."""

    name: str
    first: int
    last: int
    group: int
    severity: str


def stretches(labels: Sequence[str], shown: Profile, groups: Sequence[Group]) -> tuple[Stretch, ...]:
    """The rows of each group among those that a picture has, by their labels, in the order of the trunk; groups without
    a row have no stretch. Empty where there are no groups."""
    rows = {label: i for i, label in enumerate(labels)}
    out = []
    for k, g in enumerate(groups):
        own = [rows[label] for label in shown.labels[g.first : g.last + 1] if label in rows]
        if own:
            out.append(Stretch(g.name, min(own), max(own), k, g.severity))
    return tuple(out)


def grouped(run: Run, shown: Profile, findings: Sequence[Finding]) -> tuple[Group, ...]:
    """The groups of a trunk of more than 60 stations, loss first; empty up to there.

    By module path at the depth that gives 20 to 100 groups; where no depth does, neighbours of the next deeper one are
    put together."""
    if len(shown.stations) <= DOTS_MOST:
        return ()
    stretches = _stretches([name.split("#")[0].split(":")[0] for name in shown.stations])
    sites = {s.name: s for s in run.sites(shown.model)}
    between = _between(run, shown)
    beside = _branches(run, shown, stretches, {n for names in between for n in names})
    errors = _decades(run, shown)
    blamed = _blamed(findings, shown.model)
    out = []
    for (name, first, last), branches in zip(stretches, beside, strict=True):
        trunk: list[Member] = []
        for i in range(first, last + 1):
            trunk += [Member(n, True, errors[n]) for n in between[i]]
            trunk.append(Member(shown.stations[i], True, float(shown.error_decades[i])))
        members = (*trunk, *(Member(b, False, errors[b]) for b in branches))
        worst = {m.name: _worst(m.name, sites.get(m.name), blamed) for m in members}
        guilty = tuple(n for n, severity in worst.items() if severity)
        out.append(Group(name, first, last, members, max(worst.values(), key=SEVERITIES.index), guilty))
    return tuple(out)


def _stretches(paths: Sequence[str]) -> list[tuple[str, int, int]]:
    """(name, first, last) of consecutive stations that share the first parts of their path."""
    deepest = max(p.count(".") + 1 for p in paths)
    found: list[tuple[str, int, int]] = []
    for depth in range(1, deepest + 1):
        found = _at_depth(paths, depth)
        if len(found) >= FEWEST:
            break
    size = -(-len(found) // MOST)
    chunks = [found[i : i + size] for i in range(0, len(found), size)]
    return [(c[0][0] if len(c) == 1 else f"{c[0][0]} … {c[-1][0]}", c[0][1], c[-1][2]) for c in chunks]


def _at_depth(paths: Sequence[str], depth: int) -> list[tuple[str, int, int]]:
    keys = [".".join(p.split(".")[:depth]) for p in paths]
    out = []
    for key, run in itertools.groupby(range(len(keys)), key=keys.__getitem__):
        places = list(run)
        out.append((key or "model", places[0], places[-1]))
    return out


def _between(run: Run, shown: Profile) -> list[list[str]]:
    """The sites on the way to each station from the one before it, such as the activations of a chain [station]."""
    stations, known = set(shown.stations), {s.name for s in run.sites(shown.model) if s.kind != "param"}
    out: list[list[str]] = [[]]
    for hop in run.network(shown.model).hops:
        ends = [n for part in hop.parts for n in (part.upper, part.lower)]
        out.append([n for n in dict.fromkeys(ends) if n in known and n not in stations])
    return out


def _branches(
    run: Run, shown: Profile, stretches: Sequence[tuple[str, int, int]], on_the_way: set[str]
) -> list[list[str]]:
    """The sites off the trunk, each in the group of the next station that is called after it; latest call first."""
    place = {shown.stations[i]: g for g, (_, first, last) in enumerate(stretches) for i in range(first, last + 1)}
    out: list[list[str]] = [[] for _ in stretches]
    at = 0
    for site in reversed(run.sites(shown.model)):
        if site.name in place:
            at = place[site.name]
        elif site.kind in ("output", "function") and site.name not in on_the_way:
            out[_by_path(site, stretches, at)].append(site.name)
    return out


def _by_path(site: Site, stretches: Sequence[tuple[str, int, int]], near: int) -> int:
    """The group whose path the site lies under, the nearest one where several do; else the one it stands beside."""
    fits = [g for g, (name, _, _) in enumerate(stretches) if site.path == name or site.path.startswith(name + ".")]
    return min(fits, key=lambda g: abs(g - near), default=near)


def _decades(run: Run, shown: Profile) -> dict[str, float]:
    at = int(np.flatnonzero(run.steps(shown.model) == shown.step)[0])
    errors = run.of("err_norm", shown.model)[at]
    names = [s.name for s in run.sites(shown.model)]
    columns = run.columns(shown.stations, shown.model)
    known = [errors[c] for c in columns if c >= 0 and np.isfinite(errors[c]) and errors[c] > 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log10(errors / (known[0] if known else np.nan))
    return dict(zip(names, map(float, values), strict=True))


def _blamed(findings: Sequence[Finding], model: str) -> dict[str, str]:
    """The worst severity of each site, module or weight that a finding of the model names."""
    out: dict[str, str] = {}
    for f in findings:
        for site in f.sites if f.model == model else ():
            out[site] = max(out.get(site, ""), f.severity, key=SEVERITIES.index)
    return out


def _worst(name: str, site: Site | None, blamed: dict[str, str]) -> str:
    path = site.path if site is not None else name
    named = [blamed.get(n, "") for n in (name, path)]
    named += [severity for n, severity in blamed.items() if path and n.rpartition(".")[0] == path and "weight" in n]
    return max(named, key=SEVERITIES.index)
