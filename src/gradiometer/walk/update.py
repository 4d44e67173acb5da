"""The third phase, for one weight: what the optimizer makes of its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.records import UserError
from gradiometer.records.walk import Update

from .updates.rule import Move, State, UpdateRule
from .updates.sgd import SGD
from .updates.taken import rule_of, settings_of, state_of

DEFAULT_LR = 0.01  # of the plain SGD that stands in where no optimizer is given, as in `check`
TOLD_STEPS = (1, 10, 100, 1000)
BINDS = 0.5  # ε is the larger part of √v̂ + ε


@dataclass(frozen=True, slots=True)
class _Holder:
    """The rule that holds a parameter, and what it remembers of it.

    cls: the optimizer's class. said: what is to be said of the optimizer itself.
    """

    cls: str
    rule: UpdateRule
    settings: dict[str, float | bool]
    state: State
    said: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """The next step of the focused weight: every tensor is []."""

    weight: Tensor
    gradient: Tensor
    move: Move

    @property
    def change(self) -> float:
        """Δw, as it would be without the weight's rounding."""
        return float(self.move.change(self.weight))

    @property
    def dtype(self) -> str:
        """What the weight's numbers are: ``float32``."""
        return str(self.weight.dtype).removeprefix("torch.")


def update_of(
    optimizer: Optimizer | None,
    model: nn.Module,
    gradients: Mapping[str, Tensor],
    name: str,
    index: tuple[int, ...],
) -> Update:
    """What the optimizer makes of the gradient of ``name[index]`` in its next step, by its rule written by hand.

    Law: Δw by the rule of ``updates``; steps to move = ‖W‖ / ‖ΔW‖; share of ε = ε / (√v̂ + ε). Moments are counted in
        the parameter's dtype as the optimizer does, Δw and norms in float64: a step that the parameter's dtype rounds
        away keeps its size here, and ``note`` says that it is lost.
    Shapes: gradients[name] is [...] as the parameter; Δw in the weight's units, ``steps`` (Δw over the learning rate)
        in those of the update's direction.
    At 0: a gradient of 0 leaves what memory and weight decay make of the weight; without them Δw is 0, the share of ε
        is 1, and ε does not bind, for no ε would move it. Steps to move are inf where ‖ΔW‖ is 0, nan where ‖W‖ is.
    At inf/nan: Δw is ±inf or nan, steps to move nan, share of ε 0 or nan, ε does not bind; ``note`` says it. A lost
        element makes ‖ΔW‖ inf or nan also for a focus on another one.
    Source: the rule's own.

    Nothing is changed. A parameter that the optimizer does not hold, or without a gradient, has Δw 0. Without an
    optimizer it is plain SGD with learning rate .01. UserError for an unknown name, an index outside the parameter, a
    gradient of another shape, a complex parameter, and an optimizer whose update is not written by hand.
    """
    p = _parameter(model, name)
    _inside(p, name, index)
    gradient = _gradient(model, gradients, p)
    holder = _holder(optimizer, p)
    if gradient is not None and gradient.shape != p.shape:
        raise UserError(
            f"The gradient of {name} has shape {tuple(gradient.shape)}, the parameter {tuple(p.shape)}. "
            "Pass the gradients of this model."
        )
    with torch.no_grad():
        if holder is None or gradient is None:
            return _untouched(optimizer, p, name, float(gradient[index]) if gradient is not None else None)
        return _told(holder, p.detach(), gradient.detach(), index)


def _parameter(model: nn.Module, name: str) -> nn.Parameter:
    found = dict(model.named_parameters(remove_duplicate=False)).get(name)
    if found is None:
        raise UserError(f"{type(model).__name__} has no parameter {name!r}. Take a name of model.named_parameters().")
    if found.is_complex():
        raise UserError(f"{name} is complex; the update is told for real parameters. Focus on another one.")
    return found


def _inside(p: Tensor, name: str, index: tuple[int, ...]) -> None:
    if len(index) != p.dim() or any(not 0 <= i < n for i, n in zip(index, p.shape, strict=True)):
        raise UserError(f"{name}{list(index)} lies outside {name}, whose shape is {tuple(p.shape)}. Count from 0.")


def _gradient(model: nn.Module, gradients: Mapping[str, Tensor], p: Tensor) -> Tensor | None:
    """The parameter's gradient under any name that it has in the model; None where the loss does not reach it."""
    for name, other in model.named_parameters(remove_duplicate=False):
        found = gradients.get(name) if other is p else None
        if found is not None:
            return found if found.layout == torch.strided else found.to_dense()
    return None


def _holder(optimizer: Optimizer | None, p: Tensor) -> _Holder | None:
    """Who moves the parameter; None where the optimizer does not hold it. UserError for a class without a rule."""
    if optimizer is None:
        settings = {name: False if name in ("nesterov", "maximize") else 0.0 for name in SGD.settings}
        said = f"No optimizer was given: told for SGD, learning rate {DEFAULT_LR:g}."
        return _Holder(SGD.name, SGD, {**settings, "lr": DEFAULT_LR}, SGD.start(p, settings), said)
    for group in optimizer.param_groups:
        rule = rule_of(optimizer, group)
        if any(q is p for q in group["params"]):
            settings = settings_of(rule, group)
            state = state_of(rule, p.detach(), optimizer.state.get(p, {}), settings)
            return _Holder(type(optimizer).__name__, rule, settings, state)
    return None


def _untouched(optimizer: Optimizer | None, p: Tensor, name: str, gradient: float | None) -> Update:
    """A parameter that no step changes, and why."""
    cls = type(optimizer).__name__ if optimizer is not None else SGD.name
    if gradient is not None:
        why = f"{name} is not in this {cls}: no step changes it."
    elif not p.requires_grad:
        why = f"{name} is frozen (requires_grad is False): no step changes it."
    else:
        why = f"The loss does not reach {name}: {cls} leaves it as it is."
    return Update(
        optimizer=cls,
        rule=r"\Delta w = 0",
        settings={},
        gradient=gradient or 0.0,
        change=0.0,
        weight_norm=_norm(p.detach()),
        update_norm=0.0,
        steps_to_move=math.inf,
        note=why,
    )


def _told(holder: _Holder, weight: Tensor, gradient: Tensor, index: tuple[int, ...]) -> Update:
    move = holder.rule.move(weight, gradient.to(weight.dtype), holder.state, holder.settings)
    step = _Step(weight[index], gradient[index], move.at(index))
    weight_norm, update_norm = _norm(weight), _norm(move.change(weight))
    share = _epsilon_share(holder, step)
    binds = share > BINDS and float(step.move.push) != 0
    return Update(
        optimizer=holder.cls,
        rule=holder.rule.rule(holder.settings),
        settings=holder.settings,
        gradient=float(step.gradient),
        change=step.change,
        steps=_steady(holder, step, holder.state.at(index)),
        epsilon_share=share,
        binds=binds,
        weight_norm=weight_norm,
        update_norm=update_norm,
        steps_to_move=_steps_to_move(weight_norm, update_norm),
        note=" ".join(_notes(holder, step)),
    )


def _norm(x: Tensor) -> float:
    return float(torch.linalg.vector_norm(x, dtype=torch.float64))


def _steps_to_move(weight_norm: float, update_norm: float) -> float:
    if update_norm == 0:
        return math.inf
    return weight_norm / update_norm if weight_norm and math.isfinite(update_norm) else math.nan


def _epsilon_share(holder: _Holder, step: _Step) -> float:
    """ε / (√v̂ + ε) of the focused weight; nan without ε."""
    if step.move.root is None:
        return math.nan
    root, eps = float(step.move.root), float(holder.settings["eps"])
    return eps / (root + eps) if eps else 0.0 * root


def _steady(holder: _Holder, step: _Step, state: State) -> tuple[tuple[int, float], ...]:
    """Δw over the learning rate at the told steps, counted from here on, for a gradient that stays.

    Law: the rule's own recursion on this one weight, which moves along.
    Shapes: one number a told step, in the units of the update's direction.
    At 0: none where the learning rate is 0.
    At inf/nan: handed on.
    Source: the rule's own.
    """
    lr = float(holder.settings["lr"])
    if lr == 0:
        return ()
    weight, gradient, told = step.weight, step.gradient.to(step.weight.dtype), []
    for t in range(1, TOLD_STEPS[-1] + 1):
        move = holder.rule.move(weight, gradient, state, holder.settings)
        if t in TOLD_STEPS:
            told.append((t, float(move.change(weight)) / lr))
        weight, state = move.applied(weight), move.state
    return tuple(told)


def _notes(holder: _Holder, step: _Step) -> Iterator[str]:
    """What is special here, a sentence each."""
    if holder.said:
        yield holder.said
    broken = _broken(holder, step)
    if broken:
        yield broken
        return
    if holder.settings["lr"] == 0:
        yield "The learning rate is 0: nothing moves."
    elif step.gradient == 0:
        yield _no_gradient(step)
    elif step.change != 0 and step.move.applied(step.weight) == step.weight:
        yield f"The step is lost: in {step.dtype} the weight plus the step is rounded back to the weight."
    if holder.settings["weight_decay"] != 0:
        yield f"Weight decay {holder.settings['weight_decay']:g} is part of it."
    yield from _momentum(holder)
    if holder.state.steps:
        yield f"{holder.cls} has stepped {_times(holder.state.steps)} already."
    elif holder.rule is SGD and holder.state.kept and holder.settings["momentum"] != 0:
        yield f"{holder.cls} has stepped already: its momentum holds earlier gradients."


def _broken(holder: _Holder, step: _Step) -> str:
    """What is said of a step that is no number, or of a square that is none; "" where all is well."""
    gradient, root = float(step.gradient), step.move.root
    if math.isnan(gradient):
        return "The gradient is nan, so the weight becomes nan."
    if math.isinf(gradient):
        return "The gradient is infinite, so the weight is lost."
    if not math.isfinite(step.change):
        return f"The step is no number: {holder.cls} remembers an inf or nan, or divides by 0."
    if root is not None and math.isinf(float(root)):
        return f"A squared gradient was beyond {step.dtype}: {holder.cls} divides by inf, so no gradient counts."
    return ""


def _no_gradient(step: _Step) -> str:
    if step.change == 0:
        return "The gradient is exactly 0: the weight stays."
    return "The gradient is exactly 0: what moves the weight is memory of earlier gradients, or weight decay."


def _momentum(holder: _Holder) -> Iterator[str]:
    """What momentum makes of a gradient that stays: (1 − τ) / (1 − μ) of it in the end, in SGD and in RMSprop."""
    momentum = float(holder.settings.get("momentum", 0.0))
    if momentum == 0:
        return
    if momentum >= 1:
        yield f"Momentum {momentum:g} lets the step grow without end if the gradient stays."
        return
    times = (1 - float(holder.settings.get("dampening", 0.0))) / (1 - momentum)
    yield f"Momentum {momentum:g} makes a gradient that stays count {round(times, 1):g} times in the end."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
