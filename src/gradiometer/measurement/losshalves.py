"""Losses that are written as a sum: halves such as logsumexp(x) and x[y], log p and log(1 - p), are put together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from .lossfeeders import FEEDERS, Feeders, read_feeders
from .lossnodes import PASSED, Reader, Vertex, children, dim_of, is_leaf, numel, only_child, op, shape
from .lossparts import Part
from .lossterms import Term, name_nll, take_weights, without_classes


def core(vertex: Vertex) -> Vertex:
    """The tensor below operations with numbers and with parameters, at which two halves of a loss meet."""
    current = vertex
    for _ in range(8):
        inside = [c for c in children(current) if c is not None and not is_leaf(c)]
        if len(inside) != 1 or not (op(current) in PASSED or op(current) in {"Mul", "Div", "Add", "Sub", "Neg"}):
            return current
        current = inside[0]
    return current


def alike(one: Vertex, other: Vertex) -> bool:
    """True where two halves meet: at one tensor, or at two that the same function made of one."""
    for _ in range(4):
        one, other = core(one), core(other)
        if one == other:
            return True
        below = only_child(one), only_child(other)
        if op(one) != op(other) or op(one) not in FEEDERS or below[0] is None or below[1] is None:
            return False
        one, other = below[0], below[1]
    return False


def _as_logsumexp(part: Part) -> Part:
    """log(sum(exp(x))) is a logsumexp."""
    if part.sort != "log" or op(part.at) != "Log" or op(part.below) != "Sum":
        return part
    inside = only_child(part.below)
    below = only_child(inside) if inside is not None and op(inside) == "Exp" else None
    return part if below is None else Part("logsumexp", part.at, below, part.way)


class Halves:
    """What is left of the parts; each method takes out those that it can put together."""

    def __init__(self, parts: list[Part], reader: Reader) -> None:
        self.parts = [_as_logsumexp(p) for p in parts]
        self.reader = reader
        self.feeders = {id(p): read_feeders(p.at, reader) for p in self.parts if p.sort == "log"}

    def _of(self, *sorts: str) -> list[Part]:
        return [p for p in self.parts if p.sort in sorts]

    def _take(self, *taken: Part) -> None:
        self.parts = [p for p in self.parts if all(p is not t for t in taken)]

    def cross_entropies(self) -> Iterable[Term]:
        """logsumexp(x) - x[y], also as means of their own, and with targets that are shares."""
        for total in self._of("logsumexp"):
            for own in self._of("raw"):
                chosen = own.way.picks or own.way.weights is not None
                if not chosen or not alike(own.at, total.below) or not own.way.scale * total.way.scale < 0:
                    continue
                self._take(total, own)
                yield self._cross_entropy(total, own)
                break

    def _cross_entropy(self, total: Part, own: Part) -> Term:
        sizes = shape(total.below)
        classes = sizes[1] if len(sizes) > 1 else sizes[0]
        way = replace(total.way, constant=own.way.constant)
        term = Term("cross_entropy", way, total.below, total.at, read_feeders(total.below, self.reader), total.at)
        term.prediction = self.reader.of(total.below, total.at)
        if term.prediction is None:
            term.prediction = self.reader.saved(total.at, "self")
        term.sizes, term.count = without_classes(sizes), max(1, numel(total.below) // classes)
        if own.way.picks:
            term.target = own.way.picked
            self._picked(term)
        else:
            term.target = own.way.weights
            times = 1 / classes if way.weights is not None else 1.0
            term.way = replace(way, scale=way.scale * times, weights=None)
        return term

    def _picked(self, term: Term) -> None:
        """Log-probabilities of chosen classes with weights: those of a policy and its returns."""
        take_weights(term)
        if term.weighted:
            term.kind = "policy_gradient"

    def poissons(self) -> Iterable[Term]:
        """exp(x) - y x."""
        for grown in self._of("exp"):
            for own in self._of("raw"):
                same = alike(own.at, grown.below) and own.way.scale * grown.way.scale < 0
                if not same or own.way.weights is None or own.way.picks:
                    continue
                self._take(grown, own)
                term = Term("poisson_nll", grown.way, grown.below, grown.at, read_feeders(grown.below, self.reader))
                value = self.reader.saved(grown.at, "result")
                term.prediction = None if value is None else value.log()
                term.target, term.sizes, term.count = own.way.weights, shape(grown.at), numel(grown.at)
                take_weights(term)
                yield term
                break

    def smooth(self, terms: list[Term]) -> None:
        """The mean of all log-probabilities beside a cross-entropy of the same ones is its label smoothing."""
        for log in self._of("log"):
            if log.way.picks or log.way.weights is not None:
                continue
            for term in terms:
                if term.kind == "cross_entropy" and term.own is not None and term.own == log.at:
                    share = -log.way.scale
                    whole = term.way.scale + share
                    term.smoothing = share / whole if whole else math.nan
                    term.way = replace(term.way, scale=whole)
                    self._take(log)
                    break

    def logarithms(self) -> Iterable[Term]:
        """Losses on probabilities: -log p[y], -Σ y log p, and -(y log p + (1 - y) log(1 - p))."""
        for log in self._of("log"):
            if all(p is not log for p in self.parts):
                continue
            feeders = self.feeders[id(log)]
            other = self._opposite(log, feeders)
            if other is not None:
                self._take(log, other)
                yield self._binary(log, other)
            elif log.way.picks or feeders.picks or log.way.weights is not None:
                self._take(log)
                yield self._of_classes(log, feeders)
            elif any(n in {"sigmoid", "log_sigmoid"} for n in feeders.names):
                self._take(log)
                yield self._one_sided(log, feeders)

    def _opposite(self, log: Part, feeders: Feeders) -> Part | None:
        """The half with 1 - p to one with p."""
        for p in self._of("log"):
            own = self.feeders[id(p)]
            both = log.way.weights is not None and p.way.weights is not None
            if p is not log and both and own.end == feeders.end and (own.flips + feeders.flips) % 2:
                return p
        return None

    def _binary(self, log: Part, other: Part) -> Term:
        even = log if self.feeders[id(log)].flips % 2 == 0 else other
        return self._bernoulli(even, self.feeders[id(even)], even.way.weights, math.nan)

    def _one_sided(self, log: Part, feeders: Feeders) -> Term:
        """-log p, or -log(1 - p): every target is 1, or 0."""
        return self._bernoulli(log, feeders, None, float(feeders.flips % 2 == 0))

    def _bernoulli(self, log: Part, feeders: Feeders, target: Tensor | None, constant: float) -> Term:
        way = replace(log.way, scale=-log.way.scale, weights=None)
        start = 1 if feeders.names[0] in {"log", "log_sigmoid"} else 0
        kind = "bce_logits" if feeders.names[0] == "log_sigmoid" else "bce"
        kept = Feeders(feeders.names[start:], feeders.at[start:], feeders.above[start:], feeders.end, feeders.end_above)
        kept.tail = feeders.tail
        source = kept.at[0] if kept.at else feeders.end or log.at
        term = Term(kind, way, source, None, kept, target=target, constant_target=constant)
        term.prediction = self.reader.of(source, kept.above[0] if kept.above else kept.end_above)
        term.sizes, term.count = shape(log.at), numel(log.at)
        term.weighted = log.way.weighted
        return term

    def _of_classes(self, log: Part, feeders: Feeders) -> Term:
        picked, picks = log.way.picked, log.way.picks
        if not picks and feeders.picks:
            picked, picks = _read_pick(feeders.picks[0], self.reader), 1
        pre = feeders.picks[0] if feeders.picks and not log.way.picks else None
        source = only_child(pre) if pre is not None else log.at
        sizes = shape(source or log.at)
        way = replace(log.way, scale=-log.way.scale)
        term = Term("nll", way, log.at, None, feeders, sizes=without_classes(sizes))
        classes = _classes(feeders, sizes)
        term.count = max(1, numel(source or log.at) // classes)
        if picks:
            term.target = picked
            take_weights(term)
        else:
            term.target = way.weights
            term.way = replace(way, scale=way.scale / classes, weights=None)
        name_nll(term, self.reader)
        term.source = source or log.at
        term.prediction = self._logarithm(log, term.source)
        if picks and term.weighted:
            term.kind = "policy_gradient"
        elif log.way.less_constant and not picks:
            term.kind = "kl_div"
        return term

    def _logarithm(self, log: Part, source: Vertex) -> Tensor | None:
        """The log-probabilities of all classes."""
        if op(log.at) != "Log":
            return self.reader.of(source)
        inside = self.reader.saved(log.at, "self") if source == log.at else self.reader.of(source)
        return inside.log() if inside is not None else None

    def picked_probabilities(self) -> Iterable[Term]:
        """-p[y] without a logarithm: what F.nll_loss makes of probabilities."""
        for own in self._of("raw"):
            if own.way.picks and own.way.weights is None and own.way.scale < 0:
                self._take(own)
                way = replace(own.way, scale=-own.way.scale)
                term = Term("nll", way, own.at, None, read_feeders(own.at, self.reader), target=own.way.picked)
                term.prediction = self.reader.of(own.at)
                sizes = shape(own.at)
                term.sizes = without_classes(sizes)
                term.count = max(1, numel(own.at) // max(1, sizes[1] if len(sizes) > 1 else 1))
                yield term


def _classes(feeders: Feeders, sizes: tuple[int, ...]) -> int:
    """Number of classes: the size that a softmax normalises, else the second dimension."""
    for vertex in feeders.at:
        if op(vertex) in {"Softmax", "LogSoftmax"} and shape(vertex) == sizes:
            dim = dim_of(vertex[0]._saved_dim, len(sizes))
            return max(1, sizes[dim if dim > 0 or len(sizes) == 1 else 1])
    return max(1, sizes[1]) if len(sizes) > 1 else 1


def _read_pick(vertex: Vertex, reader: Reader) -> Tensor | None:
    if op(vertex) == "Gather":
        return reader.saved(vertex, "index")
    indices = [i for i in reader.indices(vertex) if i is not None]
    return indices[-1] if len(indices) > 1 and all(i.dtype != torch.bool for i in indices) else None
