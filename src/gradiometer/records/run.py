"""A training as it was recorded, in memory: what rules, quantities and views read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .frame import STAT_INDEX, STATS, Frame
from .network import Event, LossSeen, Network, NotCovered, OptimizerSeen, Site
from .showing import Shows


class RunInfo(msgspec.Struct, frozen=True):
    """What is known of a run as a whole.

    state: ``running``, ``finished``, ``crashed`` (the script raised), ``interrupted`` (Ctrl-C), ``stopped`` (--steps).
    wall_s: wall time from attach to close. overhead_s: self-measured cost of watching, writer thread included.
    calls_seen, calls_recorded: of the calls whose output requires grad in recorded steps (functional activations
        included); their ratio is the coverage.
    """

    name: str
    state: str = "running"
    script: str = ""
    argv: tuple[str, ...] = ()
    started: str = ""  # ISO 8601, UTC
    wall_s: float = 0.0
    overhead_s: float = 0.0
    calls_seen: int = 0
    calls_recorded: int = 0
    error: str = ""
    versions: dict[str, str] = {}


@dataclass(frozen=True, slots=True, repr=False)
class Run(Shows):
    """One recorded training.

    ``run.of(stat)`` is a matrix [frame, site]; its rows are ``run.steps()``, its columns ``run.sites()``.
    All three take ``model=``; without it they speak of ``run.main``, the model with the most trunk hops.
    """

    info: RunInfo
    networks: tuple[Network, ...] = ()
    site_table: tuple[Site, ...] = ()
    frames: tuple[Frame, ...] = ()
    losses: tuple[LossSeen, ...] = ()
    optimizers: tuple[OptimizerSeen, ...] = ()
    events: tuple[Event, ...] = ()
    not_covered: tuple[NotCovered, ...] = ()
    problems: tuple[str, ...] = ()  # errors inside the watch, each once
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # model -> [step, (step, loss, lr)] every step
    logged: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # name -> [n, (step, value)] from handle.log

    def __repr__(self) -> str:
        frames = f"{len(self.frames)} frame{'' if len(self.frames) == 1 else 's'}"
        models = ", ".join(n.name for n in self.networks) or "no model"
        return f"<{type(self).__name__} {self.info.name!r}: {self.info.state}, {frames} of {models}>"

    @property
    def main(self) -> str:
        """Name of the model that is meant where none is named: the longest trunk, then the most frames."""
        if not self.networks:
            return ""
        count = {n.name: sum(f.model == n.name for f in self.frames) for n in self.networks}
        return max(self.networks, key=lambda n: (count[n.name] > 0, len(n.hops), count[n.name])).name

    @property
    def coverage(self) -> float:
        """Share of the calls whose output requires grad that was really recorded, 0..1; nan where none was seen."""
        seen = self.info.calls_seen
        return self.info.calls_recorded / seen if seen else float("nan")

    @property
    def overhead_share(self) -> float:
        """Self-measured cost of watching / wall time, nan before the run has taken any."""
        return self.info.overhead_s / self.info.wall_s if self.info.wall_s > 0 else float("nan")

    def network(self, model: str | None = None) -> Network:
        """The network called ``model`` (default: ``run.main``). UserError where there is none of that name."""
        name = self.main if model is None else model
        for network in self.networks:
            if network.name == name:
                return network
        known = ", ".join(n.name for n in self.networks) or "none"
        raise UserError(f"No model {name!r} in run {self.info.name!r}. Models seen: {known}.")

    def sites(self, model: str | None = None) -> tuple[Site, ...]:
        """The sites of a model, in the order of the columns of ``of``."""
        name = self.main if model is None else model
        return tuple(s for s in self.site_table if s.model == name)

    def frames_of(self, model: str | None = None) -> tuple[Frame, ...]:
        """The recorded frames of a model, by step."""
        name = self.main if model is None else model
        return tuple(f for f in self.frames if f.model == name)

    def steps(self, model: str | None = None) -> NDArray[np.int64]:
        """Step numbers of the recorded frames [frame]."""
        return np.array([f.step for f in self.frames_of(model)], dtype=np.int64)

    def of(self, stat: str, model: str | None = None) -> NDArray[np.float64]:
        """One statistic of every site at every recorded step, [frame, site]; nan where it was not measured.

        Raises UserError where ``stat`` is no statistic.
        """
        if stat not in STAT_INDEX:
            raise UserError(f"No statistic {stat!r}. Statistics: {', '.join(STATS)}.")
        frames = self.frames_of(model)
        out = np.full((len(frames), len(self.sites(model))), np.nan)
        column = STAT_INDEX[stat]
        for i, frame in enumerate(frames):
            out[i, : len(frame.values)] = frame.values[:, column]
        return out

    def columns(self, names: Sequence[str], model: str | None = None) -> NDArray[np.int64]:
        """Column index of each named site [name]; -1 where a name is no site of the model."""
        index = {s.name: i for i, s in enumerate(self.sites(model))}
        return np.array([index.get(n, -1) for n in names], dtype=np.int64)

    def curve(self, model: str | None = None) -> NDArray[np.float64]:
        """The loss at every step: [step, (step, loss, lr)]; empty (0, 3) where no loss was seen."""
        name = self.main if model is None else model
        return self.curves.get(name, np.empty((0, 3)))
