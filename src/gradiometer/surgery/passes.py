"""Passes over a real batch that leave no trace: random numbers, buffers and attributes as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..measurement.models import flatten
from ..measurement.onepass import measured_pass
from ..measurement.rehearsal import no_copy, state_kept
from ..measurement.tap import paused
from ..records import GradiometerError, ModelError, Network, UserError
from .snapshot import Snapshot

Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """How the network is called: ``model(*args, **named)``, or through ``loss(model, batch)`` where that is given."""

    args: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    loss: Loss | None = None

    @classmethod
    def of(cls, batch: object, loss: Loss | None) -> Batch:
        """A batch as it is given to a door: with a loss whatever that takes, else a tensor, a tuple of (input, ...) of
        which the first is the input, or the named arguments of ``forward``. UserError for anything else."""
        if isinstance(batch, Batch):
            return batch
        if loss is not None:
            return cls((batch,), {}, loss)
        if isinstance(batch, Tensor):
            return cls((batch,))
        if isinstance(batch, (tuple, list)) and batch:
            return cls((batch[0],))
        if isinstance(batch, Mapping):
            return cls((), dict(batch))
        raise UserError(
            f"`batch` is a {type(batch).__name__}. Pass the tensor that the network reads, (inputs, targets), a "
            "mapping of named arguments, or any batch together with loss=, where loss(model, batch) runs the network."
        )

    def run(self, model: nn.Module) -> Any:
        """Call the network."""
        return self.loss(model, *self.args) if self.loss is not None else model(*self.args, **self.named)


def run_once(model: nn.Module, batch: Batch) -> Any:
    """One forward pass with autograd, hidden from a watch; random numbers as they were. ModelError where it fails."""
    with state_kept(), paused(), eager(model), torch.inference_mode(False), torch.enable_grad():
        return _run(model, batch)


def _run(model: nn.Module, batch: Batch) -> Any:
    try:
        return batch.run(model)
    except GradiometerError:
        raise
    except Exception as error:
        how = "loss(model, batch)" if batch.loss is not None else "the network"
        raise ModelError(
            f"{type(model).__name__} could not be run on the batch: {how} raised {type(error).__name__}: {error}. "
            "Pass the batch as the training loop does, with loss= where the call is more than model(batch)."
        ) from error


@contextmanager
def eager(model: nn.Module) -> Iterator[None]:
    """What is compiled runs as it is written, so that hooks and modes see it."""
    if not any(is_compiled(module) for module in model.modules()):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def is_compiled(module: nn.Module) -> bool:
    """True where torch.compile has taken this module."""
    return type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Whatever passes do inside is taken back at the end: buffers, attributes, hooks, weights. Random numbers too."""
    before = Snapshot(model)
    try:
        with state_kept():
            yield
    finally:
        before.close()
        before.restore()


def network_of(model: nn.Module, batch: Batch) -> Network:
    """The network as measured in one pass over a copy: its trunk is in ``hops``. ModelError where that fails."""
    try:
        copied = copy.deepcopy(model)
    except Exception as error:
        raise no_copy("cure", model, error) from error

    def loss() -> Tensor:
        out = _run(copied, batch)
        if isinstance(out, Tensor) and out.numel() == 1 and out.requires_grad:
            return out
        parts = [t.double().square().mean() for t in flatten(out) if t.is_floating_point() and t.requires_grad]
        if not parts:
            raise ModelError(f"{type(model).__name__} gave no output that depends on its parameters.")
        return torch.stack(parts).sum()

    with state_kept(), torch.inference_mode(False), torch.enable_grad():
        return measured_pass(copied, type(model).__name__.lower(), loss).networks[0]
