"""Activations exchanged in a live network. Everything here is plain PyTorch: its source goes into patches."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .joining import fill_missing_keys, join_group
from .signals import ACTIVATIONS, ALIASES
from .steps import plain


class CentredSigmoid(nn.Module):
    """sigmoid(x) - 1/2, without the rounding of the difference at small x."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(0.5 * x)


def make_activation(kind: str, settings: dict[str, Any], model: nn.Module) -> nn.Module:
    """A fresh activation on the device and in the format of the network."""
    classes = {
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "prelu": nn.PReLU,
        "elu": nn.ELU,
        "selu": nn.SELU,
        "gelu": nn.GELU,
        "centred_sigmoid": CentredSigmoid,
    }
    fresh: nn.Module = classes[kind](**settings)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    return fresh.to(device=like.device, dtype=like.dtype).train(model.training)


def exchange_module(
    model: nn.Module,
    paths: tuple[str, ...],
    kind: str,
    settings: dict[str, Any],
    beside: str,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Put one fresh activation in the place of the module at ``paths``; its parameters train with ``beside``."""
    fresh = make_activation(kind, settings, model)
    for path in paths:
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, fresh)
    for p in fresh.parameters():
        join_group(optimizers, model.get_parameter(beside), p)


ACTIVATION_NAMES = frozenset({*ACTIVATIONS, *ALIASES})


class Exchange(TorchFunctionMode):
    """While a network runs: the n-th activation that a module calls as a function goes to its ``gm_act_n``."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[tuple[nn.Module, list[int]]] = []  # modules being called, with the activations met so far

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, named = getattr(func, "__name__", ""), kwargs or {}
        if not self.running or name not in ACTIVATION_NAMES or not args or not isinstance(args[0], Tensor):
            return func(*args, **named)
        host, met = self.running[-1]
        fresh = host._modules.get(f"gm_act_{met[0]}")
        met[0] += 1
        if fresh is None:
            return func(*args, **named)
        if name.endswith("_") or named.get("inplace") is True or any(a is True for a in args[1:]):
            return args[0].copy_(fresh(args[0].clone()))
        return fresh(args[0])


class Exchanges(threading.local):
    """One mode a thread."""

    def __init__(self) -> None:
        self.mode = Exchange()


EXCHANGES = Exchanges()


def enter_exchange(module: nn.Module, args: Any) -> None:
    """A module begins: its calls of activations are counted from 0."""
    if not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1:
        raise RuntimeError("A checkpoint computes this part again, where its exchanged activations are not in place.")
    mode: Any = EXCHANGES.mode
    if not mode.running:
        mode.__enter__()
    mode.running.append((module, [0]))


def leave_exchange(module: nn.Module, args: Any, out: Any) -> None:
    """A module ends, also by an exception."""
    mode: Any = EXCHANGES.mode
    if mode.running and mode.running[-1][0] is module:
        mode.running.pop()
        if not mode.running:
            mode.__exit__(None, None, None)


def exchange_function(
    model: nn.Module,
    host: str,
    number: int,
    kind: str,
    settings: dict[str, Any],
    beside: str,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Send the n-th activation (from 0) that ``host`` calls as a function in its forward to a module ``gm_act_n``."""
    module: Any = model.get_submodule(host)
    for inner in module.modules():
        if enter_exchange not in inner._forward_pre_hooks.values():
            inner.register_forward_pre_hook(enter_exchange, prepend=True)
            inner.register_forward_hook(leave_exchange, always_call=True)
    fresh = make_activation(kind, settings, model)
    module.add_module(f"gm_act_{number}", fresh)
    for p in fresh.parameters():
        join_group(optimizers, model.get_parameter(beside), p)
    if fill_missing_keys not in [getattr(h, "hook", None) for h in module._load_state_dict_pre_hooks.values()]:
        module.register_load_state_dict_pre_hook(fill_missing_keys)


def activate_output(module: Any, args: Any, out: Tensor) -> Any:
    """Forward hook: what the layer puts out goes through its ``gm_act``."""
    return module.gm_act(out)


def add_activation(
    model: nn.Module, path: str, kind: str, settings: dict[str, Any], optimizers: Sequence[torch.optim.Optimizer] = ()
) -> None:
    """Put an activation behind a layer, as a module ``gm_act`` of it; its parameters train with the layer's."""
    layer: Any = model.get_submodule(path)
    layer.add_module("gm_act", make_activation(kind, settings, model))
    for p in layer.gm_act.parameters():
        join_group(optimizers, next(layer.parameters()), p)
    layer.register_forward_hook(activate_output, prepend=True)
    layer.register_load_state_dict_pre_hook(fill_missing_keys)


_NAMES = textwrap.fill(", ".join(map(repr, sorted(ACTIVATION_NAMES))), 112)
NAMES_LINE = "ACTIVATION_NAMES = (\n{}\n)".format(textwrap.indent(_NAMES, "    "))
plain(CentredSigmoid)
plain(make_activation, CentredSigmoid, imports=("from typing import Any",))
plain(exchange_module, make_activation, join_group, imports=("from collections.abc import Sequence",))
plain(activate_output, imports=("from typing import Any",))
plain(
    add_activation,
    make_activation,
    join_group,
    fill_missing_keys,
    activate_output,
    imports=("from collections.abc import Sequence",),
)
plain(Exchange, NAMES_LINE, imports=("from torch.overrides import TorchFunctionMode",))
plain(Exchanges, Exchange, imports=("import threading",))
plain(enter_exchange, Exchanges, "EXCHANGES = Exchanges()")
plain(leave_exchange)
plain(
    exchange_function,
    make_activation,
    join_group,
    fill_missing_keys,
    enter_exchange,
    leave_exchange,
    imports=("from collections.abc import Sequence",),
)
