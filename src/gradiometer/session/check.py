"""``gm.check``: one pass and ten steps on a copy, in seconds, before the real training begins."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from ..diagnosis import diagnose
from ..records import Diagnosis, ModelError, Run, UserError
from .live import Session, owns_part_of
from .options import Options

CHECK_STEPS = 10  # after the first pass; what is only visible later is not looked for here
DEFAULT_LR = 0.01  # of the plain SGD that stands in where no optimizer is given

Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True, slots=True)
class Setup:
    """A training in four parts, as factories return it (``make(seed) -> gm.Setup``).

    model: the network. batches: an iterable of batches (a DataLoader, a list; a generator is read once).
    loss: ``loss(model, batch) -> scalar``. optimizer: over the model's parameters, or None.
    """

    model: nn.Module
    batches: Iterable[Any]
    loss: Loss
    optimizer: Optimizer | None = None


def check(model: nn.Module, batch: Any, loss: Loss, optimizer: Optimizer | None = None) -> Diagnosis:
    """Look at a network before it trains: one pass and ten steps on a copy, with one batch.

    ``loss(model, batch)`` must return a scalar. Without an optimizer plain SGD with lr 0.01 is used. Nothing changes
    in the model, its gradients, the optimizer or the random number generators, also after an exception.
    Raises UserError for a wrong argument; ModelError where the model can't be copied, or the loss is no scalar that
    depends on the parameters.
    """
    return diagnose(check_setup(Setup(model, [batch], loss, optimizer)))


def assert_healthy(model: nn.Module, batch: Any, loss: Loss, optimizer: Optimizer | None = None) -> None:
    """``check`` for a test: AssertionError with the finding's sentence where anything of severity ``fail`` is found.

    Errors as in ``check``. A coverage below 95 % is an AssertionError too: then nothing was proven.
    """
    found = check(model, batch, loss, optimizer)
    if found.healthy:
        return
    fails = [f for f in found.findings if f.severity == "fail"]
    lines = [f"{f.symptom} {f.cause}: {f.summary}" for f in fails] or [
        f"coverage {found.coverage:.0%}: too little was measured to call it healthy"
    ]
    raise AssertionError("\n".join(lines))


def check_setup(setup: Setup) -> Run:
    """The recorded run of a check (see ``check``)."""
    _validate(setup)
    model, optimizer = _copies(setup)
    session = Session(Options(name=type(setup.model).__name__.lower(), every=1, keep_file=False))
    session.registry.add(model, type(setup.model).__name__.lower())
    session.steps.accept = lambda o: o is optimizer
    with _state_kept(), torch.enable_grad():
        session.steps.cadence.all_full = True
        session.attach(discover=False)
        try:
            _train(setup, model, optimizer)
        finally:
            run = session.stop("finished")
    if run is None:
        raise ModelError(
            f"No step of {type(setup.model).__name__} could be recorded: the loss reached none of its parameters. "
            + " ".join(session.warnings)
        )
    return run


def _train(setup: Setup, model: nn.Module, optimizer: Optimizer) -> None:
    batches = list(itertools.islice(setup.batches, CHECK_STEPS + 1))
    if not batches:
        raise UserError("check() got no batch: `batches` is empty. Pass at least one.")
    for _, batch in zip(range(CHECK_STEPS + 1), itertools.cycle(batches), strict=False):
        optimizer.zero_grad()
        value = setup.loss(model, batch)
        _scalar(value)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _scalar(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise ModelError(f"loss(model, batch) returned a {type(value).__name__}. Return a scalar tensor.")
    if value.numel() != 1:
        raise ModelError(
            f"loss(model, batch) returned a tensor of shape {tuple(value.shape)}, not a scalar. "
            "Reduce it with .mean() or .sum()."
        )
    if not value.requires_grad:
        raise ModelError(
            "The loss does not depend on any parameter that requires grad, so no error can go back. Look for "
            ".detach(), .item(), torch.no_grad(), argmax or numpy between the model's output and the loss."
        )


def _copies(setup: Setup) -> tuple[nn.Module, Optimizer]:
    try:
        model, optimizer = copy.deepcopy((setup.model, setup.optimizer))
    except Exception as error:
        raise ModelError(
            f"{type(setup.model).__name__} cannot be copied ({type(error).__name__}: {error}). check() works on a "
            "copy; call it before the first forward pass, or give the class a __deepcopy__."
        ) from error
    for p in model.parameters():
        p.grad = None
    if optimizer is None:
        optimizer = SGD([p for p in model.parameters() if p.requires_grad], lr=DEFAULT_LR)
    return model, optimizer


def _validate(setup: Setup) -> None:
    model = setup.model
    if not isinstance(model, nn.Module):
        raise UserError(f"check() got a {type(model).__name__} as model. Pass a torch.nn.Module.")
    if not callable(setup.loss):
        raise UserError("check() needs loss(model, batch) -> scalar; what was passed is not callable.")
    if next(model.parameters(), None) is None:
        raise ModelError(f"{type(model).__name__} has no parameters, so nothing in it can be trained or measured.")
    if any(p.is_meta for p in model.parameters()):
        raise ModelError(
            f"{type(model).__name__} has parameters on the meta device, without numbers. "
            "Move it with to_empty(device=...) and initialise it first."
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ModelError(
            f"No parameter of {type(model).__name__} requires grad, so nothing can be trained. "
            "Call model.requires_grad_(True) on the part that should train."
        )
    if setup.optimizer is not None and not owns_part_of(setup.optimizer, model):
        raise UserError(
            f"The {type(setup.optimizer).__name__} holds no parameter of this {type(model).__name__}. "
            "Build it with model.parameters() of the same model."
        )


@contextmanager
def _state_kept() -> Iterator[None]:
    """Random number generators as they were, whatever happens inside: torch (CPU, CUDA), numpy, random."""
    import random

    import numpy as np

    numbers, arrays = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(numbers)
        np.random.set_state(arrays)
