"""Operators that sow one fault into a healthy script, in the manner of DeepCrime."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import treechanges as change

STUCK = ("stalled", "vanishing", "zero")
WILD = ("unstable", "exploding", "non-finite", *STUCK)
SIZES = ("init-too-small", "init-too-large")


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of mutation.

    symptoms, causes: what a right diagnosis names where the mutant is killed; no causes where the vocabulary has none.
    family: operators of one family are drawn as one. wrong: what it does is a mistake also where the training copes,
    so that such a mutant is no healthy training.
    """

    name: str
    change: type[change.Change]
    symptoms: tuple[str, ...]
    causes: tuple[str, ...]
    family: str
    wrong: bool = False


_INIT = (
    "for _m in MODEL.modules():\n    if isinstance(_m, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)):\n        "
)
_SMALL = change.before(_INIT + "torch.nn.init.normal_(_m.weight, std=1e-3)")
_LARGE = change.before(_INIT + "torch.nn.init.normal_(_m.weight, std=2.0)")
_EQUAL = change.before(_INIT + "torch.nn.init.constant_(_m.weight, 0.02)")
_DEEP = ("depth-without-skip", "init-too-small", "activation-shrinks-error", "inputs-collapse", "gradients-shatter")
_UNNORMED = ("input-scale", *SIZES, "lr-too-high", "lr-too-low", "depth-without-skip")
_SIGMOID = ("activation-shrinks-error", "init-too-small", "lr-too-low")

OPERATORS = (
    Operator("rate x1000", change.rate(1e3), WILD, ("lr-too-high",), "rate up"),
    Operator("rate x100", change.rate(1e2), WILD, ("lr-too-high",), "rate up"),
    Operator("rate x10", change.rate(1e1), WILD, ("lr-too-high",), "rate up"),
    Operator("rate /10", change.rate(1e-1), ("stalled",), ("lr-too-low",), "rate down"),
    Operator("rate /100", change.rate(1e-2), ("stalled",), ("lr-too-low",), "rate down"),
    Operator("rate /1000", change.rate(1e-3), ("stalled",), ("lr-too-low",), "rate down"),
    Operator("rate /10000", change.rate(1e-4), ("stalled",), ("lr-too-low",), "rate down"),
    Operator("sigmoids", change.Activations, STUCK, _SIGMOID, "activation"),
    Operator("no activation", change.NoActivations, WILD, ("activation-missing",), "no activation"),
    Operator("no normalisation", change.NoNorms, WILD, _UNNORMED, "normalisation"),
    Operator("deeper", change.Deeper, WILD, _DEEP, "depth"),
    Operator("dropout", change.Dropout, ("stalled", "unstable"), ("noise-dominates",), "dropout"),
    Operator("not cleared", change.NotCleared, WILD, ("gradient-not-cleared",), "loop", wrong=True),
    Operator("negated", change.Negated, WILD, ("loss-sign",), "sign", wrong=True),
    Operator("stale", change.Stale, ("zero", "stalled"), ("optimizer-stale",), "owner", wrong=True),
    Operator("detached", change.Detached, ("zero", "stalled"), ("gradient-blocked",), "graph", wrong=True),
    Operator("epsilon", change.Epsilon, STUCK, ("epsilon-binds",), "epsilon"),
    Operator("clipped", change.Clipped, STUCK, ("clip-binds",), "clip"),
    Operator("squashed", change.Squashed, STUCK, ("loss-mismatch",), "loss", wrong=True),
    Operator("summed", change.Summed, WILD, ("loss-reduction",), "reduction"),
    Operator("raw inputs", change.Raw, WILD, ("input-scale",), "scale"),
    Operator("small weights", _SMALL, STUCK, ("init-too-small",), "small weights"),
    Operator("large weights", _LARGE, WILD, ("init-too-large",), "large weights"),
    Operator("equal weights", _EQUAL, STUCK, ("init-symmetric",), "equal weights", wrong=True),
)


def mutated(text: str, operator: Operator) -> str | None:
    """The script with one thing changed; None where the operator finds nothing to change."""
    tree = ast.parse(text)
    changing = operator.change(tree)
    out = ast.fix_missing_locations(changing.visit(tree))
    return ast.unparse(out) + "\n" if changing.changed else None
