"""Weights that lie in no layer: parameters of the user's own modules that ``F.linear``, ``F.conv*`` and ``@`` read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d"})
PRODUCTS = frozenset({"matmul", "__matmul__", "mm", "addmm"})
ADDITIONS = frozenset({"add", "__add__", "__radd__", "add_", "__iadd__"})
HOLDERS = (nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True, slots=True)
class Bare:
    """A weight and how it is read.

    name, bias: of the parameters, bias "" for none. turned: it has [in, out], as ``x @ W`` reads it; else [out, in,
    *kernel]. groups, stride: of a convolution, stride the product over its axes.
    """

    name: str
    turned: bool = False
    bias: str = ""
    groups: int = 1
    stride: int = 1

    def facing(self, weight: Tensor) -> Tensor:
        """The weight as [out, in, *kernel]."""
        return weight.t() if self.turned else weight

    def fans(self, weight: Tensor) -> tuple[float, float]:
        """True (fan-in, fan-out), as ``layers.true_fans`` counts them."""
        faced = self.facing(weight)
        kernel = faced[0, 0].numel()
        return faced.shape[1] * kernel, faced.shape[0] / self.groups * kernel / self.stride


def own_parameters(model: nn.Module) -> dict[int, str]:
    """Trained parameters that modules of torch do not hold: id -> name. Lists and dictionaries of them are no layer."""
    strange: set[int] = set()
    own: dict[int, str] = {}
    for path, module in model.named_modules():
        torchs = type(module).__module__.startswith("torch.nn") and not isinstance(module, HOLDERS)
        for name, p in module.named_parameters(recurse=False):
            if torchs or ".parametrizations." in f".{path}.":
                strange.add(id(p))
            elif p.requires_grad and p.is_floating_point():
                own.setdefault(id(p), f"{path}.{name}" if path else name)
    return {key: name for key, name in own.items() if key not in strange}


def bare_call(func: Any, args: Any, named: Mapping[str, Any], own: Mapping[int, str]) -> tuple[Bare, Tensor] | None:
    """(the weight, the signal that it meets), where a function of torch reads one of these parameters as a layer does.

    None for anything else: ``W @ x`` with units on the first axis, a weight that was changed before, two weights.
    """
    name = getattr(func, "__name__", "")
    if name == "linear" or name in CONVOLUTIONS:
        x, weight, bias = (named.get(k, args[i] if len(args) > i else None) for i, k in enumerate(_READ))
        found = Bare(own.get(id(weight), ""), bias=own.get(id(bias), "") if bias is not None else "")
        if name != "linear":
            stride = named.get("stride", args[3] if len(args) > 3 else 1)
            groups = named.get("groups", args[6] if len(args) > 6 else 1)
            found = Bare(found.name, bias=found.bias, groups=groups, stride=_product(stride, weight.dim() - 2))
    elif name in PRODUCTS and len(args) >= 2:
        x, weight = args[-2:]
        bias = own.get(id(args[0]), "") if name == "addmm" else ""
        found = _of_product(weight, bias, own)
    else:
        return None
    return (found, x) if found.name and isinstance(x, Tensor) and id(x) not in own else None


_READ = ("input", "weight", "bias")


def _of_product(weight: Any, bias: str, own: Mapping[int, str]) -> Bare:
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        return Bare("")
    if id(weight) in own:
        return Bare(own[id(weight)], True, bias)
    base = weight._base
    whole = base is not None and weight.shape == base.shape[::-1] and weight.stride() == base.stride()[::-1]
    return Bare(own.get(id(base), "") if whole else "", bias=bias)


def added_bias(func: Any, args: Any, own: Mapping[int, str]) -> tuple[str, Tensor] | None:
    """(name of the parameter, the other summand) where one vector of these parameters is added to something."""
    if getattr(func, "__name__", "") not in ADDITIONS or len(args) != 2:
        return None
    for vector, other in (args, args[::-1]):
        if id(vector) in own and isinstance(other, Tensor) and vector.numel() == vector.shape[-1] == other.shape[-1]:
            return own[id(vector)], other
    return None


def _product(stride: Any, axes: int) -> int:
    return math.prod(stride) if isinstance(stride, (tuple, list)) else math.prod([int(stride)] * axes)
