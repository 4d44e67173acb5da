"""What happens to the error between two stations: operation after operation, each measured apart; ways that part."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import torch
from torch import Tensor

from ..measurement.graph import Vertex
from ..records import Arm, Factor
from .carry import Carried, Edge, Step, norm
from .laws.recurrent_time import LAWS as NETS_THROUGH_TIME
from .laws.recurrent_time import time_profile
from .ways import Ways

NETS = frozenset(law.name for law in NETS_THROUGH_TIME)
UNCHANGED = 1e-9  # a reshape or sum that changes the size by less than this is not a factor
QUIET_ROLES = frozenset({"reshape", "sum", "index"})
WEIGHTY_ROLES = frozenset({"weights", "attention", "recurrent"})
ARMS_AT_MOST = 12  # ways that are told one by one
NAMES_AT_MOST = 3  # modules that name a way
ATTENTION = ("query", "key", "value")


@dataclass(frozen=True, slots=True)
class Naming:
    """How steps are called: the module path of a step, its role and title there, and what theory says of it."""

    path: Callable[[Step], str]
    role: Callable[[Step], tuple[str, str]]
    theory: Callable[[Step], float]


@dataclass(frozen=True, slots=True)
class Stretches:
    """Makes the factors of a stretch of the walk."""

    carried: Carried
    ways: Ways
    naming: Naming

    def factors(self, above: Vertex, below: Vertex, shared: Vertex | None = None) -> list[Factor]:
        """The factors between two vertices, in the order in which the error meets them; quiet ones left out.

        shared: a vertex at which other ways of the same fork arrive as well.
        """
        found = []
        for a, b in pairwise(self.ways.chain(above, below)):
            found += self._between(a, b, shared)
        told = [f for f in found if not is_quiet(f)]
        return told or found[:1]

    def _between(self, a: Vertex, b: Vertex, shared: Vertex | None) -> list[Factor]:
        step = self.carried.made_by[a]
        live = set(self.ways.region(a, b))
        edges = [e for e in step.edges if e.vertex in live]
        before = self.carried.size(a)
        if all(e.vertex == b for e in edges):
            after = norm(_total([e.sent for e in edges]))
            found = [self._single(step, (a, b), (before, after))]
        else:
            found = [self._fork(step, (a, b), edges, live)]
            after = found[0].after
        joined = self.carried.size(b)
        if b != shared and abs(joined - after) > UNCHANGED * max(joined, after):
            found.append(self._joined(found[0], after, joined))
        return found

    def _single(self, step: Step, ends: tuple[Vertex, Vertex], sizes: tuple[float, float]) -> Factor:
        role, title = self.naming.role(step)
        law = step.law
        return Factor(
            law=step.name,
            role=role,
            place=self.naming.path(step),
            title=title,
            rule=step.law.step if step.law is not None else "",
            before=sizes[0],
            after=sizes[1],
            factor=ratio(*sizes),
            shape_before=self._shape(ends[0]),
            shape_after=self._shape(ends[1]),
            theory=self.naming.theory(step),
            largest=law.largest if law is not None else None,
            slope=_slope(step),
            gap=step.gap,
            by_law=law is not None,
            through_time=self._through_time(step),
        )

    def _through_time(self, step: Step) -> tuple[tuple[float, ...], ...]:
        """How the error fades on its way back through the steps of a recurrent net; () for any other law."""
        if step.law is None or step.kept is None or step.law.name not in NETS:
            return ()
        errors = tuple(self.carried.errors.get(v) if v is not None else None for v in step.outputs)
        with torch.no_grad():
            sizes = time_profile(step.law, errors, step.kept).hidden[:, 0]
        return tuple(tuple(reversed(layer)) for layer in reversed(sizes.tolist()))

    def _fork(self, step: Step, ends: tuple[Vertex, Vertex], edges: list[Edge], live: set[Vertex]) -> Factor:
        a, b = ends
        before = self.carried.size(a)
        arms, brought = self._arms(step, ends, edges)
        if not arms:
            arms, brought = self._last_edges(ends, live)
        total = _total(brought)
        after = norm(total)
        inside = {self.carried.made_by[v].order: self.carried.made_by[v] for v in live if v != b}
        gaps = [s.gap for s in inside.values() if not math.isnan(s.gap)]
        squares = sum(arm.size**2 for arm in arms)
        return Factor(
            law=step.name,
            role="fork",
            place=self.naming.path(step),
            title=fork_title(arms),
            rule=r"\sum_{r} J_{r}^{\top} @d",
            before=before,
            after=after,
            factor=ratio(before, after),
            shape_before=self._shape(a),
            shape_after=self._shape(b),
            gap=max(gaps, default=math.nan),
            by_law=all(s.law is not None for s in inside.values()),
            arms=tuple(arms),
            interference=(after**2 - squares) / before**2 if before > 0 else math.nan,
        )

    def _arms(self, step: Step, ends: tuple[Vertex, Vertex], edges: list[Edge]) -> tuple[list[Arm], list[Tensor]]:
        """The ways by the edge on which they leave; none where they meet again before the end."""
        a, b = ends
        starts = list(dict.fromkeys(e.vertex for e in edges if e.vertex is not None))
        regions = {t: set(self.ways.region(t, b)) - {b} if t != b else set() for t in starts}
        if sum(map(len, regions.values())) > len(set().union(*regions.values())):
            return [], []
        arms, brought = [], []
        for t in starts:
            first = [e for e in edges if e.vertex == t]
            sent = _total([e.sent for e in first])
            if t == b:
                arrives, factors = sent, [self._single(step, (a, b), (self.carried.size(a), norm(sent)))]
            else:
                arrives = self._into(b, regions[t])
                factors = [self._single(step, (a, t), (self.carried.size(a), norm(sent))), *self.factors(t, b, b)]
            factors = [f for f in factors if not is_quiet(f)]
            name = self._arm_name(step, first[0], regions[t], factors)
            size = norm(arrives)
            arms.append(Arm(name, size, ratio(self.carried.size(a), size), tuple(factors)))
            brought.append(arrives)
        return arms, brought

    def _into(self, b: Vertex, region: set[Vertex]) -> Tensor:
        """What the steps of a region send to a vertex."""
        steps = {self.carried.made_by[v].order: self.carried.made_by[v] for v in region}
        return _total([e.sent for s in steps.values() for e in s.edges if e.vertex == b])

    def _last_edges(self, ends: tuple[Vertex, Vertex], live: set[Vertex]) -> tuple[list[Arm], list[Tensor]]:
        """Ways that share steps, told by the operation from which they arrive; those beyond a dozen as one."""
        a, b = ends
        steps = {self.carried.made_by[v].order: self.carried.made_by[v] for v in live if v != b}
        arrivals: dict[str, list[Tensor | None]] = {}
        for order in sorted(steps):
            sent = [e.sent for e in steps[order].edges if e.vertex == b]
            if sent:
                name = self._last_name(steps[order])
                name = name if name in arrivals or len(arrivals) < ARMS_AT_MOST else "all others"
                arrivals.setdefault(name, []).extend(sent)
        before = self.carried.size(a)
        brought = [_total(sent) for sent in arrivals.values()]
        arms = [Arm(n, norm(x), ratio(before, norm(x))) for n, x in zip(arrivals, brought, strict=True)]
        return arms, brought

    def _last_name(self, step: Step) -> str:
        role, title = self.naming.role(step)
        path = self.naming.path(step)
        return path if path and role not in QUIET_ROLES | {"product"} else f"{path} {title}".strip()

    def _arm_name(self, step: Step, edge: Edge, region: set[Vertex], factors: Sequence[Factor]) -> str:
        if step.name == "attention" or (step.law is not None and step.law.role == "attention"):
            return ATTENTION[edge.slot] if edge.slot < len(ATTENTION) else "mask"
        told = [f for f in factors if f.role not in QUIET_ROLES]
        if not told:
            return "skip"
        return self._passes(self.naming.path(step), region) or told[0].title

    def _passes(self, base: str, region: set[Vertex]) -> str:
        """The modules with weights that a way passes, loss first, as they are called inside ``base``: ``fc2·fc1``."""
        names = []
        for order in sorted({self.carried.made_by[v].order for v in region}):
            step = self.carried.steps[order]
            if self.naming.role(step)[0] in WEIGHTY_ROLES:
                inner = self.naming.path(step).removeprefix(base + "." if base else "").split(".")
                names.append(".".join(inner[:2]) if inner[-1].isdigit() else inner[0])
        told = list(dict.fromkeys(n for n in names if n))
        return "·".join(told[:NAMES_AT_MOST]) + ("·…" if len(told) > NAMES_AT_MOST else "")

    def _joined(self, last: Factor, own: float, joined: float) -> Factor:
        return msgspec.structs.replace(
            last,
            law="join",
            role="sum",
            title="another error joins",
            rule=r"@d + \delta_{\mathrm{other}}",
            before=own,
            after=joined,
            factor=ratio(own, joined),
            theory=math.nan,
            largest=None,
            slope=math.nan,
            arms=(),
            interference=math.nan,
            shape_before=last.shape_after,
        )

    def _shape(self, vertex: Vertex) -> tuple[int, ...]:
        error = self.carried.errors.get(vertex)
        return tuple(error.shape) if error is not None else ()


def ratio(before: float, after: float) -> float:
    """after / before; nan for 0/0 and for inf or nan; 0 where only after is 0."""
    if before == 0 or not math.isfinite(before) or not math.isfinite(after):
        return math.nan
    return after / before


def fork_title(arms: Sequence[Arm]) -> str:
    """``skip and branch``, or the names of the ways."""
    names = ["branch" if len(arms) == 2 and arm.name != "skip" else arm.name for arm in arms]
    if "skip" in names and len(arms) == 2:
        return "skip and branch"
    return ", ".join(arm.name for arm in arms[:3]) + (" …" if len(arms) > 3 else "") if arms else "several ways"


def with_shares(factors: Sequence[Factor], gain: float) -> tuple[Factor, ...]:
    """The share of the loss of size that each factor takes: log factor / log gain; nan where the hop loses nothing."""
    if not 0 < gain < 1:
        return tuple(factors)
    whole = math.log(gain)
    return tuple(msgspec.structs.replace(f, share=math.log(f.factor) / whole) if f.factor > 0 else f for f in factors)


def _total(tensors: Sequence[Tensor | None]) -> Tensor:
    there = [x for x in tensors if x is not None]
    if not there:
        return torch.zeros(())
    total = there[0]
    for x in there[1:]:
        total = total + x
    return total


def is_quiet(factor: Factor) -> bool:
    """True for a reshape, sum or selection that leaves the size as it is: no factor of its own."""
    return factor.role in QUIET_ROLES and not factor.arms and abs(factor.factor - 1) < UNCHANGED


def _slope(step: Step) -> float:
    """Mean |φ'(z)| of an elementwise law, nan elsewhere or where its numbers were not kept."""
    if step.law is None or step.law.local is None or step.kept is None:
        return math.nan
    try:
        return float(step.law.local(step.kept).abs().double().mean())
    except ValueError:  # the node has not saved what the local derivative needs
        return math.nan
