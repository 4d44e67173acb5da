"""Levels of a loss and statistics of its targets and predictions, on samples that lie on the CPU in float64.

Law of a sample: at most SAMPLE elements, taken at even distance over the examples (and, where one example is larger,
over its elements); no random number is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_PER_CLASS = 10  # targets a class below which a batch's class shares say too little: ln K is taken instead
SAMPLE = 2**16
WHOLE = 2**22  # elements up to which the least and largest of all are taken
MOST_VALUES = 1000  # distinct target values counted
HALVINGS = 60  # of an interval in float64
TINY = 1e-12


def sample(x: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """A copy of some elements of ``x`` [example, ...] on the CPU; up to SAMPLE elements are taken whole."""
    with torch.no_grad():
        if x.dim() and x.numel() > SAMPLE:
            row = x.numel() // x.shape[0]
            if row > SAMPLE // 16:
                x = x.flatten(1)[:, :: -(-row * 16 // SAMPLE)] if x.dim() > 1 else x
                row = x.numel() // x.shape[0]
            x = x[:: -(-x.shape[0] * row // SAMPLE)]
        return x.detach().to("cpu", copy=True).to(dtype)


def ends_of(x: Tensor) -> tuple[float, float]:
    """(least, largest) element; of a tensor beyond WHOLE, of a sample."""
    low, high = torch.aminmax(x if x.numel() <= WHOLE else sample(x))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Level:
    """What the levels of a loss depend on besides its targets."""

    kind: str
    outputs: int = 0
    logarithm: bool = True  # nll: a logarithm stands before it
    probability: bool = False  # nll: a softmax stands before it
    class_weight: Tensor | None = None
    positive_weight: Tensor | None = None
    ignored: int | None = None
    smoothing: float = 0.0
    bend: float = 1.0
    weighted: bool = False


def trivial_of(level: Level, target: Tensor | None) -> float | None:
    """Mean loss of the best constant prediction on these targets; None where it is not known."""
    if target is None or level.weighted or not target.numel():
        return None
    if level.kind in {"cross_entropy", "nll", "kl_div"}:
        return _trivial_of_classes(level, target)
    if target.numel() < FEW_PER_CLASS or not target.is_floating_point():
        return None
    if level.kind in {"bce", "bce_logits"} and not _are_shares(target):
        return None
    act = _TRIVIAL.get(level.kind)
    value = act(level, target) if act is not None else math.nan
    return value if math.isfinite(value) else None


def floor_of(level: Level, target: Tensor | None) -> float | None:
    """Least mean loss that any prediction reaches on these targets; None where it is not known."""
    if level.weighted and level.kind not in {"mse", "l1", "smooth_l1", "huber"}:
        return None
    if level.kind in {"mse", "l1", "smooth_l1", "huber", "hinge", "soft_margin", "kl_div", "euclidean"}:
        return 0.0
    if level.kind in {"bce", "bce_logits"}:
        return 0.0 if target is None else _bernoulli(level, target) if _are_shares(target) else None
    if level.kind == "cross_entropy" or (level.kind == "nll" and level.logarithm):
        return _floor_of_classes(level, target)
    if level.kind == "poisson_nll" and target is not None:
        return float((target - torch.xlogy(target, target)).mean())
    return None


def _are_shares(target: Tensor) -> bool:
    """Outside 0..1 a cross-entropy has no lower bound."""
    return bool(((target >= 0) & (target <= 1)).all())


def _column_mean(x: Tensor) -> Tensor:
    return x.mean(0, keepdim=True) if x.dim() > 1 else x.mean()


def _bernoulli(level: Level, p: Tensor) -> float:
    """Mean of -(w p log q + (1 - p) log(1 - q)) at the best q, w the weight of positives."""
    a, b = p * (level.positive_weight if level.positive_weight is not None else 1.0), 1 - p
    q = a / (a + b)
    return float(-(torch.xlogy(a, q) + torch.xlogy(b, 1 - q)).mean())


def _best_constant(level: Level, t: Tensor) -> float:
    """Huber's loss at the constant where the mean of clamp(c - t, ±bend) is 0, column by column, by halving."""
    t = t.flatten(1) if t.dim() > 1 else t.unsqueeze(1)
    t = t[:: max(1, t.numel() // 2**16)]
    low, high = t.amin(0, keepdim=True), t.amax(0, keepdim=True)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = (middle - t).clamp(-level.bend, level.bend).mean(0, keepdim=True) > 0
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    at = ((low + high) / 2).expand_as(t)
    if level.kind == "huber":
        return float(F.huber_loss(at, t, delta=level.bend))
    return float(F.smooth_l1_loss(at, t, beta=level.bend))


def _l1(level: Level, t: Tensor) -> float:
    t = t.flatten(1) if t.dim() > 1 else t.unsqueeze(1)
    return float((t - t.median(0, keepdim=True).values).abs().mean())


def _share_of_positives(t: Tensor) -> Tensor:
    return _column_mean((t > 0).to(torch.float64))


def _poisson(level: Level, t: Tensor) -> float:
    mean = _column_mean(t)
    return float((mean - torch.xlogy(mean, mean)).mean())


def _soft_margin(level: Level, t: Tensor) -> float:
    return _bernoulli(Level("bce"), _share_of_positives(t))


_TRIVIAL: dict[str, Callable[[Level, Tensor], float]] = {
    "mse": lambda _, t: float(((t - _column_mean(t)) ** 2).mean()),
    "l1": _l1,
    "smooth_l1": _best_constant,
    "huber": _best_constant,
    "bce": lambda level, t: _bernoulli(level, _column_mean(t)),
    "bce_logits": lambda level, t: _bernoulli(level, _column_mean(t)),
    "hinge": lambda _, t: float((2 * torch.minimum(_share_of_positives(t), 1 - _share_of_positives(t))).mean()),
    "soft_margin": _soft_margin,
    "poisson_nll": _poisson,
}


def class_shares(level: Level, target: Tensor) -> Tensor | None:
    """Share of each class among the targets, by weight; None where there are too few targets."""
    if target.is_floating_point():
        if target.dim() < 2:
            return None
        own = target.flatten(2).transpose(1, 2).reshape(-1, target.shape[1]) if target.dim() > 2 else target
        shares, number = own.mean(0), len(own)
    else:
        kept = target.flatten()
        kept = kept[kept != level.ignored] if level.ignored is not None else kept
        if not kept.numel() or int(kept.min()) < 0:
            return None
        shares, number = torch.bincount(kept, minlength=max(level.outputs, 1)).double(), kept.numel()
    if number < FEW_PER_CLASS * level.outputs or not float(shares.sum()) > 0:
        return None
    if level.class_weight is not None and level.class_weight.numel() == shares.numel():
        shares = shares * level.class_weight
    return shares / shares.sum()


def _trivial_of_classes(level: Level, target: Tensor) -> float | None:
    if level.outputs < 2:
        return None
    shares = class_shares(level, target)
    if level.kind == "nll" and not level.logarithm:
        return -float(shares.max()) if shares is not None and level.probability else None
    if shares is None:
        few = math.log(level.outputs)
        return None if level.kind == "kl_div" else few
    eps = level.smoothing
    q = (1 - eps) * shares + eps / level.outputs
    entropy = float(-torch.xlogy(q, q).sum())
    return max(0.0, entropy - _entropy_of(target)) if level.kind == "kl_div" else entropy


def _entropy_of(target: Tensor) -> float:
    """Mean entropy of targets that are shares of classes, 0 for classes."""
    if not target.is_floating_point() or target.dim() < 2:
        return 0.0
    return max(0.0, float(-torch.xlogy(target.clamp_min(0), target.clamp_min(0)).sum(1).mean()))


def _floor_of_classes(level: Level, target: Tensor | None) -> float:
    eps, k = level.smoothing, level.outputs
    if eps > 0 and k > 1:
        top, rest = 1 - eps + eps / k, eps / k
        return -top * math.log(top) - (k - 1) * rest * math.log(rest)
    return 0.0 if target is None else _entropy_of(target)


_MEAN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "smooth_l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "bce": lambda p, t: F.binary_cross_entropy(p.clamp(TINY, 1 - TINY), t),
    "bce_logits": F.binary_cross_entropy_with_logits,
}


def mean_loss(level: Level, prediction: Tensor | None, target: Tensor | None) -> float:
    """The loss as a mean, where it is quickly said; nan elsewhere. Both samples are of the same examples."""
    if prediction is None or target is None:
        return math.nan
    act = _MEAN.get(level.kind)
    try:
        if act is not None and prediction.shape == target.shape and target.is_floating_point():
            return float(act(prediction, target))
        if level.kind == "cross_entropy" and prediction.dim() > 1 and not target.is_floating_point():
            target = target.reshape((prediction.shape[0], *prediction.shape[2:]))
            return float(F.cross_entropy(prediction, target))
    except (RuntimeError, ValueError, IndexError):  # shapes or classes that do not fit: the user's own loss told it
        return math.nan
    return math.nan
