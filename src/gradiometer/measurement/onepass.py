"""One pass of a network measured by itself, outside any training: what the watch would record of this very pass."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from torch import Tensor, nn
from torch.nn.modules import module as nn_module

from ..records import LossSeen, ModelError, Network, Run, RunInfo
from .frames import FrameDraft, finish
from .lossgraph import find_loss
from .models import Registry, WatchedModel
from .parameters import param_key
from .recorder import Recorder
from .rehearsal import check_scalar
from .tap import paused, remove_hook


@contextmanager
def noted(model: nn.Module, name: str) -> Iterator[tuple[Recorder, WatchedModel]]:
    """While it lasts every call inside ``model`` is noted in full. An error of the instrument is raised.

    A watch that is attached to the process looks away meanwhile.
    """

    def fail(error: BaseException) -> None:
        raise error

    registry = Registry()
    recorder = Recorder(registry, fail)
    recorder.adopting = False
    recorder.on = recorder.full = True
    watched = registry.add(model, name)
    watched.network = watched.describe(frozenset())
    with paused(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*global hooks.*")  # torch's, for a compiled part: these hooks pass
        handles = [
            nn_module.register_module_forward_pre_hook(recorder.before_forward),
            nn_module.register_module_forward_hook(recorder.after_forward, with_kwargs=True),
        ]
        try:
            yield recorder, watched
        finally:
            recorder.on = False
            for handle in handles:
                remove_hook(handle)


def measured_pass(model: nn.Module, name: str, loss: Callable[[], Tensor]) -> Run:
    """A run of one frame: the forward and backward pass of ``loss()``, measured as in a training, without a step.

    Every norm is taken in float64: there is one pass, and no second look at a size that float32 does not carry.
    The gradients of the pass are left in the parameters. ModelError where the loss is no scalar, or reaches nothing.
    """
    with noted(model, name) as (recorder, watched):
        watched.wide.update((*watched.params.values(), *(path for path, _ in model.named_modules())))
        recorder.second_order = True  # errors of a gradient inside the loss are no part of the pass
        value = loss()
        recorder.second_order = False
        check_scalar(value)
        seen = find_loss(value.grad_fn, name, not recorder.saved_hooks, recorder.kept)
        recorder.before_backward([value.grad_fn])
        _go_back(value)
        if not recorder.after_backward():
            raise ModelError(
                f"No error went back through {type(model).__name__}: look whether loss(model, batch) runs the model."
            )
    for parameter, p in model.named_parameters():
        if p.numel() and not p.is_complex():
            recorder.write(watched, param_key(parameter), "weight", 0, p.detach())
    return _run(recorder, watched, seen, float(value.detach()))


def _go_back(loss: Tensor) -> None:
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        raise ModelError(
            "loss(model, batch) calls backward() itself, and its graph is gone. Leave the backward pass out of it."
        ) from error


def _run(recorder: Recorder, watched: WatchedModel, seen: LossSeen, loss: float) -> Run:
    draft = FrameDraft(
        model=watched,
        step=0,
        slots=watched.pending,
        rows={d: b.copy() for d, b in recorder.buffers.items() if b.used},
        lr=0.0,
        step_s=0.0,
        overhead_s=recorder.spent_s,
        full=True,
        expected=watched.expected,
        aliases=watched.aliases,
    )
    frame = dataclasses.replace(finish(draft), loss=loss)
    known = watched.network or Network(watched.name, watched.cls)
    network = msgspec.structs.replace(watched.describe(frozenset()), hops=known.hops, stations=known.stations)
    network = msgspec.structs.replace(network, trunk_note=known.trunk_note)
    info = RunInfo(watched.name, "finished", calls_seen=watched.calls_seen, calls_recorded=watched.calls_recorded)
    return Run(info, (network,), tuple(watched.sites), (frame,), (seen,), not_covered=tuple(watched.uncovered()))
