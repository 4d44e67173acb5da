"""``gm.watch``: the error signal of one model, from inside a script or a notebook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import nn
from torch.optim import Optimizer

from ..diagnosis import diagnose
from ..records import Diagnosis, ModelError, Run, UserError
from .live import Session, owns_part_of
from .options import Options


class Watch:
    """A running watch; made by ``gm.watch``. Use it in a ``with`` block, or call ``close`` yourself."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def path(self) -> Path | None:
        """The run file; None where nothing was recorded yet, or the disk refused."""
        return self._session.path

    def log(self, **values: float) -> None:
        """Record numbers of your own (``handle.log(accuracy=.93)``) beside the step that is under way.

        UserError where a value is no number, or after close.
        """
        self._open()
        for name, value in values.items():
            try:
                number = float(value)
            except (TypeError, ValueError) as error:
                raise UserError(f"log({name}=...) got {type(value).__name__}, not a number. Pass a float.") from error
            self._session.recording.put_logged(name, self._session.steps_seen, number)

    def run(self) -> Run:
        """What is recorded so far (after close: the whole run). UserError where nothing was."""
        run = self._session.run if self._session.ended else self._session.snapshot()
        if run is None or not run.frames:
            raise UserError(
                "No step was recorded yet. Train at least one step (forward, backward, optimizer.step()) in the watch."
            )
        return run

    def findings(self) -> Diagnosis:
        """The diagnosis of what is recorded so far. UserError where nothing was."""
        return diagnose(self.run())

    def close(self) -> None:
        """Take the hooks out and close the run file. A second call does nothing."""
        self._session.stop("finished")

    def _open(self) -> None:
        if self._session.ended:
            raise UserError("This watch is closed. Begin a new one with gm.watch(model).")

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        state = "finished" if kind is None else "interrupted" if kind is KeyboardInterrupt else "crashed"
        self._session.stop(state, "" if error is None else f"{type(error).__name__}: {error}")


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    every: int | None = None,
    budget: float = 0.01,
    skip: Sequence[str] = (),
    name: str | None = None,
) -> Watch:
    """Watch a model's training: how its error signal fades or grows on its way back.

    model: any nn.Module with parameters. optimizer: count only this optimizer's steps (default: every optimizer that
    owns a parameter of the model). out: run file (``*.gmr``) or folder (default ./gradiometer-runs).
    every: record every N-th step (default: the first ten, then as the budget allows). budget: share of wall time the
    watch may take, 0 < budget <= 1. skip: module paths that are not measured. name: of the model and the run.

    The training is bit-equal with and without the watch. An error inside the watch is told once on stderr and never
    reaches the training. Raises UserError for a wrong argument or a second watch at the same time, ModelError for a
    model without parameters or on ``meta``.
    """
    _validate(model, optimizer, every, budget)
    options = Options(
        out=Path(out) if out is not None else None,
        every=every,
        budget=budget,
        name=name or type(model).__name__.lower(),
        skip=tuple(skip),
    )
    session = Session(options)
    session.registry.add(model, name or type(model).__name__.lower())
    held = optimizer
    session.steps.accept = lambda o: o is held if held is not None else owns_part_of(o, model)
    session.attach(discover=False)
    return Watch(session)


def _validate(model: nn.Module, optimizer: Optimizer | None, every: int | None, budget: float) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"watch() got a {type(model).__name__} as model. Pass the torch.nn.Module that is trained.")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise UserError(f"watch() got a {type(optimizer).__name__} as optimizer. Pass a torch.optim.Optimizer.")
    params = list(model.parameters())
    if not params:
        raise ModelError(f"{type(model).__name__} has no parameters, so nothing in it can be trained or measured.")
    if all(p.is_meta for p in params):
        raise ModelError(
            f"{type(model).__name__} is on the meta device and has no numbers. Move it with to_empty(device=...) first."
        )
    if optimizer is not None and not owns_part_of(optimizer, model):
        raise UserError(
            f"The {type(optimizer).__name__} holds no parameter of this {type(model).__name__}: it was built for "
            "another model (or before this one was copied or rebuilt). Build it with model.parameters()."
        )
    if every is not None and every < 1:
        raise UserError(f"every={every} is not a rhythm. Pass 1 or more, or leave it out.")
    if not 0 < budget <= 1:
        raise UserError(f"budget={budget} is not a share of time. Pass a number above 0, at most 1 (0.01 is 1 %).")
    if not torch.is_grad_enabled():
        raise UserError("watch() was called under torch.no_grad(). Call it where the training runs.")
