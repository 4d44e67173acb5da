"""One weight's gradient as the article writes it: ∂L/∂w = Σ_k ∂L/∂z_k · ∂z_k/∂w, with its actual terms."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..measurement.graph import Vertex
from ..records import Focus, ModelError, Term, UserError
from .carry import Carried, carried_alone
from .hops import WalkedTrunk

Weight = tuple[int, tuple[int, ...]]
"""A leaf (id of the parameter) and an index in it."""

MADE_ALONE = frozenset({"reshape", "index", "norm", "sum", "product", "reduction", "activation"})
"""Roles in which something is made of a parameter alone: a transpose, a weight norm."""

TERMS_AT_MOST = 256
STATIONS_TRIED = 3  # above a weight, until more than one of their units knows it
TINY = 1e-290  # sums of terms below it have lost their digits: their gap is measured against it
SAME_SUM = 1e-4  # of the sum of absolute terms; float32 sums agree to about 1e-6
_FOCUS = re.compile(r"\s*([^\[\]\s]+)\s*\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]\s*")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A weight: parameter, index, and why it was chosen ("" by the user)."""

    parameter: str
    index: tuple[int, ...]
    why: str = ""


def chosen_by(model: nn.Module, focus: str | tuple[str, Sequence[int]]) -> Chosen:
    """The weight that ``layer.weight[3,5]`` or ``("layer.weight", (3, 5))`` names. UserError where there is none."""
    if isinstance(focus, str):
        match = _FOCUS.fullmatch(focus)
        if match is None:
            raise UserError(
                f"{focus!r} names no weight. Write it as layer.weight[3,5]: a parameter and one index an axis."
            )
        name, index = match[1], tuple(int(i) for i in match[2].split(","))
    else:
        name, index = focus[0], tuple(int(i) for i in focus[1])
    name = name.removeprefix("_orig_mod.")  # as torch.compile calls them
    parameters = dict(model.named_parameters())
    parameter = parameters.get(name)
    if parameter is None:
        near = difflib.get_close_matches(name, parameters, n=3, cutoff=0.4) or list(parameters)[:3]
        raise UserError(f"No parameter is called {name!r}. Some that there are: {', '.join(near)}.")
    shape = tuple(parameter.shape)
    if len(index) != len(shape):
        raise UserError(
            f"{name} has {len(shape)} axes, {len(index)} given: its shape is {shape}. Write one index an axis."
        )
    if any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        told = ",".join(map(str, index))
        last = ",".join(str(n - 1) for n in shape)
        raise UserError(f"{name}[{told}] lies outside: its shape is {shape}, its last weight {name}[{last}].")
    if not parameter.requires_grad:
        raise UserError(f"{name} is frozen: it gets no gradient. Call requires_grad_(True) on it, or choose another.")
    return Chosen(name, tuple(i % n for i, n in zip(index, shape, strict=True)))


def largest_of(walked: WalkedTrunk, parameter: str, why: str) -> Chosen | None:
    """The weight with the largest gradient of a parameter; None where none is finite and above 0."""
    gradient = _gradient(walked, parameter)
    if gradient is None or not gradient.numel():
        return None
    sizes = torch.where(torch.isfinite(gradient), gradient.abs(), torch.zeros(()).to(gradient))
    flat = int(sizes.argmax())
    if not float(sizes.flatten()[flat]) > 0:
        return None
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), gradient.shape))
    return Chosen(parameter, index, why)


def focused(walked: WalkedTrunk, chosen: Chosen) -> Focus:
    """The sum for one weight, its terms calculated by the laws. ModelError where no error reaches it."""
    name, index = chosen.parameter, chosen.index
    gradient = _gradient(walked, name)
    if gradient is None:
        raise ModelError(f"No error reaches {name}: the loss does not depend on it in this pass.")
    leaf = _leaf(walked, name)
    vertex, over, terms = _best_terms(walked, (leaf, index), name)
    ranked = torch.argsort(terms.abs(), descending=True)[:TERMS_AT_MOST]
    kept = sorted(((int(k), float(terms[k])) for k in ranked), key=lambda pair: -pair[1])
    total, by_hand = float(terms.sum()), float(gradient[index])
    true = walked.traced.gradients.get(name)
    by_autograd = float(true[index]) if true is not None else math.nan
    scale = max(float(terms.abs().sum()), abs(by_autograd), TINY)
    letter = "w" if gradient.dim() > 1 else "b" if name.endswith("bias") else "w"
    weight = rf"{letter}_{{{', '.join(map(str, index))}}}"
    z = "z_{k}" if over == "units" else "z_{n}"
    k = z[-2]
    return Focus(
        parameter=name,
        index=index,
        weight=float(walked.parameters[name].detach()[index]),
        gradient=by_hand,
        by_autograd=by_autograd,
        over=over,
        site=_site(walked, vertex),
        rule=(
            rf"\frac{{\partial L}}{{\partial {weight}}} = \sum_{{{k}}} \frac{{\partial L}}{{\partial {z}}} "
            rf"\frac{{\partial {z}}}{{\partial {weight}}}"
        ),
        terms=tuple(Term(str(k), value) for k, value in kept),
        count=int(terms.numel()),
        positive=float(terms.clamp(min=0).sum()),
        negative=float(terms.clamp(max=0).sum()),
        gap=max(abs(total - by_autograd), abs(by_hand - by_autograd)) / scale,
        why=chosen.why,
    )


def _leaf(walked: WalkedTrunk, name: str) -> int:
    return id(walked.parameters[name])


def _gradient(walked: WalkedTrunk, name: str) -> Tensor | None:
    return walked.carried.leaves.get(_leaf(walked, name))


def _best_terms(walked: WalkedTrunk, weight: Weight, name: str) -> tuple[Vertex, str, Tensor]:
    """(where, over what, terms): the sum at the nearest station whose units share the weight. Where only one of them
    knows it (the weight stands right before a block's output) the sum is written one station further up; where there
    is no station above, over the examples of each use of the weight."""
    live = set(walked.stretches.ways.above_leaf(weight[0]))
    for cut in _stations_above(walked, weight[0], name)[:STATIONS_TRIED]:
        terms = _terms(walked.carried, live, (cut, _unit_axis(walked, cut)), weight)
        if int((terms != 0).sum()) > 1:
            return cut, "units", terms
    turned, uses = _uses(walked, weight[0])
    parts = [_terms(walked.carried, turned, (use, 0), weight) for use in uses]
    return uses[0], "examples", torch.cat(parts)


def _stations_above(walked: WalkedTrunk, leaf: int, name: str) -> list[Vertex]:
    """The stations that every path to a leaf passes, the nearest first, its own module's left out."""
    trunk = walked.traced.trunk
    if trunk is None:
        return []
    at = dict(zip(trunk.names, trunk.vertices, strict=True))
    stations = {at[s]: s for s in trunk.stations}
    module = name.rpartition(".")[0]
    chain = walked.stretches.ways.chain_to_leaf(leaf)
    return [v for v in reversed(chain) if v in stations and stations[v].split("#")[0] != module]


def _uses(walked: WalkedTrunk, leaf: int) -> tuple[set[Vertex], list[Vertex]]:
    """What is made of a parameter alone (its transpose, say), and the values in whose calculation it is used."""
    carried = walked.carried
    turned: set[Vertex] = set()
    uses: list[Vertex] = []
    for step in reversed(carried.steps):
        if not any(e.leaf == leaf or e.vertex in turned for e in step.edges):
            continue
        outputs = [v for v in step.outputs if v is not None and v in carried.errors]
        others = [e for e in step.edges if e.leaf != leaf and e.vertex not in turned]
        alone = not others and step.law is not None and step.law.role in MADE_ALONE
        turned.update(outputs if alone else ())
        uses += [] if alone else outputs
    return turned, sorted(uses, key=carried.position) or sorted(turned, key=carried.position)[:1]


def _terms(carried: Carried, live: set[Vertex], at: tuple[Vertex, int], weight: Weight) -> Tensor:
    """∂L/∂z · ∂z/∂w, summed over everything but the axis that k runs over: [k].

    ∂z/∂w is had from the laws' own backward rules, which are linear in the error: what leaves toward one weight is a
    weighted sum of the errors at z, and its weights are ∂z/∂w. Where an operation without a law does not give them
    (the sum is then another), the error of one k after the other is sent alone.
    """
    cut, axis = at
    delta = carried.errors[cut]
    others = [i for i in range(delta.dim()) if i != axis]
    left, slope = None, None
    try:
        with torch.enable_grad():
            probe = delta.detach().clone().requires_grad_()
            left = carried_alone(carried, {cut: probe}, live).leaves[weight[0]][weight[1]]
            slope = torch.autograd.grad(left, probe, allow_unused=True)[0]
    except RuntimeError:  # an operation without a law that cannot be differentiated twice
        pass
    if left is not None and slope is not None:
        terms = ((slope * delta).sum(dim=others) if others else slope * delta).double().reshape(-1)
        if abs(float(terms.sum()) - float(left.detach())) <= SAME_SUM * float(terms.abs().sum()):
            return terms
    return _one_by_one(carried, live, (cut, axis), weight)


def _one_by_one(carried: Carried, live: set[Vertex], at: tuple[Vertex, int], weight: Weight) -> Tensor:
    cut, axis = at
    with torch.no_grad():
        sent = (carried_alone(carried, {cut: part}, live) for part in _parts(carried.errors[cut], axis))
        return torch.stack([one.leaves[weight[0]][weight[1]] for one in sent]).double()


def _parts(delta: Tensor, axis: int) -> Iterator[Tensor]:
    """The error with everything but the k-th slice set to 0, for every k; a number is its own part."""
    if not delta.dim():
        yield delta
        return
    for k in range(delta.shape[axis]):
        alone = torch.zeros_like(delta)
        alone.select(axis, k).copy_(delta.select(axis, k))
        yield alone


def _unit_axis(walked: WalkedTrunk, vertex: Vertex) -> int:
    """Axis of the units: channels of images [N, C, ...], the last axis of features and tokens."""
    delta = walked.carried.errors[vertex]
    if delta.dim() == 3:
        module = walked.traced.model.get_submodule(
            _site(walked, vertex).split("#")[0].split(":")[0].removesuffix(".input")
        )
        return 1 if isinstance(module, (nn.Conv1d, nn.BatchNorm1d)) else 2
    return 1 if delta.dim() in (2, 4, 5) else delta.dim() - 1


def _site(walked: WalkedTrunk, vertex: Vertex) -> str:
    trunk = walked.traced.trunk
    if trunk is not None and vertex in trunk.vertices:
        return trunk.names[trunk.vertices.index(vertex)]
    return walked.path_of(walked.carried.made_by[vertex])
