"""The operations that a signal meets between two layers of weights, as they are called: by name, with settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ..measurement.models import flatten
from ..records import Scalar

ACTIVATIONS: dict[str, tuple[str, tuple[tuple[str, Scalar], ...]]] = {
    "relu": ("relu", ()),
    "relu6": ("relu6", ()),
    "leaky_relu": ("leaky_relu", (("negative_slope", 0.01),)),
    "prelu": ("prelu", ()),
    "tanh": ("tanh", ()),
    "sigmoid": ("sigmoid", ()),
    "hardtanh": ("hardtanh", (("min_val", -1.0), ("max_val", 1.0))),
    "hardsigmoid": ("hardsigmoid", ()),
    "hardswish": ("hardswish", ()),
    "elu": ("elu", (("alpha", 1.0),)),
    "celu": ("celu", (("alpha", 1.0),)),
    "selu": ("selu", ()),
    "gelu": ("gelu", (("approximate", "none"),)),
    "silu": ("silu", ()),
    "mish": ("mish", ()),
    "softplus": ("softplus", (("beta", 1.0),)),
    "softsign": ("softsign", ()),
    "erf": ("erf", ()),
}
"""Name of the function -> kind, and the settings that may follow the input, in order, with torch's defaults."""

ALIASES = {"relu_": "relu", "tanh_": "tanh", "sigmoid_": "sigmoid", "leaky_relu_": "leaky_relu", "elu_": "elu"} | {
    "selu_": "selu",
    "celu_": "celu",
    "hardtanh_": "hardtanh",
    "expit": "sigmoid",
}
PASSING = frozenset(
    {"view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "movedim", "contiguous", "clone"}
    | {"squeeze", "unsqueeze", "expand", "to", "float", "double", "half", "bfloat16", "type", "t", "ravel", "view_as"}
    | {"dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout", "pad", "interpolate"}
    | {"max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d"}
    | {"adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d"}
    | {"mean", "boolean_dispatch"}
    | {"add", "sub", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "add_", "cat", "concat", "stack", "sum"}
    | {"__getitem__", "__get__", "chunk", "split", "unbind", "narrow", "select", "roll", "repeat", "repeat_interleave"}
    | {"flip"}
    | {"detach", "requires_grad_", "select_scatter", "index_select", "channel_shuffle", "pixel_shuffle"}
)
"""What hands a signal on, whatever it does to its scale: shapes, pooling, dropout, sums."""

NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
PRODUCTS = frozenset({"mul", "__mul__", "__rmul__", "__imul__", "mul_", "div", "__truediv__", "div_", "__itruediv__"})
SILENT = frozenset({"size", "dim", "numel", "__len__", "item", "is_floating_point", "shape", "argmax"}) | {
    "randn_like",
    "rand_like",
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
}
"""What reads no more than the form of a signal, or ends it in whole numbers."""


def activation_called(func: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Activation | None:
    """The activation that a call of torch is, None where it is none."""
    name = getattr(func, "__name__", "")
    known = ACTIVATIONS.get(ALIASES.get(name, name))
    if known is None or not args or not isinstance(args[0], Tensor):
        return None
    kind, settings = known
    values: dict[str, Any] = {}
    for place, (key, default) in enumerate(settings, start=1):
        values[key] = args[place] if place < len(args) else named.get(key, default)
    if kind == "prelu":
        weight = args[1] if len(args) > 1 else named.get("weight")
        values = {"init": float(weight.detach().double().mean())} if isinstance(weight, Tensor) else {}
    return kind, {k: v for k, v in values.items() if isinstance(v, (int, float, str))}


Activation = tuple[str, dict[str, Scalar]]


def tensors_of(args: Sequence[Any], named: Mapping[str, Any]) -> list[Tensor]:
    """The tensors among a call's arguments, in order."""
    return [*flatten(tuple(args)), *flatten(dict(named))]
