"""The models of a training as they are found: their modules, parameters, sites and pending slots."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..records import ModuleSeen, Network, NotCovered, Site, SiteKind
from .describe import describe_module, describe_params

SiteKey = tuple[str, int, SiteKind, str]  # path, call, kind, op


class Slot(NamedTuple):
    """One row of a buffer and what it is: a statistic of a site, before calls are numbered."""

    device: torch.device
    row: int
    gen: int  # which call of the root it belongs to; -1 where ``call`` is already final
    path: str
    call: int
    kind: SiteKind
    op: str
    stat: str  # act err err_in gram err_gram dead weight rows grad grad_raw update epsilon missing
    comp: int  # which tensor of a tuple output
    backward: int  # number of the backward pass, 0 for forward rows
    numel: int


@dataclass(slots=True)
class Entry:
    """A module of a watched model, as the hooks look it up."""

    model: WatchedModel
    path: str
    seen: ModuleSeen
    leaf: bool
    module: weakref.ref[nn.Module]
    gen: int = -1
    calls: int = 0
    indexed: bool = False


@dataclass(slots=True)
class Call:
    """One call of a module in a fully recorded forward pass, with its places in the autograd graph."""

    entry: Entry
    call: int
    gen: int
    outputs: list[tuple[Any, int]]
    inputs: list[tuple[Any, int]]
    seq: tuple[int, int]  # autograd sequence numbers [first, last) made inside the call


class WatchedModel:
    """One root module: its registry, its site table, and the slots of the frame that is being recorded."""

    def __init__(self, root: nn.Module, name: str) -> None:
        self.name = name
        self.root = weakref.ref(root)
        self.cls = type(root).__name__
        self.entries: dict[int, Entry] = {}
        self.params: dict[int, str] = {}
        self.sites: list[Site] = []
        self.site_index: dict[tuple[str, int, SiteKind, str], int] = {}
        self.network: Network | None = None
        self.trunk_hop: dict[str, int] = {}
        self.trunk_signature: object = None
        self.step = 0
        self.frames = 0
        self.gen = 0
        self.used_up: set[int] = set()  # passes on which another model's optimizer has stepped
        self.reached = False  # some frame had an error of its own
        self.postponed = False  # stepped, but another optimizer has still to step on the same backward passes
        self.gen_floor = 0  # generations below belong to earlier backward passes
        self.epoch = 0  # one a frame; hooks left from an older one write nothing
        self.pending: list[Slot] = []
        self.calls: list[Call] = []
        self.expected: set[tuple[int, str, int, SiteKind, str]] = set()
        self.aliases: list[tuple[tuple[int, str, int, SiteKind, str], str]] = []
        self.skipped: list[tuple[int, int]] = []  # autograd sequence numbers of calls that the user left out
        self.wide: set[str] = set()
        self.recurrent: dict[str, int] = {}  # path -> time steps measured
        self.not_covered: dict[str, str] = {}
        self.touched_backwards: set[int] = set()
        self.dtypes: set[str] = set()  # of the outputs of its modules
        self.ops: set[str] = set()  # of the graph nodes of its forward passes
        self.grads_before: dict[str, NDArray[np.float64]] = {}  # samples of the last recorded gradients, by parameter
        self.grads_step = -1
        self.calls_seen = 0
        self.calls_recorded = 0
        self.register(root)

    def register(self, root: nn.Module) -> None:
        """Read the module tree (again, where modules were added)."""
        self.params = {id(p): n for n, p in reversed(list(root.named_parameters(remove_duplicate=False)))}
        for path, module in root.named_modules():
            if id(module) in self.entries or ".parametrizations" in f".{path}":
                continue
            seen = describe_module(path, module, self.params)
            leaf = seen.role != "block" or next(module.children(), None) is None
            self.entries[id(module)] = Entry(self, path, seen, leaf, weakref.ref(module))
            weakref.finalize(module, self.entries.pop, id(module), None)

    def describe(self, owned: frozenset[int]) -> Network:
        """The network as it stands now; the trunk is put in later."""
        root = self.root()
        params = describe_params(root, owned) if root is not None else ()
        first = next(root.parameters(), None) if root is not None else None
        return Network(
            name=self.name,
            cls=self.cls,
            modules=tuple(e.seen for e in self.entries.values()),
            params=params,
            dtype=str(first.dtype).removeprefix("torch.") if first is not None else "",
            device=str(first.device) if first is not None else "",
            compiled=self.compiled(),
            computes=tuple(sorted(self.dtypes)),
            ops=tuple(sorted(self.ops)),
        )

    def compiled(self) -> bool:
        """True where torch.compile has taken the model or a part of it: calls inside are not seen."""
        root = self.root()
        return root is not None and any(
            type(m).__name__ == "OptimizedModule" or m._compiled_call_impl is not None for m in root.modules()
        )

    def site(self, key: SiteKey) -> int:
        """Index of a site in the model's table; a new one is appended."""
        index = self.site_index.get(key)
        if index is None:
            path, call, kind, op = key
            index = self.site_index[key] = len(self.sites)
            site = Site(self.name, path, call, kind, op)
            hop = self.trunk_hop.get(site.name, -1)
            self.sites.append(Site(self.name, path, call, kind, op, hop))
        return index

    def drop(self, passes: set[int]) -> None:
        """Forget rows of backward passes that another model's step has used up, and their forward calls."""
        gone = {s.gen for s in self.pending if s.backward in passes and s.gen >= 0}
        self.pending = [s for s in self.pending if s.gen not in gone and (s.backward not in passes or s.gen >= 0)]
        self.touched_backwards = self.touched_backwards - passes
        self.expected = {k for k in self.expected if k[0] not in gone and k[0] >= 0}
        self.aliases = []

    def skip(self, where: str, reason: str) -> None:
        """Note something that is seen and not measured, once."""
        self.not_covered.setdefault(where, reason)

    def uncovered(self) -> list[NotCovered]:
        """What was noted with ``skip``."""
        return [NotCovered(site, reason) for site, reason in self.not_covered.items()]


@dataclass(slots=True)
class Registry:
    """All models of the process, found by module or parameter identity."""

    models: list[WatchedModel] = field(default_factory=list)
    roots: dict[int, WatchedModel] = field(default_factory=dict)
    index: dict[int, Entry] = field(default_factory=dict)
    parents: weakref.WeakKeyDictionary[nn.Module, weakref.ref[nn.Module]] = field(
        default_factory=weakref.WeakKeyDictionary
    )
    name_of: Callable[[nn.Module], str] = field(default=lambda module: type(module).__name__.lower())

    def entry(self, module: nn.Module) -> Entry | None:
        """The entry of a module in whichever model holds it."""
        return self.index.get(id(module))

    def owner(self, p: Tensor) -> tuple[WatchedModel, str] | None:
        """The model that holds a parameter, and its name there."""
        key = id(p)
        for model in self.models:
            name = model.params.get(key)
            if name is not None and model.root() is not None:
                return model, name
        return None

    def adopt(self, module: nn.Module) -> Entry | None:
        """Watch the model that ``module`` belongs to: the topmost parent that is alive and has parameters."""
        root = module
        seen = {id(root)}
        while (up := self.parents.get(root)) is not None and (parent := up()) is not None and id(parent) not in seen:
            root = parent
            seen.add(id(root))
        if next(root.parameters(), None) is None:
            return None
        for model in self.models:
            if model.root() is root:
                model.register(root)
                self._reindex()
                return model.entries.get(id(module))
        model = self.add(root, self.name_of(root))
        return model.entries.get(id(module))

    def add(self, root: nn.Module, name: str) -> WatchedModel:
        """Watch ``root`` under ``name``, made unique with a number."""
        taken = {m.name for m in self.models}
        base, n = name or type(root).__name__.lower(), 2
        name = base
        while name in taken:
            name = f"{base}-{n}"
            n += 1
        model = WatchedModel(root, name)
        for old in list(self.models):
            if id(old.root()) in model.entries and old.frames == 0:
                self.models.remove(old)
                self.index = {k: e for k, e in self.index.items() if e.model is not old}
        self.models.append(model)
        self._reindex()
        return model

    def _reindex(self) -> None:
        self.roots = {id(r): m for m in self.models if (r := m.root()) is not None}
        for model in self.models:
            for key, entry in model.entries.items():
                if self.index.setdefault(key, entry) is not entry:
                    continue
                module = entry.module()
                if module is not None and not entry.indexed:
                    entry.indexed = True
                    weakref.finalize(module, self.index.pop, key, None)


def flatten(value: Any, depth: int = 0) -> Iterable[Tensor]:
    """The tensors of an output or input: tensors, tuples, lists, mappings, dataclasses, nested up to four deep."""
    if isinstance(value, Tensor):
        yield value
    elif depth < 4:
        if isinstance(value, (list, tuple)):
            for v in value:
                yield from flatten(v, depth + 1)
        elif isinstance(value, Mapping):
            for v in value.values():
                yield from flatten(v, depth + 1)
        elif hasattr(value, "__dataclass_fields__"):
            for f in value.__dataclass_fields__:
                yield from flatten(getattr(value, f, None), depth + 1)
