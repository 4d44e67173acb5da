"""Networks that no surgery can be done on, or not in this state: said before anything is touched."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from ..records import ModelError, UserError
from .passes import is_compiled

WRAPPERS = frozenset({"DistributedDataParallel", "FullyShardedDataParallel", "DataParallel"})


def check_patient(model: object, optimizers: tuple[object, ...]) -> None:
    """UserError for what is no network or no optimizer of it, ModelError for one that cannot be operated on."""
    if not isinstance(model, nn.Module):
        raise UserError(f"cure() got a {type(model).__name__} as model. Pass a torch.nn.Module.")
    name = type(model).__name__
    for path, module in model.named_modules():
        where = f"{name}.{path}" if path else name
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(f"{where} is a TorchScript module: nothing in it can be exchanged. Cure it before jit.")
        if type(module).__name__ in WRAPPERS:
            raise ModelError(f"{where} is wrapped already: cure the inner network, then wrap it.")
        if "quantized" in type(module).__module__:
            raise ModelError(f"{where} is quantised: its weights are no floating point numbers. Cure it before.")
    for path, p in model.named_parameters():
        if is_lazy(p):
            raise ModelError(f"{path} has no shape yet (a lazy module). Run the network once, then cure it.")
        if p.is_meta:
            raise ModelError(f"{path} lies on the meta device and has no values. Load the weights first.")
        if type(p.data).__name__ == "DTensor":
            raise ModelError(f"{path} is sharded over processes. Cure the network before it is sharded.")
    _check_optimizers(model, optimizers)


def _check_optimizers(model: nn.Module, optimizers: tuple[object, ...]) -> None:
    own = {id(p) for p in model.parameters()}
    for optimizer in optimizers:
        if not isinstance(optimizer, Optimizer):
            raise UserError(f"cure() got a {type(optimizer).__name__} as optimizer. Pass a torch.optim.Optimizer.")
        if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
            raise UserError(
                f"The {type(optimizer).__name__} holds no parameter of this {type(model).__name__}. "
                "Pass the optimizer that trains it."
            )


def uncompiled(model: nn.Module) -> nn.Module:
    """The network itself, where torch.compile has wrapped it: its paths are those of the user's class."""
    inner = getattr(model, "_orig_mod", None) if is_compiled(model) else None
    return inner if isinstance(inner, nn.Module) else model


def check_not_compiled(model: nn.Module, cure: str) -> None:
    """ModelError where torch.compile has taken the network or a part of it: it may ignore new hooks silently."""
    for path, module in model.named_modules():
        if is_compiled(module):
            raise ModelError(
                f"{path or type(model).__name__} is compiled, and the hooks of {cure} may be ignored without a word. "
                "Cure the network first, then compile it."
            )


def forget_compiled() -> None:
    """Let torch.compile look again at what it has compiled: a network that was compiled beside the one that is cured
    would go on without the hooks. What else was compiled is compiled anew at its next call. Nothing where it never
    ran."""
    dynamo: Any = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()
