"""Auxiliary heads: a fresh error for early layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..ends import mean_error, put_out_fitted, put_out_marked, put_out_raw, rescale_output, squash_output
from ..heads import Headed, add_heads
from ..passes import run_once, undisturbed
from ..patient import Patient
from ..registry import operation
from ..scaling import LossScale
from ..teaching import Lesson
from ..trunks import Station, chains_of

SQUASHED = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh")
OUTPUTS = (mean_error, put_out_fitted, put_out_marked, put_out_raw, rescale_output, squash_output)


@operation("auxiliary-heads", needs=("batch",), hooks=True)
def auxiliary_heads(patient: Patient) -> None:
    """A linear head on every n-th layer of the trunk, in training; its loss on the same targets joins the network's."""
    if any(hook in OUTPUTS or isinstance(hook, Lesson | LossScale) for hook in patient.model._forward_hooks.values()):
        raise patient.refuse("another cure changes its output or its loss already. Undo that first.")
    if any("gm_head" in module._modules for module in patient.model.modules()):
        raise patient.refuse("it has heads of a cure already. Undo that first.")
    every, weight = int(patient.number("every")), patient.number("weight")
    if every < 1 or not weight > 0:
        raise patient.refuse(f"every is {every} and weight {weight:g}. Both must be above 0.")
    out = output_of(patient)
    stations = [station for chain in chains_of(patient) for station in chain]
    fitting = [station for station in stations if _fits(station, out)]
    chosen = fitting[every - 1 :: every]
    if not chosen:
        few = f"{len(fitting)} layers of its trunk, the last one not counted, could carry a head"
        raise patient.refuse(f"only {few}, and every is {every}.")
    places = [(s.path, s.units, s.clones) for s in chosen]
    patient.do(add_heads, places, out.shape[-1], weight)
    for station in chosen:
        patient.note(station.path, "head", "none", f"{out.shape[-1]} outputs, loss × {weight:g}")
    _check_reached(patient)


def output_of(patient: Patient) -> Tensor:
    """What the network puts out in one pass. ModelError where a loss could not read the same from a linear head."""
    seen: list[Any] = []

    def note(root: nn.Module, args: Any, out: Any) -> None:
        seen.append(out)

    with undisturbed(patient.model):
        handle = patient.model.register_forward_hook(note)
        run_once(patient.model, patient.given_batch())
        handle.remove()
    out = seen[0] if seen else None
    if not isinstance(out, Tensor) or out.dim() not in (2, 3):
        what = f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise patient.refuse(f"it puts out {what}; heads give [example, output] or [example, time, output].")
    made = type(out.grad_fn).__name__
    if made.startswith(SQUASHED):
        name = made.removesuffix("Backward0").lower()
        raise patient.refuse(f"its output comes from {name}, and heads put out raw numbers. Remove it first.")
    return out


def _fits(station: Station, out: Tensor) -> bool:
    """True where a linear head on the layer gives the output's shape."""
    if station.spatial:
        return out.dim() == 2
    return station.shape[:-1] == tuple(out.shape[:-1])


def _check_reached(patient: Patient) -> None:
    """ModelError where a loss was given that does not take the network's output as it is."""
    if patient.model.training and not patient.reached(lambda: Headed.added):
        raise patient.refuse(
            "its loss is none of torch's losses on the output as it is, so the heads would get no error. "
            "Write them into the code."
        )
