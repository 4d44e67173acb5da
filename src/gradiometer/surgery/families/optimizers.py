"""The optimizer exchanged in place, and other lengths of its steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ..patient import Patient
from ..registry import operation
from ..stepping import Clip, clip_gradient, exchange_optimizer, layer_rate, reference_rate, scale_rate, set_epsilon
from ..steps import Literals

DENSE_ONLY = frozenset({"Adam", "AdamW", "RMSprop"})  # of torch's optimizers that are exchanged for


@operation("adam", needs=("optimizer",))
def adam(patient: Patient) -> None:
    """Adam with its own moments."""
    _exchange(patient, "Adam", {})


@operation("adamw", needs=("optimizer",))
def adamw(patient: Patient) -> None:
    """AdamW with a weight decay of its own."""
    _exchange(patient, "AdamW", {"weight_decay": patient.number("decay")})


@operation("rmsprop", needs=("optimizer",))
def rmsprop(patient: Patient) -> None:
    """RMSprop without momentum."""
    _exchange(patient, "RMSprop", {})


@operation("adagrad", needs=("optimizer",))
def adagrad(patient: Patient) -> None:
    """Adagrad."""
    _exchange(patient, "Adagrad", {})


@operation("momentum", needs=("optimizer",))
def momentum(patient: Patient) -> None:
    """SGD with momentum."""
    _exchange(patient, "SGD", {"momentum": patient.number("momentum")})


@operation("lower-lr", needs=("optimizer",))
def lower_lr(patient: Patient) -> None:
    """Every step at a fraction of its rate."""
    _scale(patient)


@operation("raise-lr", needs=("optimizer",))
def raise_lr(patient: Patient) -> None:
    """Every step at a multiple of its rate."""
    _scale(patient)


@operation("warm-up", needs=("optimizer",))
def warm_up(patient: Patient) -> None:
    """The rate of step t is t/steps of what it would be, until that is 1."""
    steps = int(patient.number("steps"))
    if steps < 1:
        raise patient.refuse(f"steps is {steps}. It needs at least 1.")
    patient.do(scale_rate, 1.0, steps)
    for where, _ in _groups(patient):
        patient.note(where, "rate", "from the first step", f"grows over {steps} steps")


@operation("layerwise-rate", needs=("optimizer",))
def layerwise_rate(patient: Patient) -> None:
    """Every weight matrix moves by the same share of its norm."""
    _refuse_lbfgs(patient, "its line of steps would not be the one that it remembers")
    rate = patient.number("rate")
    if not rate > 0:
        raise patient.refuse(f"rate is {rate:g}. It must be above 0.")
    patient.do(layer_rate, rate)
    for where, _ in _groups(patient):
        patient.note(where, "step of a matrix", "as the optimizer says", f"{rate:g} × its norm")


@operation("clip", needs=("optimizer",))
def clip(patient: Patient) -> None:
    """The gradient shortened to a norm before each step, all parameters of an optimizer together."""
    _refuse_sparse(patient, "have no norm that torch computes")
    _refuse_lbfgs(patient, "it computes several gradients inside one step and compares them")
    norm, times = patient.number("norm"), patient.number("times")
    if norm < 0 or times <= 0:
        raise patient.refuse(f"norm is {norm:g} and times {times:g}. Neither may be negative, times not 0.")
    patient.do(clip_gradient, norm, times)
    limit = f"{norm:g}" if norm else f"{times:g} × the median of the last {Clip.window} steps"
    for number, optimizer in enumerate(patient.optimizers):
        patient.note(_name(patient, number, optimizer), "norm of the gradient", "as it is", f"at most {limit}")


@operation("smaller-epsilon", needs=("optimizer",))
def smaller_epsilon(patient: Patient) -> None:
    """ε of Adam and its like."""
    epsilon = patient.number("epsilon")
    larger = [(where, group) for where, group in _groups(patient) if group.get("eps", 0.0) > epsilon]
    if not larger:
        names = ", ".join(sorted({type(o).__name__ for o in patient.optimizers}))
        raise patient.refuse(f"no group of {names} has an epsilon above {epsilon:g}. Adam, AdamW and RMSprop have one.")
    for where, group in larger:
        patient.note(where, "epsilon", group["eps"], epsilon)
    patient.do(set_epsilon, epsilon)


def _exchange(patient: Patient, name: str, settings: dict[str, Literals]) -> None:
    """Another class for the same object. ModelError where its step was patched by something else than a scheduler."""
    rate, cls = patient.number("lr"), getattr(torch.optim, name)
    if name in DENSE_ONLY:
        _refuse_sparse(patient, f"are none that {name} can step by")
    for number, optimizer in enumerate(patient.optimizers):
        where = _name(patient, number, optimizer)
        own = optimizer.__dict__.get("step")
        if own is not None and not hasattr(own, "_wrapped_by_lr_sched"):
            raise patient.refuse(f"{where} has a step of its own, put in by other code, that would go on as it is.")
        if type(optimizer) is cls and all(_has(g, settings) for g in optimizer.param_groups):
            raise patient.refuse(f"{where} is {name} already.")
        if name != "SGD" and any(p.dtype == torch.float16 for g in optimizer.param_groups for p in g["params"]):
            raise patient.refuse(f"{where} holds float16 weights, in which the epsilon of {name} is 0.")
        reference = reference_rate(optimizer.param_groups[0])
        if rate and not reference > 0:
            raise patient.refuse(f"{where} has a learning rate of {reference:g}: nothing can stand for it. Use lr=0.")
        patient.note(where, "optimizer", type(optimizer).__name__, name)
        if rate:
            patient.note(where, "rate", reference, rate)
    patient.do(exchange_optimizer, name, settings, rate)


def _has(group: dict[str, Any], settings: dict[str, Literals]) -> bool:
    return all(group.get(k) == v for k, v in settings.items())


def _scale(patient: Patient) -> None:
    factor = patient.number("factor")
    if not 0 < factor < float("inf"):
        raise patient.refuse(f"factor is {factor:g}. It must be a number above 0.")
    patient.do(scale_rate, factor, 0)
    for where, group in _groups(patient):
        patient.note(where, "rate", reference_rate(group), factor * reference_rate(group))


def _refuse_lbfgs(patient: Patient, reason: str) -> None:
    for number, optimizer in enumerate(patient.optimizers):
        if isinstance(optimizer, torch.optim.LBFGS):
            raise patient.refuse(f"{_name(patient, number, optimizer)} cannot take it: {reason}.")


def _refuse_sparse(patient: Patient, reason: str) -> None:
    """ModelError where a table hands sparse gradients to its optimizer."""
    for path, module in patient.model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise patient.refuse(f"the sparse gradients of {path} {reason}. Build it with sparse=False.")


def _name(patient: Patient, number: int, optimizer: Optimizer) -> str:
    return type(optimizer).__name__ + (f" {number}" if len(patient.optimizers) > 1 else "")


def _groups(patient: Patient) -> list[tuple[str, dict[str, Any]]]:
    """(name, group) of every group: ``Adam, group 0``."""
    return [
        (f"{_name(patient, number, optimizer)}, group {at}", group)
        for number, optimizer in enumerate(patient.optimizers)
        for at, group in enumerate(optimizer.param_groups)
    ]
