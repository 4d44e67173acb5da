"""Runs and diagnoses built by hand, number by number, for the pages."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from gradiometer.records import (
    ALL_CAUSES,
    STAT_INDEX,
    STATS,
    Alternative,
    Cure,
    Diagnosis,
    Evidence,
    Finding,
    Frame,
    Hop,
    ModuleSeen,
    Network,
    ParamSeen,
    Part,
    Run,
    RunInfo,
    Site,
)


@dataclass
class Chain:
    """A chain of linear layers with an activation between: gains of each hop are set, not computed.

    weights, slopes: factor of each hop's weights and activation [hop]. needs: learning time of each layer, loss first.
    """

    weights: list[float]
    slopes: list[float]
    activation: str = "sigmoid"
    name: str = "net"
    prefix: str = ""
    needs: list[float] | None = None
    steps: tuple[int, ...] = (0, 1, 2)
    missing: dict[int, str] = field(default_factory=dict)  # station -> "nan" | "zero" | "inf"
    skip: frozenset[int] = frozenset()
    spine: frozenset[int] = frozenset()
    numbered: bool = True  # stations are layers of weights: labels are numbers, not paths

    def paths(self) -> list[str]:
        """Path of each station's layer, loss first: even numbers as in a Sequential."""
        n = len(self.weights) + 1
        return [f"{self.prefix}{2 * (n - 1 - i)}" for i in range(n)]

    def network(self) -> Network:
        paths = self.paths()
        modules = [
            ModuleSeen(p, "Linear", "weights", "linear", fan_in=64, fan_out=64, weight=p + ".weight") for p in paths
        ]
        modules += [ModuleSeen(self._act(p), self.activation, "activation", self.activation) for p in paths[1:]]
        hops = []
        for i, (upper, lower) in enumerate(itertools.pairwise(paths)):
            act = self._act(lower)
            if i in self.skip:
                parts: tuple[Part, ...] = (Part("block", "block", upper, upper, lower),)
            else:
                parts = (
                    Part("weights", "linear", upper, upper, act, weight=upper + ".weight", fan_in=64, units=64),
                    Part("activation", self.activation, act, act, lower, units=64),
                )
            hops.append(Hop(upper, lower, parts, skip=i in self.skip, spine=i in self.spine))
        params = tuple(ParamSeen(p + ".weight", (64, 64), True, True) for p in paths)
        return Network(self.name, "MLP", tuple(modules) if self.numbered else (), params, tuple(hops), tuple(paths))

    def _act(self, lower: str) -> str:
        return f"{self.prefix}{int(lower.removeprefix(self.prefix)) + 1}"

    def sites(self) -> list[Site]:
        paths = self.paths()
        out = [Site(self.name, p, op="linear", hop=i) for i, p in enumerate(paths)]
        out += [Site(self.name, self._act(p), op=self.activation) for p in paths[1:]]
        return out + [Site(self.name, p + ".weight", kind="param", op="weight") for p in paths]

    def frames(self, extra: int = 0) -> list[Frame]:
        paths, sites = self.paths(), self.sites()
        rows = {s.name: i for i, s in enumerate(sites)}
        values = np.full((len(sites) + extra, len(STATS)), np.nan)
        size = 1.0
        for i, path in enumerate(paths):
            self._put(values[rows[path]], i, size)
            if i < len(self.weights):
                act = self._act(paths[i + 1])
                values[rows[act], STAT_INDEX["err_norm"]] = size * self.weights[i]
                size *= self.weights[i] * self.slopes[i]
            needs = self.needs[i] if self.needs else 29.0
            norm = 8.0 * self.weights[min(i, len(self.weights) - 1)]  # n Var(W) is the square of the hop's factor
            values[rows[path + ".weight"], STAT_INDEX["weight_norm"]] = norm
            values[rows[path + ".weight"], STAT_INDEX["weight_mean"]] = 0.0
            values[rows[path + ".weight"], STAT_INDEX["update_norm"]] = 0.0 if np.isinf(needs) else norm / needs
        return [Frame(self.name, s, 2.31, 0.1, 1.0, 1e-5, 0.0033, values) for s in self.steps]

    def _put(self, row: np.ndarray, station: int, size: float) -> None:
        state = self.missing.get(station)
        row[STAT_INDEX["err_nonfinite"]] = 1.0 if state == "inf" else 0.0
        row[STAT_INDEX["err_norm"]] = {None: size, "zero": 0.0}.get(state, np.nan)
        row[STAT_INDEX["act_norm"]] = 8.0
        row[STAT_INDEX["act_numel"]] = 64.0


def run_of(*chains: Chain, **info: object) -> Run:
    """A finished run of the chains given."""
    facts: dict[str, object] = {
        "name": "digits-sigmoid-20",
        "state": "finished",
        "script": "train.py",
        "wall_s": 5.0,
        "overhead_s": 0.035,
        "calls_seen": 40,
        "calls_recorded": 40,
    }
    known = {k: info.pop(k) for k in ("problems", "not_covered", "curves", "losses") if k in info}
    return Run(
        RunInfo(**(facts | info)),  # type: ignore[arg-type]
        tuple(c.network() for c in chains),
        tuple(s for c in chains for s in c.sites()),
        tuple(f for c in chains for f in c.frames()),
        **known,  # type: ignore[arg-type]
    )


def diagnosis_of(run: Run, *findings: Finding, **more: object) -> Diagnosis:
    """The diagnosis of a run with the findings given."""
    facts: dict[str, object] = {
        "schema": 1,
        "run": run.info.name,
        "healthy": not any(f.severity == "fail" for f in findings),
        "coverage": run.coverage,
        "checked": ALL_CAUSES,
        "not_covered": tuple(f"{n.site}: {n.reason}" for n in run.not_covered),
        "overhead_share": run.overhead_share,
        "findings": findings,
    }
    return Diagnosis(**(facts | more))  # type: ignore[arg-type]


def sigmoid_chain(n_hops: int = 19, **more: object) -> Chain:
    """The example of the design: twenty layers of sigmoids that keep 14 % of the error a hop."""
    wobble = 1 + 0.03 * np.cos(np.arange(n_hops))
    needs = [29.0 * (1 / 0.139) ** min(i, 300) for i in range(n_hops + 1)]
    return Chain(list(0.58 * wobble), [0.24] * n_hops, needs=needs, **more)  # type: ignore[arg-type]


def vanishing(chain: Chain) -> Finding:
    """The finding that belongs to ``sigmoid_chain``."""
    acts = tuple(chain._act(p) for p in chain.paths()[1:])
    return Finding(
        chain.name,
        "vanishing",
        "activation-shrinks-error",
        "fail",
        acts,
        (0, 2),
        "The error dies in the sigmoids. Layer 1 needs 5.3 × 10¹⁷ steps to move by its own size.",
        (
            Evidence(
                "drop of the error, loss → layer 1", -16.3, "decades", -3.0, "total drop of a healthy trunk", True
            ),
            Evidence("gain per hop, median", 0.139, "", 0.8, "mean field: a critical hop keeps the error", True),
            Evidence("early / late layers, update ratio", 1.9e-9, "", 0.01, "consequence for learning", True),
            Evidence("activation std over layers, max / min", 1.9, "", 10.0, "the activation keeps its size", False),
        ),
        (
            Cure("tanh", "tanh, critical point", 0.14, 1.0, True, "nn.Tanh() for nn.Sigmoid(); weights: std 1.33/√n"),
            Cure("skip", "skips, 1/√L branches", 0.14, 1.0, True, "x = x + branch(x) / L**0.5"),
            Cure("relu", "ReLU, init as it is", 0.14, 0.41, False, "nn.ReLU() for nn.Sigmoid()"),
        ),
        (Alternative("init-too-small", "the weights take 28 % of the drop"),),
    )
