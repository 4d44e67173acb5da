"""A network and its optimizers as they stood, so that they can be put back bit for bit, into the same objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .namespaces import Kept, KeptDict, kept


@dataclass(slots=True)
class SavedTensor:
    """A tensor of a network: its values, and the gradient that it carried. Costs one copy of each."""

    tensor: Tensor
    value: Tensor
    requires_grad: bool
    grad: Tensor | None
    grad_value: Tensor | None

    @classmethod
    def of(cls, tensor: Tensor) -> SavedTensor:
        """The tensor as it stands."""
        grad = tensor.grad if tensor.is_leaf else None
        grad_value = None if grad is None else grad.detach().clone()
        return cls(tensor, tensor.detach().clone(), tensor.requires_grad, grad, grad_value)

    def restore(self) -> None:
        """Put the values back into the same tensor, and the same gradient on it."""
        _fill(self.tensor, self.value)
        if self.tensor.is_leaf:
            self.tensor.requires_grad_(self.requires_grad)
            if self.grad is not None and self.grad_value is not None:
                _fill(self.grad, self.grad_value)
            self.tensor.grad = self.grad


def _fill(tensor: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        if tensor.shape == value.shape and tensor.dtype == value.dtype:
            tensor.copy_(value)
        else:
            tensor.data = value.clone()


class ObjectState:
    """One object: its class, its attributes, and every dictionary, list and set that it holds (hooks among them).

    apart: names of attributes whose insides are noted elsewhere.
    """

    def __init__(self, owner: nn.Module | Optimizer, apart: tuple[str, ...] = ()) -> None:
        self.owner = owner
        self.cls = owner.__class__
        inner = (kept(value) for name, value in owner.__dict__.items() if name not in apart)
        self.parts: list[Kept] = [KeptDict(owner.__dict__, keeps_order=False), *(k for k in inner if k is not None)]

    def close(self) -> None:
        """The cure has ended: what changes from here on is not its doing."""
        for part in self.parts:
            part.close()

    def restore(self) -> None:
        """Take back what the cure changed."""
        for part in self.parts:
            part.restore()
        if self.owner.__class__ is not self.cls:
            self.owner.__class__ = self.cls


class OptimizerState(ObjectState):
    """One optimizer: class, attributes, hooks; its groups and its state key by key, in the same dictionaries.

    ``load_state_dict`` would put new dictionaries in their place, and cut off a script that holds one.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, apart=("param_groups", "state"))
        self.optimizer = optimizer
        self.groups = [(group, _copied(group)) for group in optimizer.param_groups]
        self.param_lists = [(group["params"], list(group["params"])) for group in optimizer.param_groups]
        self.state = [(p, inner, _copied(inner)) for p, inner in optimizer.state.items()]

    def restore(self) -> None:
        """Put groups and state back as they stood, whatever changed them; attributes where the cure changed them."""
        super().restore()
        self.optimizer.param_groups[:] = [group for group, _ in self.groups]
        for (group, values), (params, before) in zip(self.groups, self.param_lists, strict=True):
            _put_back(group, values)
            params[:] = before
        state = self.optimizer.state
        state.clear()
        for parameter, inner, values in self.state:
            _put_back(inner, values)
            state[parameter] = inner


def _copied(store: dict[Any, Any]) -> dict[Any, Any]:
    """Every value beside its bits: a copy of a tensor, copies of a list's items (LBFGS keeps lists), else None.

    A group's parameters have theirs in the snapshot of the network.
    """
    return {key: (value, _bits(value) if key != "params" else None) for key, value in store.items()}


def _bits(value: object) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return [(item, _bits(item)) for item in value] if isinstance(value, list) else None


def _put_back(store: dict[Any, Any], values: dict[Any, Any]) -> None:
    store.clear()
    for key, (value, bits) in values.items():
        _refill(value, bits)
        store[key] = value


def _refill(value: Any, bits: Any) -> None:
    if isinstance(value, Tensor):
        _fill(value, bits)
    elif isinstance(value, list) and bits is not None:
        for item, inner in bits:
            _refill(item, inner)
        value[:] = [item for item, _ in bits]


class Snapshot:
    """A network and optimizers at one moment. Takes one copy of parameters, buffers, gradients and optimizer state."""

    def __init__(self, model: nn.Module, optimizers: Iterable[Optimizer] = ()) -> None:
        self.model = model
        self.optimizers = [OptimizerState(o) for o in optimizers]
        self.modules = [ObjectState(m) for m in model.modules()]
        self.tensors = [SavedTensor.of(t) for t in _tensors(model)]

    def watch(self, module: nn.Module) -> None:
        """Keep a module outside the network too, such as a criterion."""
        self.modules += [ObjectState(m) for m in module.modules()]
        self.tensors += [SavedTensor.of(t) for t in _tensors(module)]

    def close(self) -> None:
        """The cure has ended: structure that changes from here on is not its doing, and stays."""
        for module in self.modules:
            module.close()
        for optimizer in self.optimizers:
            optimizer.close()

    def restore(self) -> None:
        """Put everything back. Values of tensors and optimizer state as they stood; structure that the cure changed."""
        for module in self.modules:
            module.restore()
        for optimizer in self.optimizers:
            optimizer.restore()
        for tensor in self.tensors:
            tensor.restore()

    def changed(self) -> set[int]:
        """Ids of the tensors that do not hold the values that they held, whatever their format."""
        return {id(s.tensor) for s in self.tensors if not _equal(s.tensor, s.value)}


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and _digest(a) == _digest(b.to(a.dtype))


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def fingerprint(model: nn.Module, optimizers: Iterable[Optimizer]) -> dict[str, bytes]:
    """Digests of all parameters and of the optimizers' state, by name: equal bits give equal digests."""
    out = {name: _digest(p) for name, p in model.named_parameters()}
    names = {id(p): name for name, p in model.named_parameters()}
    for number, optimizer in enumerate(optimizers):
        for parameter, inner in optimizer.state.items():
            for key, value in inner.items():
                if isinstance(value, Tensor):
                    out[f"optimizer {number}, {key} of {names.get(id(parameter), '?')}"] = _digest(value)
    return out


def _digest(tensor: Tensor) -> bytes:
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return hashlib.blake2b(flat.view(torch.uint8).numpy().tobytes(), digest_size=16).digest()
