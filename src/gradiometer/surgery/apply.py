"""Applying a prescription to a network: whole, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ..catalog import entry_of, settings_of
from ..measurement.rehearsal import state_kept
from ..records import Prescription, Receipt, UserError
from .passes import Batch, Loss
from .patient import Patient
from .receipt import LiveReceipt, hand_out
from .refusals import check_not_compiled, check_patient, forget_compiled, uncompiled
from .registry import Operation, operation_of
from .schooling import teacher_of
from .snapshot import Snapshot, fingerprint

TEACHER = "It is the trained network; on the command line its maker, teacher=package.module:function."


def apply(
    model: nn.Module,
    prescription: Prescription,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    batch: Any = None,
    loss: Loss | None = None,
    *,
    teacher: nn.Module | None = None,
) -> LiveReceipt:
    """Apply a cure in place, and return the receipt that can undo it.

    optimizer: those that hold the network's parameters already: new parameters join the group of the weight beside
    them. batch, loss: as the network is called, see ``passes.Batch``. teacher: a trained network, which is copied and
    stays as it is; None takes what the setting ``teacher`` names. The global random generators are not touched.
    Raises UserError for a wrong call, ModelError where the network cannot take this cure; it is then as it was.
    """
    entry = entry_of(prescription.cure)
    settings = settings_of(entry, prescription.params)
    operation = operation_of(entry)
    optimizers = (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer or ())
    check_patient(model, optimizers)
    if operation.hooks:
        check_not_compiled(model, entry.name)
    handed, model = model, uncompiled(model)
    _check_targets(model, prescription)
    given = None if batch is None else Batch.of(batch, loss)
    teacher = teacher_of(settings) if teacher is None else teacher
    _check_needs(operation, {"batch": given, "optimizer": optimizers, "loss": loss, "teacher": teacher})
    seed = int(settings["seed"] or 0)
    generator = torch._C.Generator().manual_seed(seed)  # also where a trial mixes torch.Generator's: as the patch draws
    patient = Patient(model, prescription, settings, optimizers, given, generator, handed=handed, teacher=teacher)
    before = Snapshot(model, optimizers)
    try:
        with state_kept(), torch.inference_mode(False):
            operation.perform(patient)
            _forget_moments(patient, before)
    except BaseException:
        before.close()
        before.restore()
        raise
    before.close()
    if operation.hooks:
        forget_compiled()
    receipt = LiveReceipt(
        record=Receipt(prescription, tuple(patient.changes)),
        entry=entry,
        seed=seed,
        steps=patient.steps,
        _model=model,
        _optimizers=optimizers,
        _before=before,
        _after=fingerprint(model, optimizers),
    )
    return hand_out(receipt, model)


def _check_targets(model: nn.Module, prescription: Prescription) -> None:
    paths = {path for path, _ in model.named_modules()}
    for target in prescription.targets:
        if target not in paths:
            raise UserError(f"{type(model).__name__} has no module {target!r}. Name a path of named_modules().")


def _check_needs(operation: Operation, given: dict[str, object]) -> None:
    for name in sorted(operation.needs):
        if given[name] is None or given[name] == ():
            told = f" {TEACHER}" if name == "teacher" else ""
            raise UserError(f"The cure {operation.cure} needs {name}=, which was not given.{told}")


def _forget_moments(patient: Patient, before: Snapshot) -> None:
    """Moments of a weight that was drawn anew belong to the old one."""
    changed = before.changed() if any(o.state for o in patient.optimizers) else set()
    names = {id(p): name for name, p in patient.model.named_parameters()}
    for optimizer in patient.optimizers:
        for parameter in [p for p in optimizer.state if id(p) in changed]:
            del optimizer.state[parameter]
            patient.note(names.get(id(parameter), "?"), f"{type(optimizer).__name__} state", "moments", "none")
