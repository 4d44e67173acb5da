"""Norms put in behind layers or before activations. Everything here is plain PyTorch: its source goes into patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .joining import fill_missing_keys, join_group
from .steps import plain


def over_units(norm: Any, x: Tensor) -> Any:
    """Apply a norm to x: [..., unit], or [example, channel, *position] where the norm says so (``gm_channels``).

    BatchNorm reads rows of units; LayerNorm and RMSNorm read the units last, at each position apart.
    """
    if isinstance(norm, nn.modules.batchnorm._BatchNorm):
        return norm(x) if norm.gm_channels else norm(x.flatten(0, -2)).view_as(x)
    return norm(x.movedim(1, -1)).movedim(-1, 1) if norm.gm_channels else norm(x)


def norm_output(host: Any, args: Any, out: Tensor) -> Any:
    """Forward hook: what the host puts out, normalised."""
    return over_units(host.gm_norm, out)


def norm_input(host: Any, args: Any) -> Any:
    """Forward pre-hook: what the host reads, normalised."""
    return (over_units(host.gm_norm, args[0]), *args[1:])


def make_norm(kind: str, units: int, axes: int) -> nn.Module:
    """A norm over ``units``; axes: positions behind the channel axis (0 where the units stand last)."""
    norm: Any
    if kind == "batch":
        norm = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes](units)
    else:
        norm = nn.LayerNorm(units) if kind == "layer" else nn.RMSNorm(units)
    norm.gm_channels = axes > 0
    built: nn.Module = norm
    return built


def train_beside(module: nn.Module, beside: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Let new parameters be trained in the group that trains those of ``beside``, on the same device and dtype."""
    old = list(beside.parameters())
    module.to(old[0].device, old[0].dtype if old[0].is_floating_point() else None)
    owned = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    known = next((p for p in old if id(p) in owned), old[0])
    for parameter in module.parameters():
        join_group(optimizers, known, parameter)


def add_norm(
    model: nn.Module, path: str, kind: str, units: int, axes: int, beside: str = "", optimizers: Any = ()
) -> None:
    """Put a norm (batch, layer, rms) behind the layer at ``path``; before the module there where ``beside`` is named.

    It is a submodule ``gm_norm`` of that module, so that copies, pickles and checkpoints carry it. Old keys keep their
    names. beside: the layer whose group of the optimizer trains it.
    """
    host: Any = model.get_submodule(path)
    norm = make_norm(kind, units, axes).train(host.training)
    train_beside(norm, model.get_submodule(beside or path), optimizers)
    host.gm_norm = norm
    if beside:
        host.register_forward_pre_hook(norm_input)
    else:
        host.register_forward_hook(norm_output, prepend=True)
    host.register_load_state_dict_pre_hook(fill_missing_keys)


def drop_running_keys(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Let a checkpoint from before the exchange load strictly: running statistics have no place any more."""
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        state.pop(prefix + name, None)


class ChannelNorm(nn.Module):
    """LayerNorm or RMSNorm (kind: layer, rms) over the channels of [example, channel, *position], each position apart.

    weight, bias: learned, one number a channel; None for none.
    """

    def __init__(self, kind: str, units: int, eps: float) -> None:
        super().__init__()
        self.kind, self.units, self.eps = kind, units, eps
        self.weight: nn.Parameter | None = None
        self.bias: nn.Parameter | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        x = x.movedim(1, -1)
        if self.kind == "layer":
            x = F.layer_norm(x, (self.units,), self.weight, self.bias, self.eps)
        else:
            x = F.rms_norm(x, (self.units,), self.weight, self.eps)
            x = x if self.bias is None else x + self.bias
        return x.movedim(-1, 1)

    def extra_repr(self) -> str:
        """Its settings."""
        return f"{self.kind}, {self.units}, eps={self.eps}"


def exchange_batch_norm(model: nn.Module, path: str, kind: str) -> None:
    """Put a norm over the units of each example in the place of a BatchNorm; its weight and bias stay in use."""
    old: Any = model.get_submodule(path)
    new: Any = ChannelNorm(kind, old.num_features, old.eps).train(old.training)
    new.weight, new.bias = old.weight, old.bias
    new.register_load_state_dict_pre_hook(drop_running_keys)
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, new)


def standardised(layer: Any) -> Any:
    """Weights of each unit at mean 0 and sum of squares gain²: gain (W − mean)/(std √fan-in). Constant rows give 0."""
    rows = layer.weight.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    norm = rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    return (layer.gm_gain * rows / norm).view_as(layer.weight)


class StandardisedLinear(nn.Linear):
    """A linear layer that uses its weights standardised."""

    gm_gain: float

    def forward(self, input: Tensor) -> Tensor:
        """Wx + b, W standardised."""
        out: Tensor = F.linear(input, standardised(self), self.bias)
        return out


class StandardisedConv1d(nn.Conv1d):
    """A convolution that uses its weights standardised."""

    gm_gain: float

    def forward(self, input: Tensor) -> Tensor:
        """W ∗ x + b, W standardised."""
        out: Tensor = self._conv_forward(input, standardised(self), self.bias)
        return out


class StandardisedConv2d(nn.Conv2d):
    """A convolution that uses its weights standardised."""

    gm_gain: float

    def forward(self, input: Tensor) -> Tensor:
        """W ∗ x + b, W standardised."""
        out: Tensor = self._conv_forward(input, standardised(self), self.bias)
        return out


def standardise_weights(model: nn.Module, path: str, gain: float) -> None:
    """Let the layer at ``path`` use its weights standardised. The parameter and its name stay."""
    layer: Any = model.get_submodule(path)
    kinds = {nn.Linear: StandardisedLinear, nn.Conv1d: StandardisedConv1d, nn.Conv2d: StandardisedConv2d}
    layer.__class__ = kinds[type(layer)]
    layer.gm_gain = gain


plain(over_units, imports=("from typing import Any",))
plain(norm_output, over_units, imports=("from typing import Any",))
plain(norm_input, over_units, imports=("from typing import Any",))
plain(make_norm)
plain(train_beside, join_group)
plain(add_norm, make_norm, train_beside, norm_output, norm_input, fill_missing_keys)
plain(drop_running_keys, imports=("from typing import Any",))
plain(ChannelNorm)
plain(exchange_batch_norm, ChannelNorm, drop_running_keys, imports=("from typing import Any",))
plain(standardised, imports=("from typing import Any",))
plain(StandardisedLinear, standardised)
plain(StandardisedConv1d, standardised)
plain(StandardisedConv2d, standardised)
plain(standardise_weights, StandardisedLinear, StandardisedConv1d, StandardisedConv2d)
