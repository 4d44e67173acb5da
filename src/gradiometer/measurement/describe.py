"""What a module or parameter is, as torch-free values: role, kind, true fans, activation settings."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..records import ModuleSeen, ParamSeen, Role, Scalar

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.RReLU: "leaky_relu",
    nn.PReLU: "prelu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.LogSigmoid: "log_sigmoid",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardtanh: "hardtanh",
    nn.ELU: "elu",
    nn.CELU: "celu",
    nn.SELU: "selu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.Hardswish: "hardswish",
    nn.Softplus: "softplus",
    nn.Softsign: "softsign",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
    nn.GLU: "glu",
    nn.Threshold: "threshold",
}
"""Activation modules and the kind they are known by in theory and rules."""

RECTIFIERS = frozenset({"relu", "relu6", "threshold"})
"""Kinds whose units can be exactly off: a unit that is <= 0 for a whole batch passes no error."""

_LEAF_KINDS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Role, str], ...] = (
    (nn.Linear, "weights", "linear"),
    (nn.Bilinear, "weights", "bilinear"),
    (nn.Conv1d, "weights", "conv1d"),
    (nn.Conv2d, "weights", "conv2d"),
    (nn.Conv3d, "weights", "conv3d"),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), "weights", "conv_transpose"),
    ((nn.Embedding, nn.EmbeddingBag), "weights", "embedding"),
    ((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm), "norm", "batchnorm"),
    (nn.LayerNorm, "norm", "layernorm"),
    (nn.RMSNorm, "norm", "rmsnorm"),
    (nn.GroupNorm, "norm", "groupnorm"),
    ((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), "norm", "instancenorm"),
    (nn.LSTM, "recurrent", "lstm"),
    (nn.GRU, "recurrent", "gru"),
    (nn.RNN, "recurrent", "rnn"),
    (nn.LSTMCell, "recurrent", "lstm_cell"),
    (nn.GRUCell, "recurrent", "gru_cell"),
    (nn.RNNCell, "recurrent", "rnn_cell"),
    (nn.MultiheadAttention, "attention", "attention"),
    ((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout), "dropout", "dropout"),
    ((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d), "pool", "maxpool"),
    ((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), "pool", "avgpool"),
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), "pool", "avgpool"),
    ((nn.Flatten, nn.Unflatten, nn.Identity, nn.PixelShuffle), "reshape", "reshape"),
)

_ARGS = ("negative_slope", "alpha", "approximate", "groups", "p", "eps", "num_layers", "bidirectional", "batch_first")


def role_and_kind(module: nn.Module) -> tuple[Role, str]:
    """Role and kind of a module; ``block`` for any composite, ``other`` for an unknown leaf."""
    for cls in type(module).__mro__:
        if cls in ACTIVATIONS:
            return "activation", ACTIVATIONS[cls]
    for known, role, kind in _LEAF_KINDS:
        if isinstance(module, known):
            return role, kind
    name = type(module).__name__.lower()
    if next(module.children(), None) is not None:
        return "block", name
    return ("weights" if next(module.parameters(recurse=False), None) is not None else "other"), name


def true_fans(weight: torch.Tensor, groups: int = 1) -> tuple[int, int]:
    """True (fan_in, fan_out) of a weight [out, in/groups, *kernel].

    ``torch.nn.init`` leaves groups out of fan_out; here a grouped convolution's fan_out is k² C_out / groups.
    A vector or scalar has no fans: (0, 0).
    """
    if weight.dim() < 2:
        return 0, 0
    receptive = 1
    for d in weight.shape[2:]:
        receptive *= d
    return weight.shape[1] * receptive, weight.shape[0] * receptive // max(groups, 1)


def describe_module(path: str, module: nn.Module, names: Mapping[int, str]) -> ModuleSeen:
    """A module as a value. ``names`` maps id(parameter) to its name in the model."""
    role, kind = role_and_kind(module)
    args: dict[str, Scalar] = {}
    own = vars(module)  # not getattr: a property or a parametrization would run the user's code
    for key in _ARGS:
        value = own.get(key)
        if isinstance(value, (int, float, str, bool)):
            args[key] = value
    if kind == "prelu":
        args["negative_slope"] = 0.25  # torch's initial value; the learned one is a parameter of its own
    weight, bias = _own_parameter(module, "weight"), _own_parameter(module, "bias")
    fan_in = fan_out = 0
    if role == "weights" and isinstance(weight, torch.Tensor):
        groups = args.get("groups", 1)
        fan_in, fan_out = true_fans(weight, groups if isinstance(groups, int) else 1)
        if kind == "embedding":
            fan_in, fan_out = 1, weight.shape[1]
    return ModuleSeen(
        path=path,
        cls=type(module).__name__,
        role=role,
        kind=kind,
        args=args,
        fan_in=fan_in,
        fan_out=fan_out,
        weight=names.get(id(weight)),
        bias=names.get(id(bias)),
        training=module.training,
    )


def _own_parameter(module: nn.Module, name: str) -> torch.Tensor | None:
    """A parameter by name without running anything; of a parametrized one the tensor that is trained."""
    found = module._parameters.get(name)
    holder = module._modules.get("parametrizations")
    if found is None and isinstance(holder, nn.ModuleDict) and name in holder:
        originals = holder[name]._parameters
        found = originals.get("original", originals.get("original1"))
    return found


def describe_params(root: nn.Module, owned: frozenset[int]) -> tuple[ParamSeen, ...]:
    """Every parameter of a model once; a tied one names its twin. ``owned`` holds the ids that optimizers have."""
    first: dict[int, str] = {}
    out: list[ParamSeen] = []
    for name, p in root.named_parameters(remove_duplicate=False):
        twin = first.setdefault(id(p), name)
        out.append(
            ParamSeen(
                name=name,
                shape=tuple(p.shape),
                requires_grad=p.requires_grad,
                owned=id(p) in owned,
                dtype=str(p.dtype).removeprefix("torch."),
                tied_to=None if twin == name else twin,
            )
        )
    return tuple(out)
