"""From the parts under a root to losses: which kind, on which prediction and targets, with which factor before it."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .lossfeeders import read_feeders
from .losshalves import Halves
from .lossnodes import Reader, Vertex, children, dim_of, is_leaf, numel, only_child, op, shape
from .lossparts import LOSS_NODES, Part, Way, find_difference, find_product, labels_of
from .lossterms import Term, name_nll, take_weights, without_classes
from .lossvalues import WHOLE, sample

_OF_ONE = frozenset({"Pow", "Abs", "Sqrt", "Cosh", "LinalgVectorNorm", "Norm", "Max", "Amax", "Neg"})
_ELEMENTWISE = {"square": "mse", "distance": "l1"}


def find_terms(parts: list[Part], reader: Reader) -> tuple[list[Term], list[Part]]:
    """(the losses among the parts, the parts that are none)."""
    terms: list[Term] = []
    open_parts: list[Part] = []
    for part in parts:
        term = _built_in(part, reader) or _of_difference(part, reader) or _with_labels(part, reader)
        if term is not None:
            terms.append(term)
        else:
            open_parts.append(part)
    halves = Halves(open_parts, reader)
    terms += halves.cross_entropies()
    terms += halves.poissons()
    halves.smooth(terms)
    terms += halves.logarithms()
    terms += halves.picked_probabilities()
    return terms, halves.parts


def stranger(part: Part, reader: Reader) -> Term:
    """A loss of no known kind, which hangs on one prediction: that, and what stands before it."""
    source = part.at
    for _ in range(4):
        below = only_child(source)
        if below is None or is_leaf(below) or op(source) not in _OF_ONE:
            break
        source = below
    feeders = read_feeders(source, reader)
    way = replace(part.way, scale=math.nan)
    return Term("unknown", way, source, feeders=feeders, prediction=reader.of(source))


# ---- losses that are one node --------------------------------------------------------------------------------------


def _built_in(part: Part, reader: Reader) -> Term | None:
    if op(part.at) not in LOSS_NODES:
        return None
    reduction = getattr(part.at[0], "_saved_reduction", -1)
    reduction = reduction if isinstance(reduction, int) else -1
    term = Term(part.sort, part.way, part.below, part.at, read_feeders(part.below, reader))
    term.prediction = reader.saved(part.at, "self")
    term.target = reader.saved(part.at, "target")
    term.sizes = shape(part.at) if reduction == 0 else shape(part.below)
    term.bend = next((b for n in ("beta", "delta") if (b := reader.number(part.at, n)) is not None), 1.0)
    weight = reader.saved(part.at, "weight")
    if part.sort == "nll":
        term.class_weight = weight
        name_nll(term, reader)
        ignored = getattr(part.at[0], "_saved_ignore_index", None)
        term.ignored = dim_of(ignored, 0) if isinstance(ignored, int) else None
        classes = shape(part.below)[1 if len(shape(part.below)) > 1 else 0] if shape(part.below) else 1
        term.sizes = shape(part.at) if reduction == 0 else without_classes(shape(part.below))
        term.count = max(1, numel(part.below) // max(1, classes))
    else:
        term.weighted = weight is not None
        term.positive_weight = reader.saved(part.at, "pos_weight")
        term.count = numel(part.below)
    term.summed = reduction == 2
    if reduction == 2:
        term.way = replace(term.way, scale=term.way.scale * term.count)
    take_weights(term)
    return term


# ---- squares, distances, norms -------------------------------------------------------------------------------------


def _of_difference(part: Part, reader: Reader) -> Term | None:
    if part.sort not in {*_ELEMENTWISE, "norm"}:
        return None
    at = find_difference(part.below)
    if at is None:
        return None
    source = next(c for c in children(at) if c is not None and not is_leaf(c))
    kind, way, count = _ELEMENTWISE.get(part.sort, "euclidean"), part.way, numel(at)
    if part.sort == "norm":
        kind, way = _norm(part, count)
    term = Term(kind, way, source, feeders=read_feeders(source, reader), sizes=shape(at), count=count)
    term.summed = part.sort == "norm" and numel(part.at) == 1
    term.prediction = reader.of(source)
    difference = reader.saved(part.at, "self")
    if difference is not None and term.prediction is not None and numel(at) <= WHOLE:
        _read_target(term, at, difference.reshape(shape(at)))
    take_weights(term)
    return term


def _norm(part: Part, count: int) -> tuple[str, Way]:
    """The norm of all differences is √(n · mse), or n times their mean size; one norm an example is neither."""
    order = getattr(part.at[0], "_saved_ord", getattr(part.at[0], "_saved_p", 2))
    order = float(order) if isinstance(order, (int, float)) else math.nan
    if numel(part.at) == 1 and order == 2:
        return "mse", replace(part.way, scale=float(count), bends=(*part.way.bends, ("Sqrt", part.way.scale)))
    if order == 1:
        return "l1", replace(part.way, scale=part.way.scale * count / max(1, numel(part.at)))
    return "euclidean", part.way


def _read_target(term: Term, at: Vertex, difference: Tensor) -> None:
    """Of large tensors from samples, which are taken at the same places."""
    predicted = term.prediction
    if predicted is not None and predicted.shape == difference.shape:
        term.target_shape = tuple(difference.shape)
        term.target = _subtracted(at, sample(predicted), sample(difference), difference.dtype)
    elif predicted is not None:
        term.target = _subtracted(at, predicted.cpu().double(), difference.cpu().double(), difference.dtype)


def _subtracted(at: Vertex, prediction: Tensor, difference: Tensor, dtype: torch.dtype) -> Tensor | None:
    """The target of a difference, freed of rounding: prediction - difference, or their sum where that was y - x.

    None where both had a gradient. Numbers within the rounding of the subtraction of a whole one are that.
    """
    if only_child(at) is None:
        return None
    first = children(at)[0]
    name = op(at)
    wide = prediction.detach().double()
    turned = (name == "Sub" and first is None) or name == "Rsub"
    target = wide + difference.double() if turned else wide - difference.double()
    step = torch.finfo(dtype).eps * float(torch.maximum(difference.abs().max(), prediction.abs().max()))
    whole = target.round()
    if bool(((target - whole).abs() <= 2 * step).all()):
        return whole
    return (target / (2 * step)).round() * (2 * step) if step > 0 else target


# ---- margins -------------------------------------------------------------------------------------------------------


def _with_labels(part: Part, reader: Reader) -> Term | None:
    if part.sort not in {"hinge", "soft_margin"}:
        return None
    found = find_product(part.at, reader)
    product = found[0] if found is not None else None
    source = only_child(product) if product is not None else None
    if source is None:
        return None
    term = Term(part.sort, part.way, source, product, read_feeders(source, reader))
    term.prediction, term.target = reader.of(source), labels_of(part.at, reader)
    term.sizes, term.count = shape(part.at), numel(part.at)
    take_weights(term)
    return term
