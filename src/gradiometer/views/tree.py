"""The tree of modules, loss first, each with the gain of the error over it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gradiometer.quantities import Profile
from gradiometer.records import Network, Run

from .numbers import UNICODE

FULL_DECADES = 1.0
"""From a factor of ten on a swatch has its full colour: a hop that keeps a tenth is already far beyond any limit."""
OPEN_MOST = 40
"""A tree of more modules than this starts closed below its first level."""


@dataclass(slots=True)
class Branch:
    """One module: its own name, class, gain in words, colour (``lose``, ``grow`` or ""), depth of it in percent."""

    name: str
    path: str
    cls: str = ""
    gain: str = ""
    tone: str = ""
    depth: int = 0
    children: list[Branch] = field(default_factory=list)


def module_tree(run: Run, network: Network, shown: Profile) -> Branch:
    """The modules of a network as a tree, nearest to the loss first.

    Gain: ‖δ‖ that a module sends to its input / ‖δ‖ that arrives at its output, at the step of the profile: that of a
    part of the trunk where the module is one, else from the module's own two norms; no number where an end is unknown.
    """
    gains = _own_gains(run, network, shown.step)
    gains |= {p.part.path: p.gain for parts in shown.parts for p in parts if p.part.path and math.isfinite(p.gain)}
    root = Branch(network.name, "", network.cls)
    nodes = {"": root}
    for seen in network.modules:
        if seen.path:
            node = _node(nodes, seen.path)
            node.cls = seen.cls
        else:
            node = root
        _colour(node, gains.get(seen.path, math.nan))
    _loss_first(root, _places(network))
    return root


def _places(network: Network) -> dict[str, int]:
    """How far from the loss each module of the trunk stands, counted in parts of hops and in stations."""
    names = [n for hop in network.hops for n in (hop.upper, *(p.path for p in hop.parts), hop.lower)]
    return {name.split("#")[0]: i for i, name in reversed(list(enumerate(names))) if name}


def _loss_first(node: Branch, places: dict[str, int]) -> int | None:
    """Puts the children in the order of the trunk and returns the place of the first one. A module off the trunk stays
    behind the one that was registered after it."""
    before = -1
    order: list[tuple[int, int, Branch]] = []
    for child in reversed(node.children):
        place = _loss_first(child, places)
        before = before if place is None else place
        order.append((before, len(order), child))
    node.children = [child for _, _, child in sorted(order, key=lambda o: o[:2])]
    own = [places[node.path]] if node.path in places else []
    known = own + [place for place, _, _ in order if place >= 0]
    return min(known, default=None)


def _node(nodes: dict[str, Branch], path: str) -> Branch:
    if path not in nodes:
        above, _, name = path.rpartition(".")
        nodes[path] = Branch(name, path)
        _node(nodes, above).children.append(nodes[path])
    return nodes[path]


def _own_gains(run: Run, network: Network, step: int) -> dict[str, float]:
    at = int(np.flatnonzero(run.steps(network.name) == step)[0])
    upper, lower = run.of("err_norm", network.name)[at], run.of("err_in_norm", network.name)[at]
    out = {}
    for i, site in enumerate(run.sites(network.name)):
        known = site.kind == "output" and site.call == 0 and upper[i] > 0
        if known and math.isfinite(upper[i]) and math.isfinite(lower[i]):
            out[site.path] = float(lower[i] / upper[i])
    return out


def _colour(node: Branch, gain: float) -> None:
    if math.isnan(gain):
        return
    node.gain = UNICODE.gain(gain)
    decades = -math.inf if gain == 0 else math.log10(gain)
    node.tone = "lose" if decades < 0 else "grow" if decades > 0 else ""
    node.depth = round(100 * min(1.0, abs(decades) / FULL_DECADES))
