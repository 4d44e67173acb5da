"""What the network reads and puts out: squashing taken away, reduction, inputs and targets standardised."""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from ...catalog import DEGREES, FITTING_OUTPUTS
from ...measurement.onepass import measured_pass
from ...records import LossSeen, UserError
from ..ends import (
    MODES,
    OutputMode,
    add_squash,
    divide_error,
    fitting_losses,
    logits_for_losses,
    mean_error,
    put_out_fitted,
    put_out_marked,
    put_out_raw,
    raw_output,
    rescale_output,
    squash_output,
    standardise_targets,
)
from ..heads import Heads
from ..marked import Squashed
from ..passes import run_once, undisturbed
from ..patient import Patient
from ..registry import operation
from ..scaling import LossScale
from ..teaching import Lesson

UNFIT = frozenset({"relu", "relu6", "tanh", "hardtanh", "softplus"})  # make no probabilities


@operation("linear-output", needs=("batch",), hooks=True)
def linear_output(patient: Patient) -> None:
    """The network puts out what its last activation or softmax is given."""
    _check_free(patient, put_out_raw)
    name = _squashed_by(patient)
    seen = _loss(patient)
    if seen is not None and seen.kind in ("bce", "nll", "kl_div"):
        raise patient.refuse(f"its loss ({seen.kind}) is one of probabilities, and needs them. Use logit-loss.")
    patient.do(raw_output)
    if not name and not patient.reached(_taken):
        raise patient.refuse("neither it nor its loss puts a sigmoid, softmax or other bounded function on its output.")
    patient.note("(output)", "last function", name or "what the script applies", "none")


@operation("logit-loss", needs=("batch",), hooks=True)
def logit_loss(patient: Patient) -> None:
    """The loss gets the logits of the network's probabilities; everything else goes on with probabilities."""
    _check_free(patient, put_out_marked)
    name = _squashed_by(patient)
    patient.do(logits_for_losses)
    if not patient.reached(_taken):
        raise patient.refuse(
            f"its loss does not take {f'the output of the {name}' if name else 'a softmax or sigmoid of its output'}: "
            "something stands between, or it is no cross-entropy. Give it the logits in the code."
        )
    patient.note("(loss)", "takes", f"the {name or 'function that the script applies'} of the logits", "the logits")


@operation("matching-loss", needs=("batch",), hooks=True)
def matching_loss(patient: Patient) -> None:
    """The loss becomes the one that fits the network's output and its targets."""
    _check_free(patient, put_out_fitted)
    if any(hook is put_out_marked for hook in patient.model._forward_hooks.values()):
        raise patient.refuse("logit-loss gives its loss the logits already. Undo that first.")
    patient.do(fitting_losses)
    if not patient.reached(_taken):
        raise patient.refuse(
            "its loss is no function of torch.nn.functional that compares its output with targets of another shape, "
            "with one class of several, with several labels as if they were one class, or reads classes on another "
            "axis than its log_softmax; nor is it −Σ t log p by hand, of several labels."
        )
    patient.note("(loss)", "function", "as written", "the one that fits output and targets")


@operation("fitting-output", needs=("batch",), hooks=True)
def fitting_output(patient: Patient) -> None:
    """A raw output, or one of a function that makes no probabilities, is squashed as its loss expects."""
    _check_free(patient, squash_output)
    name, seen = patient.word("function"), _loss(patient)
    if name not in ("", *FITTING_OUTPUTS.values(), "softmax"):
        raise UserError(f"The cure fitting-output got function={name!r}. It wants log_softmax, softmax or sigmoid.")
    before = _function_before(patient)
    if before and before not in UNFIT:
        raise patient.refuse(f"its output comes from {before} already.")
    if seen is not None and seen.kind not in FITTING_OUTPUTS:
        raise patient.refuse(f"its loss is {seen.kind}, which is none of probabilities.")
    name = name or FITTING_OUTPUTS.get(seen.kind if seen is not None else "", "")
    if not name:
        raise patient.refuse("which function its loss is made for is not known. Pass loss= or function=.")
    out = root_pass(patient)[1]
    if not isinstance(out, Tensor) or not out.is_floating_point():
        raise patient.refuse(f"it puts out a {type(out).__name__}, not one tensor of numbers.")
    if name != "sigmoid" and out.dim() > 1 and out.shape[1] < 2:
        raise patient.refuse(f"it puts out {tuple(out.shape)}: there is one class, and a {name} of one is constant.")
    if before:
        patient.do(raw_output)
    patient.do(add_squash, name)
    patient.note("(output)", "last function", before or "none", name)


def _function_before(patient: Patient) -> str:
    """The squashing function or log_softmax that the output comes from, "" where none does."""
    out = root_pass(patient)[1]
    made = type(out.grad_fn).__name__ if isinstance(out, Tensor) else ""
    return "log_softmax" if made.startswith("LogSoftmax") else _last_function(patient)


@operation("mean-reduction", needs=("batch",), hooks=True)
def mean_reduction(patient: Patient) -> None:
    """The error of a loss that sums over the examples is divided by their number; the printed loss stays."""
    _check_free(patient, mean_error)
    seen = _loss(patient)
    if seen is not None and seen.reduction == "mean":
        raise patient.refuse(f"its loss ({seen.kind}) is a mean over the examples already.")
    outs = [v for v in (root_pass(patient)[1],) if v is not None]
    parts = outs[0] if outs and isinstance(outs[0], (tuple, list)) else outs
    if outs and type(outs[0]) in (dict, OrderedDict):
        parts = list(outs[0].values())
    if not parts or not all(isinstance(p, Tensor) and p.dim() for p in parts):
        raise patient.refuse("it puts out neither a tensor with an axis of examples nor a list or dictionary of such.")
    patient.do(divide_error)
    patient.note("(output)", "error", "of a sum", "divided by the number of examples")


@operation("standardise-targets", needs=("batch",), hooks=True)
def standardise_the_targets(patient: Patient) -> None:
    """The network learns (y − mean)/std; its outputs and the loss stay in the units of y. Behind errors of numbers."""
    _check_free(patient, rescale_output)
    mean, std, degree = patient.number("mean"), patient.number("std"), int(patient.number("degree"))
    if degree not in (0, 1, 2):
        raise patient.refuse(f"degree is {degree}. It must be 1 or 2, or 0 to take it from the loss.")
    seen = _loss(patient)
    if seen is not None and seen.kind not in DEGREES:
        raise patient.refuse(
            f"its loss is {seen.kind}; targets can be standardised behind a squared or an absolute error."
        )
    if not std:
        if seen is None:
            raise patient.refuse("mean and deviation of its targets are not known. Pass loss=, or mean= and std=.")
        mean, std = seen.target_mean, seen.target_std
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise patient.refuse(f"its targets have mean {mean:g} and standard deviation {std:g}.")
    out = root_pass(patient)[1]
    if not isinstance(out, Tensor):
        raise patient.refuse(f"it puts out a {type(out).__name__}, not one tensor.")
    patient.do(standardise_targets, mean, std, degree or (DEGREES[seen.kind] if seen is not None else 2))
    patient.note("(output)", "scale", "1", f"× {std:.3g} + {mean:.3g}, errors as of standardised targets")


def _check_free(patient: Patient, own: object) -> None:
    """ModelError where the cure, which has put in the hook ``own``, a loss scale or auxiliary heads stand already."""
    model = patient.model
    if any(hook is own for hook in (*model._forward_hooks.values(), *model._forward_pre_hooks.values())):
        raise patient.refuse("it was applied already. Undo that first.")
    if any(isinstance(hook, LossScale) for hook in model._forward_hooks.values()):
        raise patient.refuse("loss-scale stands already, and would lose sight of its loss. Undo that first.")
    if any(isinstance(hook, Lesson) for hook in patient.model._forward_hooks.values()):
        raise patient.refuse("another cure has put a teacher beside it, whose error would not follow this one.")
    if any(isinstance(hook, Heads) for hook in patient.model._forward_hooks.values()):
        raise patient.refuse("auxiliary heads were put in by another cure, and their loss would not follow it.")


def _loss(patient: Patient) -> LossSeen | None:
    """The loss as one pass shows it; None where no loss was given."""
    batch = patient.given_batch()
    if batch.loss is None:
        return None

    def value() -> Tensor:
        out: Tensor = batch.run(patient.model)
        return out

    with undisturbed(patient.model), torch.inference_mode(False), torch.enable_grad():
        run = measured_pass(patient.model, "model", value)
    return run.losses[0] if run.losses else None


def root_pass(patient: Patient) -> tuple[Any, Any]:
    """(positional arguments, output) of the network's first call in a pass."""
    seen: list[tuple[Any, Any]] = []

    def note(root: nn.Module, args: Any, out: Any) -> None:
        seen.append((args, out))

    with undisturbed(patient.model), ExitStack() as stack:
        stack.callback(patient.model.register_forward_hook(note).remove)
        run_once(patient.model, patient.given_batch())
    if not seen:
        raise patient.refuse("the loss calls parts of it and never the whole, so it has no one input and output.")
    return seen[0]


def _taken() -> int:
    """How often a loss took logits, or a squashing function was left out, in this process."""
    return Squashed.taken


def _last_function(patient: Patient) -> str:
    """Name of the squashing function that the network's output comes from, "" where it is none."""
    found: list[str] = []

    def enter(root: nn.Module, args: Any) -> None:
        mode: Any = OutputMode()
        MODES.running.append((root, mode))
        mode.__enter__()

    def leave(root: nn.Module, args: Any, out: Any) -> None:
        mode = MODES.running.pop()[1]
        mode.__exit__(None, None, None)
        known = mode.find(out)
        found.append("" if known is None else known[1])

    with undisturbed(patient.model), ExitStack() as stack:
        stack.callback(patient.model.register_forward_pre_hook(enter).remove)
        stack.callback(patient.model.register_forward_hook(leave, always_call=True, prepend=True).remove)
        run_once(patient.model, patient.given_batch())
    return found[0] if found else ""


def _squashed_by(patient: Patient) -> str:
    """Name of the squashing function that the network's output comes from, "" where the script applies it.

    ModelError where there is none, as far as is known.
    """
    name = _last_function(patient)
    if not name and patient.given_batch().loss is None and not patient.settings["outside"]:
        raise patient.refuse(
            "what it puts out comes from no sigmoid, softmax or other bounded function. Where the script applies one "
            "to its output, pass outside=true, or the loss."
        )
    return name
