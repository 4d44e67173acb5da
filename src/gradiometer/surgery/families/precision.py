"""The number format: a loss that is scaled on its way back, and weights kept in float32."""

from __future__ import annotations

import gc
import math
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ...measurement.models import flatten
from ...records import ModelError
from ..passes import run_once, undisturbed
from ..patient import Patient
from ..registry import operation
from ..scaling import HALVES, LossScale, ScaledLoss, enter_bfloat16, keep_in_float32, scale_loss


@operation("loss-scale", needs=("batch",), hooks=True)
def loss_scale(patient: Patient) -> None:
    """The loss times a power of two at ``backward``, the gradients of float32 weights divided by it right after."""
    scale = patient.number("scale")
    if not scale >= 1 or not math.log2(scale).is_integer():
        raise patient.refuse(f"scale is {scale:g}. It must be a power of two, above 1 or 1.")
    if any(isinstance(hook, LossScale) for hook in patient.model._forward_hooks.values()):
        raise patient.refuse("it was applied already. Undo that first.")
    _refuse_scaler(patient)
    for name, parameter in patient.model.named_parameters():
        if parameter.requires_grad and parameter.dtype in HALVES:
            form = _name(parameter.dtype)
            raise patient.refuse(
                f"{name} is {form}, where a gradient that is divided by the scale falls below the format again, and "
                "a step is rounded to nothing. Use float32-weights."
            )
        other: Any = parameter
        if parameter._backward_hooks or other._post_accumulate_grad_hooks:
            raise patient.refuse(f"a hook of the script on {name} would see its gradient before it is divided.")
    if not _computes_in_float16(patient):
        raise patient.refuse(
            "nothing in this pass is computed in float16, and elsewhere a power of two changes no digit. Where the "
            "script computes under autocast, apply it there."
        )
    patient.do(scale_loss, scale)
    if not any(type(value) is ScaledLoss for value in flatten(_output(patient))):
        raise patient.refuse("it puts out no tensor that a loss could be followed from, or another cure marks it.")
    patient.note("(loss)", "scale on its way back", "1", f"{scale:g}, halved where a gradient overflows")


@operation("float32-weights", needs=("batch", "optimizer"), hooks=True)
def float32_weights(patient: Patient) -> None:
    """Weights of half precision are stored in float32 and the network computes in bfloat16."""
    if enter_bfloat16 in patient.model._forward_pre_hooks.values():
        raise patient.refuse("it was applied already. Undo that first.")
    _refuse_scaler(patient)
    low = [(name, p) for name, p in patient.model.named_parameters() if p.requires_grad and p.dtype in HALVES]
    if not low:
        raise patient.refuse("none of its weights is trained in float16 or bfloat16.")
    for name, parameter in low:
        patient.note(name, "format", _name(parameter.dtype), "float32")
    patient.note("(network)", "computes in", _name(low[0][1].dtype), "bfloat16")
    patient.do(keep_in_float32)
    try:
        _output(patient)
    except ModelError as error:
        raise patient.refuse(f"with its weights in float32 it does not run under autocast. {error}") from error


def _output(patient: Patient) -> Any:
    """What the network puts out in its first call of a pass."""
    seen: list[Any] = []
    with undisturbed(patient.model):
        handle = patient.model.register_forward_hook(lambda root, args, out: seen.append(out))
        run_once(patient.model, patient.given_batch())
        handle.remove()
    return seen[0] if seen else None


class _Formats(TorchFunctionMode):
    """Which formats the results of functions have."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.seen.add(out.dtype)
        return out


def _computes_in_float16(patient: Patient) -> bool:
    """True where a pass shows it, or where the script has entered an autocast to float16 that is paused just now."""
    with undisturbed(patient.model), _Formats() as formats:
        patient.forward()
    if torch.float16 in formats.seen:
        return True
    depth = torch.autocast_increment_nesting()
    torch.autocast_decrement_nesting()
    device = next(patient.model.parameters()).device.type
    return depth > 1 and torch.get_autocast_dtype(device) == torch.float16


def _refuse_scaler(patient: Patient) -> None:
    """ModelError where the process has a loss scaler at work."""
    at_work = any(o.is_enabled() for o in gc.get_objects() if issubclass(type(o), torch.amp.GradScaler))
    if at_work:
        raise patient.refuse("the script has a GradScaler, which scales its loss already.")


def _name(form: torch.dtype) -> str:
    return str(form).removeprefix("torch.")
