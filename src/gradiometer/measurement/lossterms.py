"""One loss under the root of a backward pass: what it is made of, and the factor before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .lossfeeders import Feeders, read_feeders
from .lossnodes import Reader, Vertex, children, op
from .lossparts import Way

EQUAL = 1e-3  # relative; the factor on a sum and one over its number
HALVES = (1.0, 0.5, 2.0)  # factors that people write before a squared error, say


@dataclass(slots=True)
class Term:
    """One loss under the root.

    way: its scale is what the root gains where the loss, as a mean, gains 1. source: the prediction's vertex; above:
    the node that took it. own: the log_softmax that belongs to the loss. sizes: shape of the single losses.
    count: how many of them were averaged or summed; counted: how many of these a mask has left.
    """

    kind: str
    way: Way
    source: Vertex
    above: Vertex | None = None
    feeders: Feeders = field(default_factory=Feeders)
    own: Vertex | None = None
    prediction: Tensor | None = None
    target: Tensor | None = None
    constant_target: float = math.nan
    sizes: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()  # where the target is a sample
    count: int = 0
    counted: float = 0.0
    summed: bool = False
    weighted: bool = False
    class_weight: Tensor | None = None
    positive_weight: Tensor | None = None
    ignored: int | None = None
    smoothing: float = 0.0
    bend: float = 1.0  # where smooth_l1 and huber turn from a square into a line

    @property
    def pre(self) -> str:
        """The feeders, nearest the loss first."""
        return "/".join(self.feeders.names)

    @property
    def reduction(self) -> str:
        """``sum`` where the examples are summed and not divided by their number, else ``mean``; "" where unknown."""
        if self.kind == "unknown":
            return ""
        examples = self.sizes[0] if self.sizes else 1
        if not (self.summed or (examples > 1 and examples in self.way.sums)):
            return "mean"
        shares = (abs(self.way.constant) * n / h for n in (examples, self.count, self.counted) for h in HALVES if n > 1)
        return "mean" if any(abs(share - 1) < EQUAL for share in shares) else "sum"


def without_classes(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (sizes[0], *sizes[2:]) if len(sizes) > 1 else ()


def name_nll(term: Term, reader: Reader) -> None:
    """nll over log_softmax, torch's or one written by hand, is cross-entropy; the log_softmax is its own."""
    if term.feeders.names[:1] == ["log_softmax"]:
        term.kind, term.own = "cross_entropy", term.feeders.at[0]
        for values in (term.feeders.names, term.feeders.at, term.feeders.above):
            del values[0]
    elif not term.feeders.names and term.feeders.end is not None and op(term.feeders.end) == "Sub":
        first, second = children(term.feeders.end)
        if first is not None and second is not None and op(second) == "Logsumexp":
            term.kind, term.own = "cross_entropy", second
            term.feeders = read_feeders(first, reader)


def take_weights(term: Term) -> None:
    """Weights of the single losses: their mean is a factor; other weights than a mask's make no level of a mean."""
    weights = term.way.weights
    if weights is not None:
        share = float(weights.to(torch.float32).mean())
        term.way = replace(term.way, scale=term.way.scale * share, weights=None)
        term.counted = term.count * share
        if not _is_mask(weights):
            term.weighted = True
        elif term.target is not None and not bool(weights.all()):
            _mask_targets(term, term.target, weights != 0)
    term.weighted = term.weighted or term.way.weighted


def _is_mask(weights: Tensor) -> bool:
    return bool(((weights == 0) | (weights == weights.max())).all()) and float(weights.max()) > 0


def _mask_targets(term: Term, target: Tensor, kept: Tensor) -> None:
    """Targets that do not count are left out, where they are one number an example; else no level is known."""
    one = target.dim() > 0 and target.numel() == target.shape[0]
    if target.shape == kept.shape and (one or not target.is_floating_point()):
        term.target_shape, term.target = tuple(target.shape), target[kept.to(target.device)]
    else:
        term.weighted = True
