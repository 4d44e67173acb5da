"""Runs to judge: a plain numpy network trained by hand-written backpropagation, recorded as measuring records it.

Written apart from the package: only the records are shared. ``train(Plan(...))`` gives a Run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import msgspec
import numpy as np

from gradiometer.records import (
    STAT_INDEX,
    STATS,
    Frame,
    Hop,
    LossSeen,
    ModuleSeen,
    Network,
    OptimizerSeen,
    ParamSeen,
    Part,
    Run,
    RunInfo,
    Site,
)

ACTS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1.0, 0.2)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (
        lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500))),
        lambda z: (lambda s: s * (1 - s))(1 / (1 + np.exp(-np.clip(z, -500, 500)))),
    ),
    "linear": (lambda z: z, lambda z: np.ones_like(z)),
}
FLAT = {"tanh": lambda a: np.abs(a) > 0.97, "sigmoid": lambda a: (a < 0.03) | (a > 0.97)}


@dataclass(frozen=True)
class Plan:
    """What to build and how to train it. sigma_w2: fan_in · Var W. norm: "" or "batchnorm"."""

    layers: int = 20  # weight layers, head included
    width: int = 64
    act: str = "relu"
    sigma_w2: float = 1 / 3
    sigma_b2: float = 0.0
    norm: str = ""
    skip: float = 0.0  # branch scale of residual hidden layers, 0 without
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    lr: float = 0.1
    steps: int = 60
    every: int = 5
    loss_factor: float = 1.0
    scaled_levels: bool = True  # trivial level in the units of the loss
    frozen_below: int = 0  # so many layers nearest to the input are frozen and owned by nobody
    zero_head: bool = False
    detach_at: int = -1  # the error stops below this layer
    stale: bool = False
    input_scale: float = 1.0
    biases: tuple[tuple[int, float], ...] = ()  # (layer counted from the input, value of its biases)
    seed: int = 0
    batch: int = 64
    known_level: bool = True
    target_shift: float = 0.0


def task(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(100 + plan.seed)
    centres = rng.normal(size=(10, 32)) * 1.2
    y = rng.integers(0, 10, 2000)
    x = centres[y] + rng.normal(size=(2000, 32))
    x = x / x.std() * plan.input_scale
    if plan.loss == "cross_entropy":
        return x, y
    return x, np.sin(x[:, :1]) + 0.5 * x[:, 1:2] + plan.target_shift


class Net:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        rng = np.random.default_rng(plan.seed)
        out = 10 if plan.loss == "cross_entropy" else 1
        widths = [32] + [plan.width] * (plan.layers - 1) + [out]
        self.w = [rng.normal(size=(a, b)) * math.sqrt(plan.sigma_w2 / a) for a, b in pairwise(widths)]
        self.b = [rng.normal(size=b) * math.sqrt(plan.sigma_b2) for b in widths[1:]]
        for i, value in plan.biases:
            self.b[i][:] = value
        if plan.zero_head:
            self.w[-1][:] = 0
        self.state = [[np.zeros_like(p) for p in self.params()] for _ in range(2)]
        self.t = 0

    def params(self) -> list[np.ndarray]:
        return [*self.w, *self.b]

    def forward(self, x: np.ndarray) -> list[dict]:
        phi, _ = ACTS[self.plan.act]
        cache = []
        for i, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            c: dict = {"in": x, "z": x @ w + b}
            z = c["z"]
            if i < len(self.w) - 1:
                if self.plan.norm:
                    c["std"] = np.sqrt(z.var(0) + 1e-5)
                    c["n"] = z = (z - z.mean(0)) / c["std"]
                c["a"] = phi(z)
                skip = self.plan.skip and i > 0
                x = c["in"] + self.plan.skip * c["a"] if skip else c["a"]
                c["out"] = x
            cache.append(c)
        return cache

    def loss(self, f: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        k = self.plan.loss_factor
        if self.plan.loss == "cross_entropy":
            e = f - f.max(1, keepdims=True)
            logp = e - np.log(np.exp(e).sum(1, keepdims=True))
            d = np.exp(logp)
            d[np.arange(len(y)), y] -= 1
            return k * float(-logp[np.arange(len(y)), y].mean()), k * d / len(y)
        return k * float(((f - y) ** 2).mean()), k * 2 * (f - y) / len(y)

    def backward(self, cache: list[dict], delta: np.ndarray) -> list[np.ndarray]:
        _, dphi = ACTS[self.plan.act]
        gw, gb = [None] * len(self.w), [None] * len(self.w)
        d = delta
        for i in reversed(range(len(self.w))):
            c = cache[i]
            through = 0.0
            if i < len(self.w) - 1:
                c["d_out"] = d
                if self.plan.skip and i > 0:
                    through, d = d, self.plan.skip * d
                c["d_a"] = d
                d = d * dphi(c.get("n", c["z"]))
                if self.plan.norm:
                    c["d_n"] = d
                    d = (d - d.mean(0) - c["n"] * (d * c["n"]).mean(0)) / c["std"]
            c["d_z"] = d
            gw[i], gb[i] = c["in"].T @ d, d.sum(0)
            if i == self.plan.detach_at:
                break
            d = d @ self.w[i].T + through
        return [*gw, *gb]

    def step(self, grads: list) -> list[float]:
        plan, moved = self.plan, []
        self.t += 1
        n = len(self.w)
        for j, (p, g) in enumerate(zip(self.params(), grads, strict=True)):
            if g is None or j % n < plan.frozen_below or plan.stale:
                moved.append(0.0 if g is not None and j % n >= plan.frozen_below else math.nan)
                continue
            m, v = self.state[0][j], self.state[1][j]
            if plan.optimizer == "adam":
                m[:] = 0.9 * m + 0.1 * g
                v[:] = 0.999 * v + 0.001 * g * g
                d = plan.lr * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)
            else:
                m[:] = 0.9 * m + g if plan.optimizer == "momentum" else g
                d = plan.lr * m
            p -= d
            moved.append(float(np.linalg.norm(d)))
        return moved


def network_of(plan: Plan, net: Net) -> tuple[Network, list[Site]]:
    n, per = plan.layers, 3 if plan.norm else 2
    path = [str(i * per) for i in range(n)]
    modules, params, sites = [], [], []
    for i in range(n):
        frozen = i < plan.frozen_below
        fan, out = net.w[i].shape
        w, b = f"{path[i]}.weight", f"{path[i]}.bias"
        modules.append(ModuleSeen(path[i], "Linear", "weights", "linear", {}, fan, out, w, b))
        hop = n - 1 - i
        sites.append(Site("net", path[i], op="linear", hop=per * hop))
        if i < n - 1:
            if plan.norm:
                modules.append(ModuleSeen(str(i * per + 1), "BatchNorm1d", "norm", plan.norm))
                sites.append(Site("net", str(i * per + 1), op=plan.norm, hop=per * hop - 1))
            act = str(i * per + per - 1)
            modules.append(ModuleSeen(act, plan.act, "activation", plan.act))
            sites.append(Site("net", act, op=plan.act, hop=per * hop - per + 1))
        owned = not frozen and not plan.stale
        params += [ParamSeen(w, (out, fan), not frozen, owned), ParamSeen(b, (out,), not frozen, owned)]
    sites += [Site("net", p.name, kind="param") for p in params]
    hops = [_hop(plan, net, path, i) for i in reversed(range(1, n))]
    stations = tuple(reversed(path))
    return Network("net", "Sequential", tuple(modules), tuple(params), tuple(hops), stations), sites


def _hop(plan: Plan, net: Net, path: list[str], i: int) -> Hop:
    per = 3 if plan.norm else 2
    act = str(int(path[i - 1]) + per - 1)
    if plan.skip and i > 1:
        part = Part("block", "block", path[i], path[i], path[i - 1])
        return Hop(path[i], path[i - 1], (part,), skip=True)
    parts = [Part("weights", "linear", path[i], path[i], act, weight=f"{path[i]}.weight", fan_in=net.w[i].shape[0])]
    lower = str(int(path[i - 1]) + 1) if plan.norm else path[i - 1]
    args = {"negative_slope": 0.2} if plan.act == "leaky_relu" else {}
    parts.append(Part("activation", plan.act, act, act, lower, args=args, units=net.w[i].shape[0]))
    if plan.norm:
        parts.append(Part("norm", plan.norm, lower, lower, path[i - 1]))
    return Hop(path[i], path[i - 1], tuple(parts))


def _activity(row: np.ndarray, x: np.ndarray, delta: np.ndarray | None, rank: bool = False) -> None:
    def put(stat: str, value: float) -> None:
        row[STAT_INDEX[stat]] = value

    with np.errstate(all="ignore"):
        put("act_norm", float(np.linalg.norm(x)))
        put("act_numel", x.size)
        put("act_mean", float(x.mean()))
        put("act_std", float(x.std()))
        put("act_max", float(np.abs(x).max()))
        put("act_nonfinite", float(not np.isfinite(x).all()))
        put("act_zero_share", float((x == 0).mean()))
        size = np.linalg.norm(x, axis=1, keepdims=True)
        u = x / np.where(size > 0, size, 1)
        c = u @ u.T
        m = len(x)
        put("act_similarity", float((c.sum() - np.trace(c)) / (m * (m - 1))))
        if rank and np.isfinite(c).all():
            ev = np.clip(np.linalg.eigvalsh(c / m), 1e-300, None)
            put("act_rank_share", float(np.exp(-(ev / ev.sum() * np.log(ev / ev.sum())).sum()) / m))
        if delta is not None:
            put("err_norm", float(np.linalg.norm(delta)))
            put("err_max", float(np.abs(delta).max()))
            put("err_zero_share", float((delta == 0).mean()))
            put("err_nonfinite", float(not np.isfinite(delta).all()))


def _rows(plan: Plan, net: Net, cache: list[dict], sites: list[Site], rank: bool) -> np.ndarray:
    values = np.full((len(sites), len(STATS)), np.nan)
    index = {s.name: i for i, s in enumerate(sites)}
    per = 3 if plan.norm else 2
    for i, c in enumerate(cache):
        _activity(values[index[str(i * per)]], c["z"], c.get("d_z"), rank)
        if "a" not in c:
            continue
        if plan.norm:
            _activity(values[index[str(i * per + 1)]], c["n"], c.get("d_n"))
        row = values[index[str(i * per + per - 1)]]
        _activity(row, c["a"], c.get("d_a"))
        if plan.act in FLAT:
            row[STAT_INDEX["act_saturated_share"]] = FLAT[plan.act](c["a"]).mean()
        if plan.act in ("relu", "leaky_relu"):
            row[STAT_INDEX["act_dead_share"]] = (c["a"] <= 0).all(0).mean()
    return values


def _param_index(plan: Plan, j: int) -> str:
    per, n = 3 if plan.norm else 2, plan.layers
    return f"{(j % n) * per}.{'weight' if j < n else 'bias'}"


def _param_rows(plan: Plan, values: np.ndarray, sites: list[Site], net: Net, grads: list) -> None:
    index = {s.name: i for i, s in enumerate(sites)}
    for j, (p, g) in enumerate(zip(net.params(), grads, strict=True)):
        frozen = j % plan.layers < plan.frozen_below
        row = values[index[_param_index(plan, j)]]
        row[STAT_INDEX["weight_norm"]] = np.linalg.norm(p)
        row[STAT_INDEX["weight_mean"]] = p.mean()
        row[STAT_INDEX["weight_nonfinite"]] = float(not np.isfinite(p).all())
        row[STAT_INDEX["grad_missing"]] = float(g is None or frozen)
        if g is not None and not frozen:
            row[STAT_INDEX["grad_norm"]] = row[STAT_INDEX["grad_norm_raw"]] = np.linalg.norm(g)


def _moves(plan: Plan, values: np.ndarray, sites: list[Site], moved: list[float]) -> None:
    index = {s.name: i for i, s in enumerate(sites)}
    for j, m in enumerate(moved):
        values[index[_param_index(plan, j)], STAT_INDEX["update_norm"]] = m


@lru_cache(maxsize=64)
def train(plan: Plan) -> Run:
    """Trains the plan's network and records it."""
    net = Net(plan)
    network, sites = network_of(plan, net)
    x, y = task(plan)
    rng = np.random.default_rng(plan.seed + 7)
    frames, curve = [], []
    for step in range(plan.steps):
        rows = rng.choice(len(x), plan.batch, replace=False)
        with np.errstate(all="ignore"):
            cache = net.forward(x[rows])
            loss, delta = net.loss(cache[-1]["z"], y[rows])
            grads = net.backward(cache, delta)
            keep = step < 11 or step % plan.every == 0 or step == plan.steps - 1
            values = _rows(plan, net, cache, sites, step % 20 == 0) if keep else None
            if values is not None:
                _param_rows(plan, values, sites, net, grads)  # the weights as they stood before the step
            moved = net.step(grads)
            if values is not None:
                _moves(plan, values, sites, moved)
                frames.append(Frame("net", step, loss, plan.lr, 1.0, 0.0, 0.003, values))
        curve.append((step, loss, plan.lr))
    return assemble(plan, network, sites, frames, np.array(curve), y)


def assemble(
    plan: Plan, network: Network, sites: list[Site], frames: list[Frame], curve: np.ndarray, y: np.ndarray
) -> Run:
    k = plan.loss_factor if plan.scaled_levels else 1.0
    classes = plan.loss == "cross_entropy"
    trivial = math.log(10) if classes else float(y.var())
    seen = LossSeen("net", plan.loss, "mean", "", 10 if classes else 0, plan.batch, k * trivial, 0.0)
    if not plan.known_level:
        seen = LossSeen("net")
    owned = () if plan.stale else tuple(p.name for p in network.params if p.owned)
    cls = {"adam": "Adam"}.get(plan.optimizer, "SGD")
    strangers = 2 * plan.layers if plan.stale else 0
    optimizer = OptimizerSeen("optimizer", cls, {"lr": plan.lr}, {"net": owned} if owned else {}, strangers)
    info = RunInfo("synthetic", "finished", wall_s=1.0, overhead_s=0.005, calls_seen=40, calls_recorded=40)
    return Run(info, (network,), tuple(sites), tuple(frames), (seen,), (optimizer,), curves={"net": curve})


def put(run: Run, site: str, stat: str, value: float | Callable[[int], float]) -> Run:
    """The run with one statistic of one site replaced in every frame (or by a function of the frame's index)."""
    column = next(i for i, s in enumerate(run.site_table) if s.name == site)
    frames = []
    for i, frame in enumerate(run.frames):
        values = frame.values.copy()
        values[column, STAT_INDEX[stat]] = value(i) if callable(value) else value
        frames.append(replace(frame, values=values))
    return replace(run, frames=tuple(frames))


def rescaled(run: Run, factor: float) -> Run:
    """The run as it would have been recorded with the loss multiplied and the steps equal (Adam, or lr divided)."""
    stats = [STAT_INDEX[s] for s in STATS if s.startswith(("err_norm", "err_max", "err_in_norm", "grad_norm"))]
    frames = []
    for frame in run.frames:
        values = frame.values.copy()
        values[:, stats] *= factor
        frames.append(replace(frame, values=values, loss=frame.loss * factor))
    curves = {m: c * np.array([1.0, factor, 1.0]) for m, c in run.curves.items()}
    return replace(run, frames=tuple(frames), curves=curves)


def network(run: Run, **changes: object) -> Run:
    """The run with its network changed."""
    return replace(run, networks=(msgspec.structs.replace(run.networks[0], **changes),))


def with_losses(run: Run, values: np.ndarray, lr: float = 0.1) -> Run:
    """The run with another loss at every step."""
    steps = np.arange(len(values), dtype=float)
    curve = np.stack([steps, values, np.full(len(values), lr)], axis=1)
    frames = tuple(replace(f, loss=float(values[min(f.step, len(values) - 1)])) for f in run.frames)
    return replace(run, frames=frames, curves={"net": curve})


def learned_to(share: float, n: int = 150) -> np.ndarray:
    return math.log(10) * np.concatenate([np.linspace(1.0, share, n - 50), np.full(50, share)])


def loss_seen(run: Run, **changes: object) -> Run:
    """The run with what was seen of its loss changed."""
    return replace(run, losses=tuple(msgspec.structs.replace(x, **changes) for x in run.losses))


def stuck(run: Run, steps: int = 150, level: float = math.log(10)) -> Run:
    """The run with a loss that stays at its trivial level."""
    return with_losses(run, np.full(steps, level))


def weights(run: Run) -> list[str]:
    """Names of the weights of a synthetic network, input first."""
    return [p.name for p in run.networks[0].params if p.name.endswith("weight")]


def put_all(run: Run, names: list[str], stat: str, value: float | Callable[[int], float]) -> Run:
    """The run with one statistic of several sites replaced in every frame."""
    for name in names:
        run = put(run, name, stat, value)
    return run
