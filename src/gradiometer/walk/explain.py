"""``gm.explain``: one forward, backward and update, walked hop by hop from the loss to the input, by laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from ..measurement.rehearsal import check_network, check_parts
from ..records import Focus, LawUsed, ModelError, Walk, WalkHop
from .carry import Carried, carry
from .composites import composites_of
from .focus import Chosen, chosen_by, focused, largest_of
from .hops import INPUT, WalkedTrunk, hops_of
from .laws import LAWS
from .passes import Asked, Loss, passes
from .update import update_of
from .updates import HandOptimizer

COMPILED = "torch.compile was left out: the walk takes the network as it is written."
GAP_WIDE, GAP_NARROW = 1e-6, 1e-2
"""Gap at a station that rounding does not make: in float64, and in anything narrower."""

LOSS_LAWS = {
    "mse": "mse_loss",
    "l1": "l1_loss",
    "bce": "binary_cross_entropy",
    "bce_logits": "binary_cross_entropy_with_logits",
    "nll": "nll_loss",
    "cross_entropy": "cross_entropy",
    "smooth_l1": "smooth_l1_loss",
    "huber": "huber_loss",
}
"""Kinds of loss as the watch names them, and the laws that say how their error is born."""


def explain(
    model: nn.Module,
    batch: Any,
    loss: Loss,
    optimizer: Optimizer | None = None,
    focus: str | tuple[str, Sequence[int]] | None = None,
) -> Walk:
    """Walk one error from the loss to the input: hop by hop, by hand-written laws, checked against autograd.

    ``loss(model, batch)`` must return a scalar, and run the model that it is given, a copy. ``focus`` names one weight,
    ``"layer.weight[3,5]"``; without it the one with the largest gradient in the layer nearest to the input is taken.
    Without an optimizer the update is that of plain SGD with lr 0.01. The laws calculate in float64 where the network
    runs in it (``Walk.dtype`` says so); gains are compared with those that the watch records in the network's own
    precision. Nothing changes in the model, its gradients, the optimizer or the global random number generators.
    Raises UserError for a wrong argument; ModelError where the network cannot be copied or walked, changes between two
    passes, has no operation with a law, or where the loss is no scalar.
    """
    compiled = getattr(model, "_orig_mod", None)
    asked = Asked(compiled if isinstance(compiled, nn.Module) else model, batch, loss, optimizer)
    check_network("explain", asked.model)
    check_parts("explain", loss, optimizer)
    _check_python(asked.model)
    chosen = chosen_by(asked.model, focus) if focus is not None else None
    if optimizer is not None and not HandOptimizer.supports(type(optimizer)):
        HandOptimizer.of(optimizer)  # says which optimizers have an update by hand
    run, traced = passes(asked)
    if asked.model is not model:
        traced.notes.append(COMPILED)
    start = {(0, 0): torch.ones_like(traced.loss)}
    carried = carry(traced.graph, start, composites_of(traced))
    walked = WalkedTrunk(run, traced, carried)
    _some_law(walked)
    hops, labels = hops_of(walked)
    hops, main = _with_focus(walked, asked, hops, chosen)
    return _walk(walked, asked, (hops, labels), main)


def _check_python(model: nn.Module) -> None:
    """ModelError for what has no Python to hook, or no numbers to walk."""
    cls = type(model).__name__
    if any(isinstance(m, torch.jit.ScriptModule) for m in model.modules()):
        raise ModelError(
            f"{cls} holds a compiled ScriptModule, which shows no operations. Pass the module it was made of."
        )
    if any(is_lazy(p) for p in model.parameters()):
        raise ModelError(f"{cls} has lazy parameters, which have no shape yet. Run it once on a batch first.")


def _some_law(walked: WalkedTrunk) -> None:
    steps = walked.carried.steps
    if not any(s.law is not None for s in steps):
        names = ", ".join(n for n, _ in Counter(s.name for s in steps).most_common(3))
        cls = type(walked.traced.model).__name__
        raise ModelError(
            f"None of the {len(steps)} operations of {cls} has a law written by hand ({names}), so its error cannot be "
            "walked by hand. gm.watch measures it all the same."
        )


def _with_focus(
    walked: WalkedTrunk, asked: Asked, hops: tuple[WalkHop, ...], chosen: Chosen | None
) -> tuple[tuple[WalkHop, ...], Focus | None]:
    """Each hop with the weight of largest gradient in its lower layer, or the user's; and the weight of the walk."""
    weights = dict(zip(_stations(walked), walked.profile.weights, strict=False))
    gradients = {n: walked.carried.leaves[i] for i, n in walked.traced.leaves.items() if i in walked.carried.leaves}

    def told(choice: Chosen) -> Focus:
        update = update_of(asked.optimizer, asked.model, gradients, choice.parameter, choice.index)
        return msgspec.structs.replace(focused(walked, choice), update=update)

    main = told(chosen) if chosen is not None else None
    out = []
    for hop in hops:
        parameter = weights.get(hop.lower)
        found: list[Focus] = []
        if main is not None and parameter is not None and _owner(main.parameter) == _owner(parameter):
            found.append(main)
        elif parameter is not None:
            choice = largest_of(walked, parameter, f"the largest gradient in {parameter}")
            found += [told(choice)] if choice is not None else []
        out.append(msgspec.structs.replace(hop, focus=tuple(found)))
    if main is None:
        main = next((f for hop in reversed(out) for f in hop.focus), None) or _any_focus(walked, told)
    return tuple(out), main


def _owner(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _any_focus(walked: WalkedTrunk, told: Any) -> Focus | None:
    """Where no hop has a weight: the largest gradient of the largest parameter that an error reaches."""
    reached = [n for i, n in walked.traced.leaves.items() if i in walked.carried.leaves]
    for name in sorted(reached, key=lambda n: -walked.parameters[n].numel()):
        choice = largest_of(walked, name, f"the largest gradient in {name}")
        if choice is not None:
            found: Focus = told(choice)
            return found
    return None


def _stations(walked: WalkedTrunk) -> tuple[str, ...]:
    return walked.traced.trunk.stations if walked.traced.trunk is not None else ()


def _walk(
    walked: WalkedTrunk,
    asked: Asked,
    told: tuple[tuple[WalkHop, ...], tuple[str, ...]],
    focus: Focus | None,
) -> Walk:
    hops, labels = told
    steps = walked.carried.steps
    seen = walked.run.losses[0]
    law = LAWS.get(LOSS_LAWS.get(seen.kind, ""))
    network = walked.run.network()
    return Walk(
        network=network.name,
        cls=type(asked.model).__name__,
        dtype=str(walked.traced.loss.dtype).removeprefix("torch."),
        examples=walked.traced.examples,
        loss=float(walked.traced.loss.detach()),
        loss_kind=seen.kind,
        loss_law=law.name if law is not None else "",
        loss_rule=law.error if law is not None else "",
        error_at_head=hops[0].error_in if hops else float("nan"),
        stations=(*(h.upper for h in hops[:1]), *(h.lower for h in hops)),
        labels=labels,
        errors=(*(h.error_in for h in hops[:1]), *(h.error_out for h in hops)),
        hops=hops,
        laws=_laws(walked.carried, law.name if law is not None else ""),
        operations=len(steps),
        by_law=sum(s.law is not None for s in steps),
        without_law=tuple(Counter(s.name for s in steps if s.law is None).most_common()),
        notes=(*walked.traced.notes, *_notes(walked, hops, network.trunk_note)),
        focus=focus,
        optimizer=type(asked.optimizer).__name__ if asked.optimizer is not None else "",
        versions={"torch": str(torch.__version__)},
    )


def _laws(carried: Carried, loss: str) -> tuple[LawUsed, ...]:
    """The laws that were used, each once, loss first."""
    laws = [LAWS[loss]] if loss else []
    laws += [s.law for s in carried.steps if s.law is not None]
    return tuple(LawUsed(x.name, x.value, x.error, x.source) for x in dict.fromkeys(laws))


def _notes(walked: WalkedTrunk, hops: tuple[WalkHop, ...], trunk_note: str) -> list[str]:
    notes = []
    if not hops:
        notes.append(f"No hops: {trunk_note or 'the network has no trunk of module outputs'}.")
    elif hops[-1].lower != INPUT:
        why = "its input holds no real numbers" if not walked.traced.inputs else "no error reaches its input"
        notes.append(f"The walk ends at {hops[-1].lower}: {why}.")
    limit = GAP_WIDE if walked.traced.loss.dtype == torch.float64 else GAP_NARROW
    far = next((h for h in hops if h.gap > limit), None)
    if far is not None:
        notes.append(
            f"At {far.lower} the walk and autograd differ by {far.gap:.1g} of the error: a hook changes it on its way, "
            "or a law does not fit. What lies below is walked without it."
        )
    if walked.run.network().compiled:
        notes.append(COMPILED)
    return notes
