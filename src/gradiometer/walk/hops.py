"""The hops of a walk: the trunk as the watch finds it, each hop taken apart, theory and autograd beside it."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cached_property

import msgspec
from torch import nn

from .. import quantities
from ..measurement.graph import Vertex
from ..measurement.models import Entry
from ..quantities import theory_gain
from ..quantities.laws import activation_law
from ..records import Factor, Hop, Part, Run, WalkHop
from .carry import Carried, Step, norm
from .factors import Stretches, is_quiet, ratio, with_shares
from .naming import Naming
from .passes import Traced
from .rules import hop_rule, worded
from .ways import Ways

INPUT = "input"
MODULE_ROLES = frozenset({"activation", "norm", "dropout", "pool"})
"""Roles in which a leaf module names its operations, whatever they are made of."""


class Paths:
    """The module that each step belongs to: the innermost call in which its node was made."""

    def __init__(self, traced: Traced) -> None:
        self.graph = traced.graph
        calls = sorted(((c.seq[0], -c.seq[1], c.entry) for c in traced.calls), key=lambda c: c[:2])
        self.bounds: list[tuple[int, int]] = []
        self.entries = [entry for _, _, entry in calls]
        self.begins = [begin for begin, _, _ in calls]
        self.ends = [-end for _, end, _ in calls]

    def entry(self, step: Step) -> Entry | None:
        """The registry's entry of the innermost module, None outside of all."""
        seq = self.graph.seq[step.node]
        for i in range(bisect.bisect_right(self.begins, seq) - 1, -1, -1):
            if seq < self.ends[i]:
                return self.entries[i]
        return None


@dataclass(frozen=True)
class WalkedTrunk:
    """Everything that the hops are made from."""

    run: Run
    traced: Traced
    carried: Carried

    @cached_property
    def paths(self) -> Paths:
        """Modules of the steps."""
        return Paths(self.traced)

    @cached_property
    def stretches(self) -> Stretches:
        """What takes stretches apart."""
        return Stretches(self.carried, Ways(self.carried), self.naming)

    @cached_property
    def naming(self) -> Naming:
        """How steps are called."""
        return Naming(self.path_of, self.owner_of, self.role_of, self.theory_of, self.rule_of, self.weight_of)

    def owner_of(self, step: Step) -> str:
        """Path of the leaf module that a step belongs to, "" for a function."""
        entry = self.paths.entry(step)
        return entry.path if entry is not None and entry.leaf else ""

    def rule_of(self, step: Step) -> str:
        """The step in TeX; a product with a mask is one with a mask."""
        if step.law is None:
            return ""
        return r"m_{@v} \odot @d" if self.role_of(step)[0] == "dropout" else step.law.step

    def weight_of(self, step: Step) -> str:
        """Name of the parameter that a step with weights multiplies the error by, "" elsewhere."""
        if step.law is None or step.law.role != "weights":
            return ""
        names = self.traced.leaves
        whole = self.carried.made_by[next(v for v in step.outputs if v is not None)]  # a way alone has fewer edges
        for edge in whole.edges:
            below = self.carried.made_by.get(edge.vertex) if edge.vertex is not None else None
            turned = below.edges if below is not None and below.law is not None and below.law.role == "reshape" else ()
            for leaf in (edge.leaf, *(e.leaf for e in turned)):
                if leaf in names and not names[leaf].endswith("bias"):
                    return names[leaf]
        return ""

    def path_of(self, step: Step) -> str:
        """Path of the module in which a step was made, "" outside of all."""
        entry = self.paths.entry(step)
        return step.path or (entry.path if entry is not None else "")

    def role_of(self, step: Step) -> tuple[str, str]:
        """Role and title of a step; inside a leaf module that is no weights, the module's."""
        entry = self.paths.entry(step)
        if step.law is None:
            return "unknown", step.name
        seen = entry.seen if entry is not None and entry.leaf else None
        if seen is not None and seen.role in MODULE_ROLES and step.law.role != seen.role:
            return seen.role, seen.kind
        return step.law.role, step.law.title

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The parameters of the walked copy by name."""
        return dict(self.traced.model.named_parameters())

    @cached_property
    def profile(self) -> quantities.Profile:
        """The error profile of the measured pass."""
        return quantities.profile(self.run)

    @cached_property
    def moment(self) -> theory_gain.Moment:
        """What was measured of the pass, as theory reads it."""
        return theory_gain.moment(self.run, None, 0)

    def theory_of(self, step: Step) -> float:
        """Mean-field gain of one step: √(n Var W) of a weight module, √D2(q) of an activation; nan elsewhere."""
        if step.law is None:
            return math.nan
        if step.law.role == "weights":
            seen = self.moment.network.module(self.path_of(step))
            if seen is None or seen.role != "weights":
                return math.nan
            part = Part("weights", seen.kind, seen.path, "", "", seen.args, seen.weight, seen.bias, seen.fan_in)
            return theory_gain.weights_gain(self.moment, part)
        if step.law.role != "activation" or step.kept is None:
            return math.nan
        z = step.kept.inputs[0] if step.kept.inputs else None
        args = {k: v for k, v in step.kept.settings.items() if isinstance(v, int | float | str | bool)}
        law = activation_law(step.law.name, args)
        q = float(z.double().square().mean()) if z is not None and z.numel() else 0.0
        return math.sqrt(float(law.d2(q))) if law is not None and 0 < q < math.inf else math.nan

    def vertex(self, name: str) -> Vertex:
        """The trunk's vertex of a site."""
        trunk = self.traced.trunk
        assert trunk is not None
        return trunk.vertices[trunk.names.index(name)]


def hops_of(walked: WalkedTrunk) -> tuple[tuple[WalkHop, ...], tuple[str, ...]]:
    """The hops, loss first, and the labels of their stations."""
    trunk = walked.traced.trunk
    if trunk is None:
        return (), ()
    profile = walked.profile
    same = profile.stations == trunk.stations
    labels = profile.labels if same else trunk.stations
    hops = []
    for i, hop in enumerate(trunk.hops):
        found = _hop(walked, hop, (labels[i], labels[i + 1]), i + 1)
        if same:
            theory = float(profile.theory_gain[i])
            found = msgspec.structs.replace(found, gain_autograd=float(profile.gain[i]), theory=theory)
        hops.append(found)
    last = _input_hop(walked, trunk.stations[-1], labels[-1], len(hops) + 1)
    return (*hops, *last), (*labels, *(INPUT for _ in last))


def _hop(walked: WalkedTrunk, hop: Hop, labels: tuple[str, str], number: int) -> WalkHop:
    ends = (walked.vertex(hop.upper), walked.vertex(hop.lower))
    factors = _with_theory(walked, hop)
    bare = _between(walked, ends, labels, number)
    made = msgspec.structs.replace(bare, upper=hop.upper, lower=hop.lower, skip=hop.skip, joins=hop.joins)
    return _finished(made, factors, labels)


def _finished(hop: WalkHop, factors: list[Factor], labels: tuple[str, str]) -> WalkHop:
    joins = any(f.law == "join" for f in factors)
    return msgspec.structs.replace(
        hop,
        rule=hop_rule(factors, labels, (hop.upper, hop.lower)),
        factors=with_shares(worded(factors, labels, (hop.upper, hop.lower)), hop.gain),
        joins=hop.joins or joins,
    )


def _between(walked: WalkedTrunk, ends: tuple[Vertex, Vertex], labels: tuple[str, str], number: int) -> WalkHop:
    carried, arrived = walked.carried, walked.traced.arrived
    error_in, error_out = carried.size(ends[0]), carried.size(ends[1])
    true = [norm(arrived[v]) if v in arrived else math.nan for v in ends]
    there = carried.errors.get(ends[1])
    gap = math.nan
    if there is not None and ends[1] in arrived:
        gap = norm(there - arrived[ends[1]]) / (true[1] or 1.0)
    shapes = [tuple(carried.errors[v].shape) if v in carried.errors else () for v in ends]
    return WalkHop(
        number=number,
        upper="",
        lower="",
        upper_label=labels[0],
        lower_label=labels[1],
        rule="",
        error_in=error_in,
        error_out=error_out,
        gain=ratio(error_in, error_out),
        gain_autograd=ratio(true[0], true[1]),
        gap=gap,
        shape_in=shapes[0],
        shape_out=shapes[1],
        factors=(),
    )


def _with_theory(walked: WalkedTrunk, hop: Hop) -> list[Factor]:
    """The factors of a hop, part by part: theory's gain of a part stands beside the factor that it speaks of."""
    found: list[Factor] = []
    for part in hop.parts:
        upper, lower = walked.vertex(part.upper), walked.vertex(part.lower)
        factors = walked.stretches.factors(upper, lower)
        theory = theory_gain.part_gain(walked.moment, part, hop, None)
        role = "fork" if part.role == "block" else part.role
        alike = [i for i, f in enumerate(factors) if f.role == role]
        if len(alike) == 1 and not math.isnan(theory):
            factors[alike[0]] = msgspec.structs.replace(factors[alike[0]], theory=theory)
        found += factors
    return [f for f in found if not is_quiet(f)] or found[:1]


def _input_hop(walked: WalkedTrunk, source: str, label: str, number: int) -> list[WalkHop]:
    """The last hop, from the source site to the input, where an error goes there."""
    above = walked.vertex(source)
    ways = walked.stretches.ways
    inputs = [v for v in walked.traced.inputs if v in walked.carried.errors and ways.region(above, v)]
    if not inputs:
        return []
    below = max(inputs, key=lambda v: walked.carried.errors[v].numel())
    bare = _between(walked, (above, below), (label, INPUT), number)
    factors = walked.stretches.factors(above, below)
    return [_finished(msgspec.structs.replace(bare, upper=source, lower=INPUT), factors, (label, INPUT))]
