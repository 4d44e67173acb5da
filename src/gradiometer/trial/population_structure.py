"""Whether two trainings have the same structure: whether one forward pass, written once, is right for both.

Equal shapes are not enough: a ReLU and a sigmoid, two values of ε, two hooks hold no parameter. So everything that
a module holds beside its parameters and buffers is compared, closures and hooks included; what cannot be compared
counts as different.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_STATE = ("_parameters", "_buffers", "_modules")
_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size, Enum, slice)
_FLAT = ("_flat_weights", "_flat_weight_refs")  # of nn.RNN and its kin: exchanged together with the parameters
_FUNCTIONS = (types.BuiltinFunctionType, types.ModuleType, type)
DEEPEST = 40
"""Values within values that are followed; what lies deeper counts as different."""


def difference(first: nn.Module, second: nn.Module) -> str | None:
    """Where the structure of two modules first differs, in words; None where one forward pass serves both.

    Values of parameters and buffers may differ; names, shapes, types, devices, ties, modes, plain attributes and
    hooks may not.
    """
    return Comparison(first, second).modules()


class Comparison:
    """Two modules side by side. partners: id of a registered part of the first -> id of the second's."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        self.first, self.second = first, second
        self.partners: dict[int, int] = {}
        self.partners_back: dict[int, int] = {}
        self.held: set[int] = set()  # ids of the first's parameters and buffers
        self.seen: dict[tuple[int, int], object] = {}  # pairs under way or done; kept alive, so that ids stay theirs

    def modules(self) -> str | None:
        """The first difference of the two trees of modules."""
        if self.first is self.second:
            return "the two are one and the same module"
        ours = dict(self.first.named_modules(remove_duplicate=False))
        theirs = dict(self.second.named_modules(remove_duplicate=False))
        if list(ours) != list(theirs):
            path = next(iter(set(ours) ^ set(theirs)), "")
            return f"only one of them has the module {path}" if path else "their modules stand in another order"
        pairs = [(path, module, theirs[path]) for path, module in ours.items()]
        for compare in (self._registered, self._attributes):  # all partners are known before attributes are read
            for path, a, b in pairs:
                told = compare(a, b)
                if told:
                    return f"{path or 'the network'}: {told}"
        return None

    def _registered(self, a: nn.Module, b: nn.Module) -> str | None:
        if _kind(a) is not _kind(b):
            return f"{_kind(a).__name__} here, {_kind(b).__name__} there"
        if not self._partner(a, b):
            return "shared in another way"
        for name in ("_parameters", "_buffers"):
            ours, theirs = getattr(a, name), getattr(b, name)
            if list(ours) != list(theirs):
                return f"{name[1:]} {list(ours)} here, {list(theirs)} there"
            for key, x in ours.items():
                told = self._tensor(x, theirs[key])
                if told:
                    return f"{key}: {told}"
        return None

    def _tensor(self, x: Tensor | None, y: Tensor | None) -> str | None:
        if x is None or y is None:
            return None if x is y else "there in one of them only"
        if x is y:
            return "both hold the very same tensor"
        if not self._partner(x, y):
            return "tied in another way"
        self.held.add(id(x))
        ours, theirs = ((t.shape, t.dtype, t.device, t.requires_grad, t.layout) for t in (x, y))
        return None if ours == theirs else f"{_words(x)} here, {_words(y)} there"

    def _partner(self, x: object, y: object) -> bool:
        there = self.partners.setdefault(id(x), id(y)) == id(y)
        return self.partners_back.setdefault(id(y), id(x)) == id(x) and there

    def _attributes(self, a: nn.Module, b: nn.Module) -> str | None:
        left_out = (*_STATE, *_FLAT) if isinstance(a, nn.RNNBase) else _STATE
        ours, theirs = ({k: v for k, v in vars(m).items() if k not in left_out} for m in (a, b))
        if set(ours) != set(theirs):
            return f"only one of them has the attribute {min(set(ours) ^ set(theirs))}"
        for name, value in ours.items():
            if not self.same(value, theirs[name], DEEPEST):
                both = (value, theirs[name])
                told = " is {} here, {} there".format(*both) if all(isinstance(v, _PLAIN) for v in both) else " differs"
                return f"{name}{told}"
        return None

    def same(self, x: Any, y: Any, deep: int = DEEPEST) -> bool:
        """Whether two values do the same in a forward pass. A registered part only equals its own partner."""
        if deep == 0:
            return False
        if id(x) in self.held:  # a parameter that is held elsewhere too is not exchanged there
            return False
        if id(x) in self.partners:
            return self.partners[id(x)] == id(y)
        if x is y:
            return not (isinstance(x, Tensor) and x.requires_grad)
        if type(x) is not type(y):
            return isinstance(x, nn.Module) and isinstance(y, nn.Module) and self._objects(x, y, deep)
        if (id(x), id(y)) in self.seen:
            return True
        if isinstance(x, _PLAIN):
            return bool(x == y) or (x != x and y != y)
        self.seen[id(x), id(y)] = (x, y)
        return self._composed(x, y, deep - 1)

    def _composed(self, x: Any, y: Any, deep: int) -> bool:
        if isinstance(x, Tensor):
            return not x.requires_grad and not y.requires_grad and bool(torch.equal(x, y))
        if isinstance(x, np.ndarray):
            return bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))
        if isinstance(x, (list, tuple)):
            return len(x) == len(y) and all(self.same(p, q, deep) for p, q in zip(x, y, strict=True))
        if isinstance(x, (set, frozenset)):
            return all(isinstance(p, _PLAIN) for p in x) and x == y
        if isinstance(x, Mapping):
            values = zip(x.values(), y.values(), strict=False)
            return self._keys(x, y, deep) and all(self.same(p, q, deep) for p, q in values)
        if isinstance(x, types.FunctionType):
            return self._functions(x, y, deep)
        if isinstance(x, types.MethodType):
            return x.__func__ is y.__func__ and self.same(x.__self__, y.__self__, deep)
        if isinstance(x, functools.partial):
            return all(self.same(getattr(x, k), getattr(y, k), deep) for k in ("func", "args", "keywords"))
        if isinstance(x, weakref.ref):
            return self.same(x(), y(), deep)
        if isinstance(x, (*_FUNCTIONS, torch.Generator)):
            return False  # equal only where they are the same object
        return self._objects(x, y, deep)

    def _keys(self, x: Mapping[Any, Any], y: Mapping[Any, Any], deep: int) -> bool:
        """Hooks stand under numbers that count up over the process: their order counts, the numbers do not."""
        if len(x) != len(y):
            return False
        if all(isinstance(k, int) for k in (*x, *y)):
            return True
        return all(self.same(p, q, deep) for p, q in zip(x, y, strict=True))

    def _functions(self, x: types.FunctionType, y: types.FunctionType, deep: int) -> bool:
        if x.__code__ is not y.__code__ or x.__globals__ is not y.__globals__:
            return False
        cells = [[c.cell_contents for c in f.__closure__ or ()] for f in (x, y)]
        ours, theirs = ([f.__defaults__, f.__kwdefaults__, held] for f, held in zip((x, y), cells, strict=True))
        return self.same(ours, theirs, deep)

    def _objects(self, x: Any, y: Any, deep: int) -> bool:
        """By what they hold: __dict__ and __slots__. Objects that hold nothing visible are told apart by ==."""
        if isinstance(x, nn.Module) and _kind(x) is not _kind(y):
            return False
        names = [n for cls in type(x).__mro__ for n in _slots(cls)]
        if not names and not hasattr(x, "__dict__"):
            return bool(x == y)
        held = [{**getattr(v, "__dict__", {}), **{n: getattr(v, n) for n in names if hasattr(v, n)}} for v in (x, y)]
        return self.same(held[0], held[1], deep)


def _slots(cls: type) -> tuple[str, ...]:
    named = cls.__dict__.get("__slots__", ())
    names = (named,) if isinstance(named, str) else tuple(named)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


def _kind(module: nn.Module) -> type:
    """Its class; a parametrized module's before it got a class of its own."""
    if not parametrize.is_parametrized(module):
        return type(module)
    return parametrize.type_before_parametrizations(module)


def _words(tensor: Tensor) -> str:
    grad = "" if tensor.requires_grad else ", frozen"
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} on {tensor.device}{grad}"
