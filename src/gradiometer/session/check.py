"""``gm.check``: one pass and ten steps on a copy, in seconds, before the real training begins."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Optimizer

from ..diagnosis import diagnose
from ..measurement.rehearsal import (
    check_network,
    check_parts,
    check_scalar,
    no_copy,
    original_untouched,
    state_kept,
)
from ..records import Diagnosis, Event, ModelError, Run, UserError
from .causal import Subject, causal_events, copied_optimizer
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


def check(
    model: nn.Module, batch: Any, loss: Loss, optimizer: Optimizer | None = None, *, causal: bool = False
) -> Diagnosis:
    """Look at a network before it trains: one pass and ten steps on a copy, with one batch.

    ``loss(model, batch)`` must return a scalar, and run the model that it is given. Without an optimizer plain SGD
    with lr 0.01 is used, and the diagnosis's ``note`` says so. causal: also train three more copies for 20 steps, and
    weigh a fading error by what freezing and rescuing the early layers does to the loss. Nothing changes in the model,
    its gradients, the optimizer or the global random number generators, also after an exception.
    Raises UserError for a wrong argument; ModelError where the model can't be copied or measured, or the loss is no
    scalar that depends on the parameters.
    """
    setup = Setup(model, [batch], loss, optimizer)
    return judge_setup(setup, check_setup(setup, causal=causal))


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


def judge_setup(setup: Setup, run: Run, ignore: Sequence[str] = ()) -> Diagnosis:
    """The diagnosis of a check's run; its ``note`` also says which optimizer stood in where the setup has none."""
    found = diagnose(run, ignore)
    if setup.optimizer is not None:
        return found
    stood_in = f"No optimizer was given: checked with SGD, learning rate {DEFAULT_LR:g}."
    return msgspec.structs.replace(found, note=f"{found.note} {stood_in}".strip())


def check_setup(setup: Setup, causal: bool = False) -> Run:
    """The recorded run of a check (see ``check``)."""
    _validate(setup)
    with state_kept(), torch.inference_mode(False), torch.enable_grad():
        model, optimizer = _copies(setup)
        fresh = _copies(setup) if causal else None
        session = Session(Options(name=_name(setup), every=1, keep_file=False), say=lambda text: None)
        try:
            session.registry.add(model, _name(setup))
            session.steps.accept = lambda o: o is optimizer
            session.steps.cadence.all_full = True
            session.attach(discover=False)
            with original_untouched(setup.model, setup.optimizer):
                batches = _batches(setup)
                _train(setup, model, optimizer, batches)
            if fresh is not None:
                session.causal = _tests(setup, batches[0], *fresh)
        finally:
            run = session.stop("finished")
    told = " ".join((*session.warnings, *(run.problems if run is not None else ())))
    cls = type(setup.model).__name__
    if told:
        raise ModelError(f"{cls} could not be measured to the end. {told}")
    if run is None:
        raise ModelError(f"No step of {cls} could be recorded: the loss reached none of its parameters.")
    return run


def _name(setup: Setup) -> str:
    return type(setup.model).__name__.lower()


def _batches(setup: Setup) -> list[Any]:
    batches = list(itertools.islice(setup.batches, CHECK_STEPS + 1))
    if not batches:
        raise UserError("check() got no batch: `batches` is empty. Pass at least one.")
    return batches


def _tests(setup: Setup, batch: Any, model: nn.Module, optimizer: Optimizer) -> Callable[[Run], tuple[Event, ...]]:
    """The causal tests on copies of their own, which begin where the network stands before its first step."""
    subject = Subject(model, (optimizer,), lambda own: setup.loss(own, batch))
    return lambda run: causal_events(subject, run, _name(setup))


def _train(setup: Setup, model: nn.Module, optimizer: Optimizer, batches: list[Any]) -> None:
    for batch in itertools.islice(itertools.cycle(batches), CHECK_STEPS + 1):

        def backward(batch: Any = batch) -> Tensor:
            optimizer.zero_grad()
            value = setup.loss(model, batch)
            check_scalar(value)
            value.backward()  # type: ignore[no-untyped-call]
            _reached(model)
            return value

        if isinstance(optimizer, LBFGS):  # it asks for the loss itself, several times a step
            optimizer.step(backward)  # type: ignore[no-untyped-call]
        else:
            backward()
            optimizer.step()


def _reached(model: nn.Module) -> None:
    if all(p.grad is None for p in model.parameters()):
        raise ModelError(
            f"The loss has a gradient, but it reaches no parameter of {type(model).__name__}. Look whether "
            "loss(model, batch) runs the model, and for .detach() between the model's output and the loss."
        )


def _copies(setup: Setup) -> tuple[nn.Module, Optimizer]:
    memo: dict[int, Any] = {}
    try:
        model = copy.deepcopy(setup.model, memo)
        optimizer = copied_optimizer(setup.optimizer, memo) if setup.optimizer is not None else None
    except Exception as error:
        raise no_copy("check", setup.model, error) from error
    for p in model.parameters():
        p.grad = None
    if optimizer is None:
        optimizer = SGD([p for p in model.parameters() if p.requires_grad], lr=DEFAULT_LR)
    return model, optimizer


def _validate(setup: Setup) -> None:
    check_network("check", setup.model)
    check_parts("check", setup.loss, setup.optimizer)
    batches: object = setup.batches
    if not isinstance(batches, Iterable) and not hasattr(type(batches), "__getitem__"):
        raise UserError(
            f"`batches` is a {type(batches).__name__}, which cannot be iterated. Pass a DataLoader or a list."
        )
    if setup.optimizer is not None and not owns_part_of(setup.optimizer, setup.model):
        raise UserError(
            f"The {type(setup.optimizer).__name__} holds no parameter of this {type(setup.model).__name__}. "
            "Build it with model.parameters() of the same model."
        )
