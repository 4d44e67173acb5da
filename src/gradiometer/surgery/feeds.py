"""What each activation reads: the output of a layer, that of a normalisation, or something else. One forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from .passes import Batch, run_once, undisturbed

ACTIVATIONS = frozenset(
    {"relu", "relu6", "leaky_relu", "prelu", "tanh", "sigmoid", "hardtanh", "hardsigmoid", "hardswish", "elu", "celu"}
    | {"selu", "gelu", "silu", "mish", "softplus", "softsign", "erf"}
)
"""Functions of torch that are activations; forms in place (``relu_``) are the same."""

LAYERS = (nn.Linear, _ConvNd)
NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True, slots=True)
class Fed:
    """An activation and what it reads.

    kind: ``relu``, ``tanh`` ... source: path of the layer or norm whose output it reads as it is, "" where it reads
    anything else (a sum, a pooled signal). place: path of the module in whose forward it is called; own: True where
    that is an activation module. beside: path of the last layer that ran before, "" for none. shape: of what it reads.
    """

    kind: str
    source: str
    place: str
    own: bool
    beside: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Feeds:
    """One pass. activations: in the order of the pass. calls: how often each module was called."""

    activations: tuple[Fed, ...]
    calls: dict[str, int]


def feeds_of(model: nn.Module, batch: Batch) -> Feeds:
    """Run the network once and say what each activation reads. The network is left as it was.

    ModelError where it cannot run. Activations inside fused modules (nn.RNN, attention) are not among them.
    """
    reader = _Reader()
    with undisturbed(model), ExitStack() as stack:
        for path, module in model.named_modules():
            for handle in (
                module.register_forward_pre_hook(reader.entering(path, module), prepend=True),
                module.register_forward_hook(reader.leaving(path, module), always_call=True),
            ):
                stack.callback(handle.remove)
        stack.enter_context(reader)
        run_once(model, batch)
    return Feeds(tuple(reader.found), dict(reader.calls))


class _Reader(TorchFunctionMode):
    """Keeps every output of a layer alive during the pass, so that an id means one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Fed] = []
        self.calls: Counter[str] = Counter()
        self.stack: list[tuple[str, nn.Module]] = []
        self.made: dict[int, tuple[Tensor, str]] = {}
        self.beside = ""

    def entering(self, path: str, module: nn.Module) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            self.stack.append((path, module))
            self.calls[path] += 1

        return hook

    def leaving(self, path: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, out: Any) -> None:
            self.stack.pop()
            if isinstance(module, LAYERS + NORMS) and isinstance(out, Tensor):
                self.made[id(out)] = (out, path)
            if isinstance(module, LAYERS):
                self.beside = path

        return hook

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "").rstrip("_")
        value = args[0] if args else None
        if name in ACTIVATIONS and self.stack and isinstance(value, Tensor):
            path, module = self.stack[-1]
            source = self.made.get(id(value), (value, ""))[1]
            own = not any(True for _ in module.children()) and not isinstance(module, nn.RNNBase | nn.RNNCellBase)
            self.found.append(Fed(name, source, path, own, self.beside, tuple(value.shape)))
        return func(*args, **(kwargs or {}))
