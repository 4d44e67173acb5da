"""What cannot be trained as a population: said before the first step, with the module and the reason.

What torch.func.vmap cannot take raises by itself when a pass is rehearsed; what is known is named here first, in
plain words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrizations import _SpectralNorm

from gradiometer.records import ModelError

from .population_optimizers import optimizer_trouble
from .population_structure import difference

_GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
_DROPS = ("dropout", "dropout_p")
"""Attributes of recurrent layers and of attention that are a share to drop."""


class PopulationError(ModelError):
    """These trainings cannot be made as one population; each can still be made by itself.

    module: path of the module that forbids it, "" for the network as a whole; or "optimizer", "loss", "batches".
    reason: in words.
    """

    def __init__(self, module: str, reason: str) -> None:
        self.module, self.reason = module, reason
        super().__init__(f"{module or 'The network'}: {reason}. Train these one by one.")


def network_refusal(model: nn.Module) -> PopulationError | None:
    """What is known of a network that no population can train; None where nothing is. Nothing is run."""
    for name in _GLOBAL_HOOKS:
        if getattr(torch_module, name, None):
            return PopulationError("", "a hook on all modules is registered (a watch?), which would see all in one")
    for path, module in model.named_modules():
        reason = _module_reason(module)
        if reason:
            return PopulationError(path, reason)
    for path, parameter in model.named_parameters():
        if parameter.is_complex() or parameter.layout != torch.strided:
            return PopulationError(path, f"a parameter of {parameter.dtype} and layout {parameter.layout}")
    return None


def _module_reason(module: nn.Module) -> str | None:
    if isinstance(module, torch.jit.ScriptModule):
        return "TorchScript shows nothing of its forward pass"
    if isinstance(module, torch._dynamo.OptimizedModule):
        return "it is compiled for one network"
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return "it is spread over devices"
    if any(is_lazy(p) for p in (*module._parameters.values(), *module._buffers.values()) if p is not None):
        return "it is lazy and has no shape yet; run it once first"
    if module._backward_hooks or module._backward_pre_hooks:
        return "it has a backward hook, which would see all members in one"
    if "forward" in vars(module):
        return "its forward was replaced on the object, with what belongs to one network"
    return _mode_reason(module) if module.training else None


def _mode_reason(module: nn.Module) -> str | None:
    """What forbids it in training mode alone."""
    if isinstance(module, _SpectralNorm) or any(
        type(hook).__name__ == "SpectralNorm" for hook in module._forward_pre_hooks.values()
    ):
        return "spectral_norm rewrites its vectors in every pass, which vmap refuses"
    if isinstance(module, _BatchNorm) and module.momentum is None and module.track_running_stats:
        return "BatchNorm(momentum=None) averages by a count that vmap cannot read"
    drops = isinstance(module, (_DropoutNd, nn.RReLU)) and getattr(module, "p", 1.0) > 0
    if drops or any(_share(module, name) > 0 for name in _DROPS):
        return "it draws random numbers (dropout), and members side by side cannot draw as each would by itself"
    return None


def _share(module: nn.Module, name: str) -> float:
    value = getattr(module, name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def together(model: nn.Module, other: nn.Module) -> PopulationError | None:
    """Why two networks cannot be members of one population; None where their structure is equal."""
    told = difference(model, other)
    if told is None:
        return None
    path, parted, reason = told.partition(": ")
    known = parted and (path == "the network" or path in dict(model.named_modules()))
    return PopulationError(path if known and path != "the network" else "", reason if known else told)


def refusal(
    models: Sequence[nn.Module], optimizers: Sequence[torch.optim.Optimizer | None] = ()
) -> PopulationError | None:
    """Whether networks, in the mode in which they would train, can be one population: None, or what forbids it.

    Nothing is run. What only a pass can show is found by ``Population`` before its first step.
    """
    for model in models[:1]:
        told = network_refusal(model)
        if told is not None:
            return told
    for model in models[1:]:
        told = together(models[0], model)
        if told is not None:
            return told
    for model, optimizer in zip(models, optimizers, strict=False):
        trouble = optimizer_trouble(model, optimizer)
        if trouble:
            return PopulationError("optimizer", trouble)
    return None


class Entered:
    """The modules under way in a forward pass, outermost first; after an error the last is where it was raised.

    seen: modules that were entered so far.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.seen = 0

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Inside, the forward passes of a network are followed."""
        handles = []
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(partial(self._enter, path), prepend=True))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, path: str, *_: object) -> None:
        self.paths.append(path)
        self.seen += 1

    def _leave(self, *_: object) -> None:
        self.paths.pop()
