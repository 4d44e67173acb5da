"""Which loss stands at the root of a backward pass, what feeds it and what it is measured on: read off the graph.

Modules, functions and losses written by hand are found alike: ``lossnodes`` reads nodes, ``lossparts`` takes the root
apart, ``losskinds`` puts losses together, ``lossfeeders`` walks to the network, ``lossvalues`` knows their levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

from ..records import LossSeen
from .kept import Kept
from .lossfeeders import NO_ACTIVATION, last_activation
from .losskinds import find_terms, stranger
from .lossnodes import Reader, is_plain, only_child, op, shape
from .lossparts import Way, carried, find_parts
from .lossterms import Term
from .lossvalues import MOST_VALUES, Level, ends_of, floor_of, mean_loss, sample, trivial_of

MOST_UNIQUE = 2**14  # targets among which different ones are counted
MOST_TERMS = 32  # losses of one root whose values are read
OF_CLASSES = frozenset({"nll", "cross_entropy", "policy_gradient", "multi_margin", "multilabel_margin", "ctc"})
SHIFT = 0.02  # of the root: less may be rounding, or the difference between a sample and all
UNTOLD = 0.05  # share of the root that may lie in parts that are no known loss, where its levels are still told


@dataclass(frozen=True, slots=True)
class Root:
    """Where a backward pass begins. value: the loss there; scale: AMP's, live in it; kept: outputs of modules.

    readable False: saved tensors lie behind hooks, and reading one would run the user's forward again.
    """

    node: Any
    readable: bool = True
    value: Tensor | None = None
    scale: Tensor | None = None
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class TermSeen:
    """One loss as it was seen: ``seen`` without what is said of its targets; target: a sample of them."""

    seen: LossSeen
    way: Way
    level: Level
    target: Tensor | None
    mean: float  # the loss of this batch as a mean, nan where it was not read


@dataclass(frozen=True, slots=True)
class LossLook:
    """What one backward pass told of its losses. main: which of them the run is told of; whole: nothing else counts.

    shift: what constants and penalties on weights add to the losses; penalties: there are some, which may shrink.
    """

    terms: tuple[TermSeen, ...] = ()
    main: int = 0
    whole: bool = True
    shift: float = 0.0
    penalties: bool = False


def find_loss(root: Any, model: str, readable: bool = True, kept: Kept | None = None) -> LossSeen:
    """The loss under a root node, from one look at it."""
    look = look_at(Root(root, readable, kept=kept))
    return tell_loss(look, model, [t.target for t in look.terms])


def look_at(root: Root) -> LossLook:
    """Read the losses under a root; nothing of the graph is kept."""
    with torch.no_grad():
        amp = float(root.scale) if root.scale is not None else 1.0
        value = float(root.value) / amp if root.value is not None else math.nan
        reader = Reader(root.readable, root.kept)
        parts = find_parts((root.node, 0), reader, Way(scale=1 / amp if amp else math.nan))
        found, strangers = find_terms(parts.found, reader)
        if not found and len(strangers) == 1 and strangers[0].sort == "raw":
            found = [stranger(strangers[0], reader)]
        terms = tuple(_see(term, reader) for term in found[:MOST_TERMS])
        told = [carried(t.mean, t.way) for t in terms]
        rest = value - math.fsum(told) if told and all(map(math.isfinite, (value, *told))) else math.inf
        known = not strangers and not parts.cut and len(found) <= MOST_TERMS
        if known and len(found) == 1:
            terms = (_with_factor(terms[0], value),)
        shift = rest if known and (parts.penalties or any(t.way.shifted for t in terms)) else 0.0
        if not SHIFT * abs(value) < abs(shift) < math.inf:
            shift = 0.0
        small = not parts.cut and len(found) <= MOST_TERMS and abs(rest) <= UNTOLD * abs(value)
        return LossLook(terms, _largest(told), known or small, shift, parts.penalties)


def _largest(told: Sequence[float]) -> int:
    known = [i for i, v in enumerate(told) if math.isfinite(v)]
    return max(known, key=lambda i: abs(told[i])) if known else 0


def _with_factor(term: TermSeen, value: float) -> TermSeen:
    """Where a number on the way is not known, the one loss of a root has the factor that its value shows."""
    seen, mean = term.seen, term.mean
    if math.isfinite(seen.factor) or not (math.isfinite(value) and math.isfinite(mean) and mean):
        return term
    factor = value / mean
    way = term.way if term.way.bends else Way(scale=factor)
    return TermSeen(msgspec.structs.replace(seen, factor=factor), way, term.level, term.target, mean)


def tell_loss(look: LossLook, model: str, targets: Sequence[Tensor | None]) -> LossSeen:
    """The record of a look; ``targets``: of each loss, from this look or from several."""
    if not look.terms:
        return LossSeen(model=model)
    levels = [_describe(t, own) for t, own in zip(look.terms, targets, strict=True)]
    trivial = [_carried(level.trivial, t.way) for level, t in zip(levels, look.terms, strict=True)]
    floor = [_carried(level.floor, t.way) if _upright(t) else None for level, t in zip(levels, look.terms, strict=True)]
    return msgspec.structs.replace(
        levels[look.main],
        model=model,
        terms=sum(t.seen.kind != "unknown" for t in look.terms),
        trivial=_sum(trivial, look.shift) if look.whole and not _one_of_several(levels) else None,
        floor=_sum(floor, 0.0 if look.penalties else look.shift) if look.whole else None,
    )


def _one_of_several(levels: Sequence[LossSeen]) -> bool:
    """One of several losses has constant targets, whose best constant is free: another one (of the same outputs, as in
    a game of two) may ask for the opposite, so that no constant prediction is the best for all."""
    return len(levels) > 1 and any(s.target_values == 1 and s.trivial is not None for s in levels)


def _upright(term: TermSeen) -> bool:
    """A loss that is maximised has no floor."""
    return term.way.scale > 0


def _sum(values: Sequence[float | None], shift: float) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) + shift if len(known) == len(values) else None


def _carried(value: float | None, way: Way) -> float | None:
    there = carried(value, way) if value is not None else math.nan
    return there if math.isfinite(there) else None


# ---- one loss ------------------------------------------------------------------------------------------------------


def _see(term: Term, reader: Reader) -> TermSeen:
    sizes = _prediction_shape(term)
    prediction = sample(_unbroadcast(term.prediction)) if term.prediction is not None else None
    target, target_shape = _own_target(term, sizes)
    seen = _with_feeders(_with_shapes(term, sizes, target_shape), term, reader)
    seen = _with_prediction(seen, term.prediction, prediction)
    if math.isnan(seen.pre_min) and _is_last_activation(term):
        seen = msgspec.structs.replace(seen, pre_min=seen.input_min, pre_max=seen.input_max)
    if target is None and math.isfinite(term.constant_target):
        seen = _with_constant_target(seen, term.constant_target)
    level = _level(term, seen.outputs)
    fits = target is not None and prediction is not None and target.shape[:1] == prediction.shape[:1]
    mean = mean_loss(level, prediction, target) if fits else math.nan
    factor = carried(mean, term.way) / mean if term.way.bends and mean else term.way.scale
    return TermSeen(msgspec.structs.replace(seen, factor=factor), term.way, level, target, mean)


def _with_shapes(term: Term, sizes: tuple[int, ...], target_shape: tuple[int, ...]) -> LossSeen:
    alone = term.kind in {"nll", "cross_entropy"} and len(sizes) == 1  # the classes of one example
    examples, outputs = (1, *sizes) if alone else (*sizes[:2], *(1, 1)[len(sizes[:2]) :])
    return LossSeen(
        model="",
        kind=term.kind,
        reduction=term.reduction,
        outputs=outputs,
        batch=examples,
        reduced=term.count,
        weighted=term.weighted,
        prediction_shape=sizes,
        target_shape=target_shape,
        loss_shape=term.sizes,
    )


def _with_feeders(seen: LossSeen, term: Term, reader: Reader) -> LossSeen:
    last = last_activation(term.feeders, term.own, reader)
    return msgspec.structs.replace(
        seen,
        pre=term.pre,
        pre_dim=last.dim,
        pre_size=last.size,
        pre_dims=last.dims,
        pre_min=last.low,
        pre_max=last.high,
    )


def _is_last_activation(term: Term) -> bool:
    """True where the prediction is what leaves the last activation itself, and no logarithm of it."""
    return not set(term.feeders.names[:1]) & NO_ACTIVATION and term.kind not in {"nll", "cross_entropy", "kl_div"}


def _with_constant_target(seen: LossSeen, value: float) -> LossSeen:
    """Halves of a loss such as -log p, which have no tensor of targets."""
    return msgspec.structs.replace(
        seen,
        target_min=value,
        target_max=value,
        target_mean=value,
        target_std=0.0,
        target_kind="real",
        target_values=1,
        target_whole=True,
    )


def _prediction_shape(term: Term) -> tuple[int, ...]:
    """Shape of what the network gave, before it was spread over the shape of the targets."""
    below = only_child(term.source) if op(term.source) == "Expand" else None
    return shape(below if below is not None else term.source)


def _level(term: Term, outputs: int) -> Level:
    def on_cpu(x: Tensor | None) -> Tensor | None:
        return sample(x) if x is not None and x.numel() <= MOST_VALUES**2 else None

    names = term.feeders.names
    return Level(
        term.kind,
        outputs,
        logarithm="log" in names or term.kind != "nll",
        probability="softmax" in names or "normalise" in names,
        class_weight=on_cpu(term.class_weight),
        positive_weight=on_cpu(term.positive_weight),
        ignored=term.ignored,
        smoothing=term.smoothing,
        bend=term.bend,
        weighted=term.weighted,
    )


def _unbroadcast(x: Tensor) -> Tensor:
    """The tensor before it was spread: one slice of every dimension that has no stride; leading ones go."""
    for dim, (size, stride) in enumerate(zip(x.shape, x.stride(), strict=True)):
        if size > 1 and stride == 0:
            x = x.narrow(dim, 0, 1)
    return x


def _without_leading(x: Tensor, dims: int) -> Tensor:
    while x.dim() > max(1, dims) and x.shape[0] == 1:
        x = x.squeeze(0)
    return x


def _own_target(term: Term, predicted: tuple[int, ...]) -> tuple[Tensor | None, tuple[int, ...]]:
    """(a sample of the targets, their shape), both as they were before they were spread over the prediction."""
    t = term.target
    if t is None or not is_plain(t):
        return None, ()
    whole = t
    if t.dtype == torch.bool or t.is_floating_point():
        t = _unbroadcast(t)
        if tuple(whole.shape) == term.sizes != predicted:
            t = _constant_dims(t, predicted)
        if tuple(t.shape) != tuple(whole.shape):
            t = _without_leading(t, 1)
        return sample(t), term.target_shape or tuple(t.shape)
    if term.kind in OF_CLASSES:
        if term.sizes and tuple(t.shape) != term.sizes and t.numel() == math.prod(term.sizes):
            t = t.reshape(term.sizes)  # of gather: [N, 1]
        return sample(t, torch.int64), term.target_shape or tuple(whole.shape)
    return sample(t), tuple(t.shape)


def _constant_dims(t: Tensor, predicted: tuple[int, ...]) -> Tensor:
    """A target that was read from a spread difference: along what the prediction has itself it may be constant."""
    offset = t.dim() - len(predicted)
    for dim in range(t.dim()):
        own = predicted[dim - offset] if dim >= offset else 1
        first = t.narrow(dim, 0, 1)
        if t.shape[dim] > 1 and own > 1 and torch.allclose(t, first.expand_as(t), rtol=1e-5, atol=1e-6):
            t = first
    return t


def _with_prediction(seen: LossSeen, whole: Tensor | None, few: Tensor | None) -> LossSeen:
    if whole is None or few is None:
        return seen
    low, high = ends_of(whole)
    spread = math.nan
    if few.dim() and few.shape[0] > 1:
        shifted = few - few[:1]  # exactly 0 where all examples are equal
        spread = float(shifted.std(0, correction=0).mean())
    return msgspec.structs.replace(
        seen,
        input_min=low,
        input_max=high,
        input_mean=float(few.mean()),
        input_std=float(few.std(correction=0)),
        input_spread=spread,
    )


def _describe(term: TermSeen, target: Tensor | None) -> LossSeen:
    """What is said of the targets, and the levels of the loss on them, in units of its mean."""
    seen = msgspec.structs.replace(
        term.seen, trivial=trivial_of(term.level, target), floor=floor_of(term.level, target)
    )
    if target is None or not target.numel():
        return seen
    real = target.is_floating_point()
    flat = target.flatten()
    if term.level.ignored is not None and not real:
        flat = flat[flat != term.level.ignored]
    if not flat.numel():
        return seen
    wide = flat.double()
    values = torch.unique(flat[:: max(1, flat.numel() // MOST_UNIQUE)]).numel()
    sums = target.sum(1) if real and target.dim() == 2 and target.shape[1] > 1 else None
    alike = sums is not None and values > 1 and bool((target == target[:, :1]).all())
    one_hot = sums is not None and bool(((target == 0) | (target == 1)).all()) and bool((sums == 1).all())
    return msgspec.structs.replace(
        seen,
        target_min=float(wide.min()),
        target_max=float(wide.max()),
        target_mean=float(wide.mean()),
        target_std=float(wide.std(correction=0)),
        target_values=min(values, MOST_VALUES),
        target_whole=bool((wide == wide.round()).all()),
        target_kind="real" if real else "class",
        target_row_sum_min=float(sums.min()) if sums is not None else math.nan,
        target_row_sum_max=float(sums.max()) if sums is not None else math.nan,
        target_columns_equal=alike,
        classes_seen=torch.unique(target.argmax(1)).numel() if one_hot else 0 if real else values,
    )
