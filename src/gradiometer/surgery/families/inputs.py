"""What the network reads: inputs standardised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ..ends import add_standardisation, standardise_input
from ..passes import run_once, undisturbed
from ..patient import Patient
from ..registry import operation
from ..seen import add_seen_standardisation, standardise_seen
from .ends import root_pass

ENOUGH = 2  # examples, for a standard deviation


@operation("standardise-inputs", needs=("batch",), hooks=True)
def standardise_inputs(patient: Patient) -> None:
    """(x − mean)/std, column by column, in training and evaluation: with the numbers of this batch, or, where examples
    come one by one, with those of the first examples of the training."""
    hooks = patient.model._forward_pre_hooks.values()
    if standardise_input in hooks or standardise_seen in hooks:
        raise patient.refuse("it was applied already. Undo that first.")
    examples, floor = int(patient.number("examples")), patient.number("floor")
    if examples < ENOUGH:
        raise patient.refuse(f"examples is {examples}. It needs at least {ENOUGH}, for a standard deviation.")
    x = _first_input(patient)
    wide = x.detach().double()
    if not bool(wide.isfinite().all()):
        raise patient.refuse("its input holds values that are not finite in this batch.")
    alone = _axis_of_one(patient, x)
    if alone is not None:
        patient.do(add_seen_standardisation, x.shape[alone], alone, examples, floor)
        before = f"one example, from {float(wide.min()):.3g} to {float(wide.max()):.3g}"
        told = f"each mean 0, std 1 on the first {examples} examples of the training"
        patient.note("(input)", f"{x.shape[alone]} columns", before, told)
        return
    shape, axes = _columns(x)
    mean, std, whole = wide.mean(axes), wide.std(axes, correction=0), float(wide.std(correction=0))
    if whole == 0:
        raise patient.refuse("its input does not vary in this batch.")
    narrow = std < floor * whole
    std = torch.where(narrow, torch.full_like(std, whole), std)
    patient.do(add_standardisation, mean.tolist(), std.tolist(), shape)
    before = f"mean {float(wide.mean()):.3g}, std {whole:.3g}"
    kept = f"; {int(narrow.sum())} nearly constant ones divided by {whole:.3g}" if bool(narrow.any()) else ""
    patient.note("(input)", f"{len(std)} columns", before, f"each mean 0, std 1 on this batch{kept}")


def _first_input(patient: Patient) -> Tensor:
    args = root_pass(patient)[0]
    x = args[0] if args else None
    if not isinstance(x, Tensor) or not x.is_floating_point():
        what = "nothing in first place" if x is None else f"a {getattr(x, 'dtype', type(x).__name__)}"
        raise patient.refuse(f"it reads {what}, which is no tensor of numbers.")
    if x.dim() < 1 or not x.numel():
        raise patient.refuse(f"its input has shape {tuple(x.shape)}: there is no example in it.")
    return x


def _axis_of_one(patient: Patient, x: Tensor) -> int | None:
    """The axis of the columns where the input is one example, None where it is a batch of several.

    Without a batch axis: the first layer reads it as it is, a linear one as (features), a convolution as (channels,
    *positions). ModelError for numbers in a row that no first layer tells from a batch.
    """
    if x.dim() > 1 and len(x) == 1:
        return 1 if x.dim() > 3 else x.dim() - 1
    layer, shape = _first_layer(patient)
    if isinstance(layer, _ConvNd) and shape == tuple(x.shape) and x.dim() == layer.weight.dim() - 1:
        return 0
    if x.dim() == 1:
        if isinstance(layer, nn.Linear) and shape == tuple(x.shape):
            return 0
        raise patient.refuse(f"its input has shape {tuple(x.shape)}: that is no batch of examples.")
    return None


def _first_layer(patient: Patient) -> tuple[nn.Module | None, tuple[int, ...]]:
    """The first linear or convolutional layer that runs in a pass, and the shape of what it reads."""
    found: list[tuple[nn.Module, tuple[int, ...]]] = []

    def note(layer: nn.Module, args: Any) -> None:
        if args and isinstance(args[0], Tensor):
            found.append((layer, tuple(args[0].shape)))

    with undisturbed(patient.model):
        layers = [m for m in patient.model.modules() if isinstance(m, nn.Linear | _ConvNd)]
        handles = [layer.register_forward_pre_hook(note) for layer in layers]
        run_once(patient.model, patient.given_batch())
        for handle in handles:
            handle.remove()
    return found[0] if found else (None, ())


def _columns(x: Tensor) -> tuple[list[int], list[int]]:
    """(shape of one number a column, axes to average over). Columns: the last axis, or the channels of images."""
    at = 1 if x.dim() > 3 else x.dim() - 1
    shape = [1] * x.dim()
    shape[at] = x.shape[at]
    return shape, [axis for axis in range(x.dim()) if axis != at]
