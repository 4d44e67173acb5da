"""One backward pass, walked hop by hop: what ``explain`` gives and what its views tell.

Formulas are TeX without dollar signs. Norms are total L2 norms over batch and units, in the units of the loss over
those of the value. A number that there is none of is nan.
"""

from __future__ import annotations

import math

import msgspec

from .showing import Shows

WALK_SCHEMA = 1

FactorRole = str
"""weights | activation | norm | dropout | pool | softmax | attention | recurrent | reshape | sum | product |
reduction | loss | index | fork | unknown. A ``fork`` is a stretch that the error passes on several ways at once."""


class LawUsed(msgspec.Struct, frozen=True):
    """A hand-written law that the walk has used: TeX of its value and of its backward rule, and where it stands."""

    name: str
    value: str
    error: str
    source: str


class Factor(msgspec.Struct, frozen=True):
    """One step of the error inside a hop, in the order in which it meets them.

    law: name of the law (``linear``, ``sigmoid``), or of the operation where there is none.
    place: path of the module that it belongs to, "" where it is a function of the whole network.
    title: what a page calls it: ``weights``, ``sigmoid``, ``layer norm``, ``skip and branch``.
    rule: TeX of the step in this network's symbols: ``W_{14}^{\\top} \\delta_{14}``.
    before, after: size of the error ahead of it and behind it, each measured; factor: after / before of this step
        alone, from the law applied to the error that arrived.
    theory: what mean-field theory predicts for this factor. largest: no element of the error can grow by more than
        this here (.25 in a sigmoid), None where there is no such bound. slope: mean |φ'(z)| of an activation.
    share: of the hop's loss of size (in decades) that is due to this factor; nan where nothing is lost.
    gap: ‖by hand − by autograd‖ / ‖by autograd‖ of this step, both from the same error.
    by_law: False where autograd has made this step, because no law is written for it.
    arms: the ways of a fork; interference: 2 Σ ⟨a, b⟩ / ‖before‖² over pairs of arms, so that
        factor² = Σ arm.gain² + interference.
    weight: name of the parameter that it multiplies the error by, "" where there is none.
    through_time: of a recurrent net, for each layer (the last one first) the size of the error at h_t, last step first.
    """

    law: str
    role: FactorRole
    place: str
    title: str
    rule: str
    before: float
    after: float
    factor: float
    shape_before: tuple[int, ...] = ()
    shape_after: tuple[int, ...] = ()
    theory: float = math.nan
    largest: float | None = None
    slope: float = math.nan
    share: float = math.nan
    gap: float = math.nan
    by_law: bool = True
    arms: tuple[Arm, ...] = ()
    interference: float = math.nan
    through_time: tuple[tuple[float, ...], ...] = ()
    weight: str = ""


class Arm(msgspec.Struct, frozen=True):
    """One way through a fork: its name, the size of what it brings, that size over what had arrived, its steps.

    Its steps are a chain where the way is one; where ways part again inside, they are forks themselves. Empty for a
    plain skip and for a way whose steps are shared with another (queries and keys of an attention).
    """

    name: str
    size: float
    gain: float
    factors: tuple[Factor, ...] = ()


class Term(msgspec.Struct, frozen=True):
    """One term of the focused weight's sum: which unit (or example, or position), and its value."""

    label: str
    value: float


class Update(msgspec.Struct, frozen=True):
    """The third phase for one weight: what the optimizer makes of its gradient.

    optimizer: class name. rule: TeX. settings: lr, momentum, eps, ... as used. gradient: ∂L/∂w. change: Δw of the
    next step. steps: values of Δw / lr for a gradient that stays as it is, at steps 1, 10, 100, 1000.
    epsilon_share: ε / (√v̂ + ε), nan where the optimizer has no ε; binds: it is over one half.
    weight_norm, update_norm: of the layer; steps_to_move: ‖W‖/‖ΔW‖, steps until the layer has moved by its own norm
    at this pace; inf where it does not move.
    """

    optimizer: str
    rule: str
    settings: dict[str, float | bool]
    gradient: float
    change: float
    steps: tuple[tuple[int, float], ...] = ()
    epsilon_share: float = math.nan
    binds: bool = False
    weight_norm: float = math.nan
    update_norm: float = math.nan
    steps_to_move: float = math.nan
    note: str = ""


class Focus(msgspec.Struct, frozen=True):
    """The article's sum for one weight: ∂L/∂w = Σ_k ∂L/∂z_k · ∂z_k/∂w.

    parameter, index: ``net.24.weight``, (3, 5). over: ``units`` (k runs over the pre-activations of the next layer, at
    ``site``) or ``examples`` (it is the last layer). terms: largest first, at most 256; count: how many there are;
    positive, negative: sums of all positive and of all negative terms. gap: of the sum to autograd's gradient,
    relative to the larger of both sums.
    why: in one sentence why this weight was chosen, "" where the user chose it.
    """

    parameter: str
    index: tuple[int, ...]
    weight: float
    gradient: float
    by_autograd: float
    over: str
    site: str
    rule: str
    terms: tuple[Term, ...]
    count: int
    positive: float
    negative: float
    gap: float
    why: str = ""
    update: Update | None = None


class WalkHop(Shows, msgspec.Struct, frozen=True):
    """One hop: from station ``upper`` (nearer to the loss) to station ``lower``.

    number: 1 is nearest to the loss. upper_label, lower_label: as written under the stations.
    rule: TeX of the whole hop in this network's symbols. error_in, error_out: sizes by hand; gain: their ratio;
    gain_autograd: the same from autograd's errors, measured as the watch does. gap: of the error at ``lower`` to
    autograd's, carried by hand all the way from the loss. skip: an identity path runs beside the branch.
    joins: another loss or head adds its error at the lower station.
    """

    number: int
    upper: str
    lower: str
    upper_label: str
    lower_label: str
    rule: str
    error_in: float
    error_out: float
    gain: float
    gain_autograd: float
    gap: float
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    factors: tuple[Factor, ...]
    theory: float = math.nan
    skip: bool = False
    joins: bool = False
    focus: tuple[Focus, ...] = ()


class Walk(Shows, msgspec.Struct, frozen=True):
    """One forward, backward and update, walked hop by hop from the loss to the input.

    loss_rule: TeX of the error's birth, δ at the head in this loss's terms. stations, labels, errors: loss first,
    [hops + 1]; the last is the input where it carries an error. operations, by_law: how many operations the error
    passed, and how many of them by a hand-written law; without_law: (name, count) of the others.
    notes: what could not be done as asked (the input carries no error, float64 was not possible, ...).
    """

    network: str
    cls: str
    dtype: str
    examples: int
    loss: float
    loss_kind: str
    loss_law: str
    loss_rule: str
    error_at_head: float
    stations: tuple[str, ...]
    labels: tuple[str, ...]
    errors: tuple[float, ...]
    hops: tuple[WalkHop, ...]
    laws: tuple[LawUsed, ...]
    operations: int
    by_law: int
    without_law: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    focus: Focus | None = None
    optimizer: str = ""
    kind: str = "walk"
    schema: int = WALK_SCHEMA
    versions: dict[str, str] = {}

    @property
    def gap(self) -> float:
        """Largest gap to autograd at any station; nan where there is no hop."""
        return max((h.gap for h in self.hops if not math.isnan(h.gap)), default=math.nan)

    @property
    def law_share(self) -> float:
        """Share of the operations that went by a hand-written law, 0..1; nan where there is none."""
        return self.by_law / self.operations if self.operations else math.nan
