"""A trained network as a teacher: its outputs, or its middle layers, as a second source of error."""

from __future__ import annotations

import copy
import math

from torch import Tensor, nn

from ...measurement.rehearsal import no_copy
from ...records import Prescription
from ..ends import mean_error, put_out_fitted, put_out_marked, put_out_raw, rescale_output, squash_output
from ..heads import Heads
from ..passes import run_once, undisturbed
from ..patient import Patient
from ..registry import operation
from ..scaling import LossScale
from ..teaching import Lesson, Taught, add_hints, learn_from, units_last
from ..trunks import Station, chains_of
from .heads import output_of

OUTPUTS = (mean_error, put_out_fitted, put_out_marked, put_out_raw, rescale_output, squash_output)

ROUNDING = 1e-12  # of the mean square of a signal: a smaller variance is that of its last digits


@operation("distil", needs=("batch", "teacher"), hooks=True)
def distil(patient: Patient) -> None:
    """The distance to a teacher's outputs joins the loss, in training."""
    weight, temperature = _weight(patient), patient.number("temperature")
    if not 0 < temperature < math.inf:
        raise patient.refuse(f"temperature is {temperature:g}. It must be above 0.")
    out = output_of(patient)
    told = output_of(_of_teacher(patient))
    if told.shape != out.shape:
        raise patient.refuse(f"it puts out {tuple(out.shape)} and its teacher {tuple(told.shape)} on this batch.")
    patient.do(learn_from, weight, temperature)
    patient.note(
        "(loss)",
        "beside it",
        "none",
        f"outputs of the teacher ({_teacher(patient)}) at T = {temperature:g}, × {weight:g}",
    )
    _check_reached(patient)


@operation("hints", needs=("batch", "teacher"), hooks=True)
def hints(patient: Patient) -> None:
    """Middle layers are drawn toward a teacher's, at the same share of the depth, in training."""
    weight, count = _weight(patient), int(patient.number("layers"))
    if count < 1:
        raise patient.refuse(f"layers is {count}. It must be 1 at least.")
    output_of(patient)  # of the form that a loss can be read from
    teacher = _of_teacher(patient)
    own, told = _stations(patient), _stations(teacher)
    if count > len(own):
        raise patient.refuse(f"its trunk has {len(own)} layers before the last one, and hints were wanted for {count}.")
    if not told:
        raise patient.refuse(f"the trunk of the teacher, a {_teacher(patient)}, has no layer before its last one.")
    pairs = [(own[i], told[j]) for i, j in zip(_at(count, len(own)), _at(count, len(told)), strict=True)]
    places = [(s.path, s.clones, s.units, t.path, t.units, _variance(patient, teacher, s, t)) for s, t in pairs]
    patient.do(add_hints, places, weight)
    for s, t in pairs:
        patient.note(s.path, "hint", "none", f"toward {t.path} of the teacher ({_teacher(patient)}), × {weight:g}")
    _check_reached(patient)


def _weight(patient: Patient) -> float:
    model, weight = patient.model, patient.number("weight")
    if any(isinstance(hook, Lesson) for hook in model._forward_hooks.values()):
        raise patient.refuse("it learns from a teacher already. Undo that first.")
    if any(hook in OUTPUTS or isinstance(hook, Heads | LossScale) for hook in model._forward_hooks.values()):
        raise patient.refuse("another cure changes its output or its loss already. Undo that first.")
    if not 0 < weight < math.inf:
        raise patient.refuse(f"weight is {weight:g}. It must be above 0.")
    return weight


def _teacher(patient: Patient) -> str:
    return type(patient.teacher).__name__


def _of_teacher(patient: Patient) -> Patient:
    """A copy of the teacher on the table, as it is asked later: in eval mode."""
    assert patient.teacher is not None
    try:
        copied = copy.deepcopy(patient.teacher).eval().requires_grad_(True)
    except Exception as error:
        raise no_copy("cure", patient.teacher, error) from error
    return Patient(copied, Prescription(patient.prescription.cure), patient.settings, (), patient.given_batch())


def _stations(patient: Patient) -> list[Station]:
    return [station for chain in chains_of(patient) for station in chain]


def _at(count: int, depth: int) -> list[int]:
    """Places of ``count`` hints among ``depth`` layers: at the shares 1/(n + 1), 2/(n + 1), ... of it."""
    return [max(0, (2 * k * depth + count + 1) // (2 * (count + 1)) - 1) for k in range(1, count + 1)]


def _variance(patient: Patient, teacher: Patient, own: Station, told: Station) -> float:
    """Mean variance of the units of a teacher's layer on the batch. ModelError where it can hint at nothing."""
    seen: list[Tensor] = []

    def note(host: nn.Module, args: object, out: Tensor) -> None:
        seen.append(units_last(host, out.detach()))

    with undisturbed(teacher.model):
        handle = teacher.model.get_submodule(told.path).register_forward_hook(note)
        run_once(teacher.model, teacher.given_batch())
        handle.remove()
    rows = seen[0].double().flatten(0, -2)
    variance = float(rows.var(0, correction=0).mean())
    if not ROUNDING * float(rows.square().mean()) < variance < math.inf:
        raise patient.refuse(f"{told.path} of its teacher gives the same for every example, or no finite number.")
    if own.shape[0] != told.shape[0]:
        raise patient.refuse(f"{own.path} puts out {own.shape} and {told.path} of its teacher {told.shape}.")
    return variance


def _check_reached(patient: Patient) -> None:
    """ModelError where a loss was given that does not take the network's output as it is."""
    if patient.model.training and not patient.reached(lambda: Taught.added):
        raise patient.refuse(
            "its loss is none of torch's losses on the output as it is, so the teacher's error would not reach it. "
            "Write it into the code."
        )
