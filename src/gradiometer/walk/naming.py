"""How the steps and the ways of a walk are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..records import Arm, Factor
from .carry import Step

NAMES_AT_MOST = 3  # modules that name a way
ATTENTION = ("query", "key", "value", "mask")
PLAIN_PRODUCTS = frozenset({"product"})


@dataclass(frozen=True, slots=True)
class Naming:
    """What is said of a step.

    path: the module in which it was made. owner: the leaf module that it belongs to, "" for a function. role: role
    and title. theory: its mean-field gain. rule: its TeX with @d, @u, @v. weight: the parameter that it multiplies by.
    """

    path: Callable[[Step], str]
    owner: Callable[[Step], str]
    role: Callable[[Step], tuple[str, str]]
    theory: Callable[[Step], float]
    rule: Callable[[Step], str]
    weight: Callable[[Step], str]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of a fork: the slot of the edge on which it leaves, what it brings, its factors, its steps with weights,
    and whether it shares no step with another."""

    slot: int
    arrives: Tensor
    factors: tuple[Factor, ...]
    weighty: tuple[Step, ...]
    alone: bool


def arm_names(naming: Naming, step: Step, ways: Sequence[Way]) -> list[str]:
    """A name for each way of a fork; no two are alike."""
    if step.law is not None and step.law.role == "attention":
        names = [ATTENTION[w.slot] if w.slot < len(ATTENTION) else "other" for w in ways]
    else:
        owners = [[o for s in w.weighty if (o := naming.owner(s))] for w in ways]
        by_modules = way_names(naming.path(step), owners)
        names = [name or _without_modules(way) for name, way in zip(by_modules, ways, strict=True)]
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if names.count(name) == 1 else f"{name} {seen[name]}")
    return out


def _without_modules(way: Way) -> str:
    if not way.factors:
        return "skip" if way.alone else "shared way"
    if all(f.role in PLAIN_PRODUCTS for f in way.factors):
        return "gated skip"
    return next((f.title for f in way.factors if f.role not in PLAIN_PRODUCTS), way.factors[0].title)


def way_names(base: str, owners: Sequence[Sequence[str]]) -> list[str]:
    """Ways by the modules with weights that each passes, loss first, as they are called inside ``base``, the module
    where the ways part, or inside what they have in common: ``fc2·fc1``, ``attention``; "" for a way without any."""
    everything = [o for paths in owners for o in paths]
    anchor = base if base and all(o.startswith(base + ".") for o in everything) else _anchor(everything)
    names = []
    for paths in owners:
        heads = list(dict.fromkeys(_head(o, anchor) for o in paths))
        names.append("·".join(heads[:NAMES_AT_MOST]) + ("·…" if len(heads) > NAMES_AT_MOST else ""))
    return names


def _anchor(paths: Sequence[str]) -> str:
    """The module inside which paths are told apart: their common part, without a last name that all of them bear."""
    shared = common_path(paths)
    if shared in paths or (shared and not shared.rpartition(".")[2].isdigit()):
        return shared.rpartition(".")[0]
    return shared


def _head(path: str, anchor: str) -> str:
    inner = path.removeprefix(anchor + "." if anchor else "").split(".")
    if inner[0].isdigit() and anchor:
        return f"{anchor.rpartition('.')[2]}.{inner[0]}"
    return ".".join(inner[:2]) if len(inner) > 1 and inner[1].isdigit() and not anchor else inner[0]


def common_path(paths: Sequence[str]) -> str:
    """The deepest module path that holds all of ``paths``."""
    shared = []
    for parts in zip(*(p.split(".") for p in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def fork_title(arms: Sequence[Arm]) -> str:
    """``skip and branch``, or the names of the ways."""
    names = [arm.name for arm in arms]
    if len(arms) == 2 and "skip" in names:
        return "skip and branch"
    return ", ".join(names[:3]) + (" …" if len(arms) > 3 else "")
