"""What happens to the error between two stations: operation after operation, each measured apart; ways that part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import torch
from torch import Tensor

from ..measurement.graph import Vertex
from ..records import Arm, Factor
from .carry import Carried, Edge, Step, carried_alone, norm, total
from .laws.recurrent_time import LAWS as NETS_THROUGH_TIME
from .laws.recurrent_time import time_profile
from .naming import Naming, Way, arm_names, fork_title
from .ways import Ways

NETS = frozenset(law.name for law in NETS_THROUGH_TIME)
UNCHANGED = 1e-9  # a reshape or sum that changes the size by less than this is not a factor
QUIET_ROLES = frozenset({"reshape", "sum", "index"})
WEIGHTY_ROLES = frozenset({"weights", "attention", "recurrent"})
ARMS_AT_MOST = 12  # ways that are told one by one; the rest is told together


@dataclass(frozen=True, slots=True)
class Stretches:
    """Makes the factors of a stretch of the walk."""

    carried: Carried
    ways: Ways
    naming: Naming

    def factors(self, above: Vertex, below: Vertex) -> list[Factor]:
        """The factors between two vertices, in the order in which the error meets them; quiet ones left out."""
        found = []
        for a, b in pairwise(self.ways.chain(above, below)):
            found += self._between(a, b)
        told = [f for f in found if not is_quiet(f)]
        return told or found[:1]

    def _between(self, a: Vertex, b: Vertex) -> list[Factor]:
        step = self.carried.made_by[a]
        live = set(self.ways.region(a, b))
        edges = self._own_edges(a, live)
        before = self.carried.size(a)
        if all(e.vertex == b for e in edges):
            after = norm(total([e.sent for e in edges]))
            found = [self._single(step, (a, b), (before, after))]
        else:
            found = [self._fork(step, (a, b), edges, live)]
            after = found[0].after
        joined = self.carried.size(b)
        if abs(joined - after) > UNCHANGED * max(joined, after):
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
            rule=self.naming.rule(step),
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
            weight=self.naming.weight(step),
        )

    def _through_time(self, step: Step) -> tuple[tuple[float, ...], ...]:
        """How the error fades on its way back through the steps of a recurrent net; () for any other law."""
        if step.law is None or step.kept is None or step.law.name not in NETS:
            return ()
        errors = tuple(self.carried.errors.get(v) if v is not None else None for v in step.outputs)
        with torch.no_grad():
            sizes = time_profile(step.law, errors, step.kept).hidden[:, 0]
        return tuple(tuple(reversed(layer)) for layer in reversed(sizes.tolist()))

    def _own_edges(self, a: Vertex, live: set[Vertex]) -> list[Edge]:
        """What the error at one output alone sends into a region, where its operation has other outputs too."""
        step, errors = self.carried.made_by[a], self.carried.errors
        if not any(v is not None and v != a and v in errors for v in step.outputs):
            return [e for e in step.edges if e.vertex in live]
        with torch.no_grad():
            sent = step.send(tuple(errors[a] if v == a else None for v in step.outputs))
        kept = [e for e in step.edges if e.vertex in live]
        return [Edge(e.slot, e.vertex, e.leaf, sent[e.slot]) for e in kept if sent[e.slot] is not None]

    def _fork(self, step: Step, ends: tuple[Vertex, Vertex], edges: list[Edge], live: set[Vertex]) -> Factor:
        a, b = ends
        before = self.carried.size(a)
        ways = self._ways(step, ends, edges)
        after = norm(total([w.arrives for w in ways]))
        names = arm_names(self.naming, step, ways)
        sizes = [norm(w.arrives) for w in ways]
        arms = tuple(
            Arm(name, size, ratio(before, size), tuple(w.factors))
            for name, size, w in zip(names, sizes, ways, strict=True)
        )
        inside = {self.carried.made_by[v].order: self.carried.made_by[v] for v in live if v != b}
        gaps = [s.gap for s in inside.values() if not math.isnan(s.gap)]
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
            arms=arms,
            interference=(after**2 - sum(x * x for x in sizes)) / before**2 if before > 0 else math.nan,
        )

    def _ways(self, step: Step, ends: tuple[Vertex, Vertex], edges: list[Edge]) -> list[Way]:
        """The ways by the edge on which they leave. The error of each is carried alone, so that they add up also where
        they meet on the way; such ways are told without their steps."""
        a, b = ends
        starts = list(dict.fromkeys(e.vertex for e in edges if e.vertex is not None))
        if len(starts) > ARMS_AT_MOST:
            groups = [*([t] for t in starts[: ARMS_AT_MOST - 1]), starts[ARMS_AT_MOST - 1 :]]
        else:
            groups = [[t] for t in starts]
        regions = [set().union(*(self.ways.region(t, b) for t in group)) - {b} for group in groups]
        ways = []
        for k, group in enumerate(groups):
            first = {t: total([e.sent for e in edges if e.vertex == t]) for t in group}
            slot = next(e.slot for e in edges if e.vertex == group[0])
            alone = len(group) == 1 and not any(regions[k] & r for i, r in enumerate(regions) if i != k)
            before = self.carried.size(a)
            factors = [self._single(step, (a, group[0]), (before, norm(first[group[0]])))] if alone else []
            arrives = first.get(b)
            if regions[k]:
                inner = self._alone(first, regions[k] | {b})
                arrives = inner.carried.errors[b]
                factors += inner.factors(group[0], b) if alone else []
            told = tuple(f for f in factors if not is_quiet(f))
            brought = arrives if arrives is not None else total([])
            ways.append(Way(slot, brought, told, self._weighty(regions[k]), alone))
        return ways

    def _alone(self, start: dict[Vertex, Tensor], region: set[Vertex]) -> Stretches:
        """The same stretch with nothing but one way's error in it."""
        with torch.no_grad():
            carried = carried_alone(self.carried, start, region)
        return Stretches(carried, Ways(carried), self.naming)

    def _weighty(self, region: set[Vertex]) -> tuple[Step, ...]:
        """The steps with weights in a region, loss first."""
        orders = sorted({self.carried.made_by[v].order for v in region})
        steps = (self.carried.made_by[v] for v in sorted(region, key=self.carried.position))
        unique = {s.order: s for s in steps}
        return tuple(unique[o] for o in orders if self.naming.role(unique[o])[0] in WEIGHTY_ROLES)

    def _joined(self, last: Factor, own: float, joined: float) -> Factor:
        return msgspec.structs.replace(
            last,
            law="join",
            role="sum",
            title="error from elsewhere",
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


def with_shares(factors: Sequence[Factor], gain: float) -> tuple[Factor, ...]:
    """The share of the loss of size that each factor takes: log factor / log gain; nan where the hop loses nothing."""
    if not 0 < gain < 1:
        return tuple(factors)
    whole = math.log(gain)
    return tuple(msgspec.structs.replace(f, share=math.log(f.factor) / whole) if f.factor > 0 else f for f in factors)


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
