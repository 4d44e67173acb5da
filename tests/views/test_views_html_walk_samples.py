"""Walks to show: a sigmoid MLP computed here, forks, zero, nan and inf, hostile names; and what holds for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from gradiometer.records.walk import Arm, Factor, Focus, LawUsed, Term, Update, Walk, WalkHop

Array = NDArray[np.float64]
HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<b>"

LAWS = (
    LawUsed("linear", r"W x + b", r"W^{\top} \delta, \delta x^{\top}", "definition"),
    LawUsed("sigmoid", r"\frac{1}{1 + \exp(-z)}", r"\delta \odot \sigma(z) (1 - \sigma(z))", "definition"),
)


# ---- a sigmoid MLP, by numpy alone -------------------------------------------------------------------------------


@dataclass
class Mlp:
    """Layers of one width with sigmoids, mean squared error on one batch. [layer][out, in], layer 0 at the input."""

    depth: int
    width: int = 64
    gain: float = 0.577
    batch: int = 1
    seed: int = 7
    weights: list[Array] = field(default_factory=list)
    before: list[Array] = field(default_factory=list)  # z, [layer][batch, unit]
    outputs: list[Array] = field(default_factory=list)  # [layer + 1][batch, unit], the input first
    errors: list[Array] = field(default_factory=list)  # ∂L/∂z, [layer][batch, unit]

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        n = self.width
        self.weights = [rng.normal(0, self.gain / math.sqrt(n), (n, n)) for _ in range(self.depth)]
        self.outputs = [rng.normal(size=(self.batch, n))]
        for w in self.weights:
            self.before.append(self.outputs[-1] @ w.T)
            self.outputs.append(1 / (1 + np.exp(-self.before[-1])))
        target = rng.uniform(size=(self.batch, n))
        error = 2 * (self.outputs[-1] - target) / target.size
        self.loss = float(((self.outputs[-1] - target) ** 2).mean())
        for w, z in zip(reversed(self.weights), reversed(self.before), strict=True):
            error = error * self.slope(z)
            self.errors.insert(0, error)
            error = error @ w

    @staticmethod
    def slope(z: Array) -> Array:
        s = 1 / (1 + np.exp(-z))
        return s * (1 - s)


def _norm(x: Array) -> float:
    return float(np.linalg.norm(x))


def mlp_hop(net: Mlp, upper: int) -> WalkHop:
    """From layer ``upper`` to the one below it; layers count from 1 at the input, as their labels do."""
    lower = upper - 1
    arrives, leaves = net.errors[upper - 1], net.errors[lower - 1]
    between = arrives @ net.weights[upper - 1]
    shape = arrives.shape
    sizes = _norm(arrives), _norm(between), _norm(leaves)
    lost = math.log10(sizes[0] / sizes[2])
    weights = Factor(
        law="linear",
        role="weights",
        place=f"net.{2 * upper - 2}",
        title="weights",
        rule=rf"W_{{{upper}}}^{{\top}} \delta_{{{upper}}}",
        before=sizes[0],
        after=sizes[1],
        factor=sizes[1] / sizes[0],
        shape_before=shape,
        shape_after=shape,
        theory=0.577,
        share=math.log10(sizes[0] / sizes[1]) / lost,
        gap=2e-16,
    )
    sigmoid = Factor(
        law="sigmoid",
        role="activation",
        place=f"net.{2 * lower - 1}",
        title="sigmoid",
        rule=rf"\odot \sigma'(z_{{{lower}}})",
        before=sizes[1],
        after=sizes[2],
        factor=sizes[2] / sizes[1],
        shape_before=shape,
        shape_after=shape,
        theory=0.246,
        largest=0.25,
        slope=float(net.slope(net.before[lower - 1]).mean()),
        share=math.log10(sizes[1] / sizes[2]) / lost,
        gap=1e-16,
    )
    return WalkHop(
        number=net.depth - lower,
        upper=f"net.{2 * upper - 1}",
        lower=f"net.{2 * lower - 1}",
        upper_label=str(upper),
        lower_label=str(lower),
        rule=rf"\delta_{{{lower}}} = (W_{{{upper}}}^{{\top}} \delta_{{{upper}}}) \odot \sigma'(z_{{{lower}}})",
        error_in=sizes[0],
        error_out=sizes[2],
        gain=sizes[2] / sizes[0],
        gain_autograd=sizes[2] / sizes[0],
        gap=3e-16,
        shape_in=shape,
        shape_out=shape,
        factors=(weights, sigmoid),
        theory=0.142,
        focus=(mlp_focus(net, lower),),
    )


def mlp_focus(net: Mlp, layer: int, i: int = 3, j: int = 5) -> Focus:
    """∂L/∂w_ij of a layer as a sum over the units of the next one."""
    above, x = net.errors[layer], net.outputs[layer - 1][0, j]
    slope = net.slope(net.before[layer - 1])[0, i]
    values = above[0] * net.weights[layer][:, i] * slope * x
    gradient = float(net.errors[layer - 1][0, i] * x)
    order = np.argsort(-values)
    return Focus(
        parameter=f"net.{2 * layer - 2}.weight",
        index=(i, j),
        weight=float(net.weights[layer - 1][i, j]),
        gradient=float(values.sum()),
        by_autograd=gradient,
        over="units",
        site=f"net.{2 * layer}",
        rule=rf"\frac{{\partial L}}{{\partial w_{{{i},{j}}}}} = \sum_{{k}} \frac{{\partial L}}{{\partial z_k}}"
        rf"\frac{{\partial z_k}}{{\partial w_{{{i},{j}}}}}",
        terms=tuple(Term(f"unit {k}", float(values[k])) for k in order),
        count=len(values),
        positive=float(values[values > 0].sum()),
        negative=float(values[values < 0].sum()),
        gap=2e-16,
        why="the middle of the layer's gradients by size",
        update=adam(gradient, float(net.weights[layer - 1][i, j])),
    )


def adam(gradient: float, weight: float) -> Update:
    size = abs(gradient)
    change = -1e-3 * gradient / (size + 1e-8)
    return Update(
        optimizer="Adam",
        rule=r"\Delta w = -\mathrm{lr} \cdot \frac{\hat m}{\sqrt{\hat v} + \epsilon}",
        settings={"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False},
        gradient=gradient,
        change=change,
        steps=tuple((n, change / 1e-3) for n in (1, 10, 100, 1000)),
        epsilon_share=1e-8 / (size + 1e-8),
        binds=size < 1e-8,
        weight_norm=8.0 * abs(weight),
        update_norm=64 * abs(change),
        steps_to_move=abs(weight) / (8 * abs(change)) if change else math.inf,
    )


@lru_cache(maxsize=4)
def mlp_walk(depth: int = 20, width: int = 64) -> Walk:
    net = Mlp(depth, width)
    hops = tuple(mlp_hop(net, upper) for upper in range(depth, 1, -1))
    return walk_of(*hops, network=f"digits-sigmoid-{depth}", loss=net.loss, focus=hops[-1].focus[0])


def walk_of(*hops: WalkHop, focus: Focus | None = None, network: str = "net", loss: float = 0.1) -> Walk:
    """A walk over these hops, its stations and sizes taken from them."""
    errors = (hops[0].error_in, *(h.error_out for h in hops)) if hops else (1.0,)
    return Walk(
        network=network,
        cls="Sequential",
        dtype="float64",
        examples=1,
        loss=loss,
        loss_kind="mean squared error",
        loss_law="mse_loss",
        loss_rule=r"\delta = \frac{2}{n} (y - t)",
        error_at_head=errors[0],
        stations=(hops[0].upper, *(h.lower for h in hops)) if hops else ("net",),
        labels=(hops[0].upper_label, *(h.lower_label for h in hops)) if hops else ("1",),
        errors=errors,
        hops=hops,
        laws=LAWS,
        operations=3 * len(hops),
        by_law=3 * len(hops),
        focus=focus,
        optimizer="Adam",
        versions={"torch": "2.13"},
    )


# ---- forks and odd ones, small and by hand -----------------------------------------------------------------------


def factor(title: str, before: float, after: float, role: str = "weights", **more: object) -> Factor:
    gain = after / before if before else math.nan
    whole = {"law": title, "place": "", "rule": r"W^{\top} \delta"} | more
    return Factor(role=role, title=title, before=before, after=after, factor=gain, **whole)  # type: ignore[arg-type]


def chain(sizes: list[float], steps: list[tuple[str, str]]) -> tuple[Factor, ...]:
    """Steps (title, role) between sizes."""
    return tuple(factor(title, a, b, role) for (title, role), a, b in zip(steps, sizes, sizes[1:], strict=False))


def hop(*factors: Factor, number: int = 1, **more: object) -> WalkHop:
    first, last = (factors[0].before, factors[-1].after) if factors else (1.0, 1.0)
    whole = {"upper_label": "blocks.2", "lower_label": "blocks.1", "rule": r"\delta_1 = W_2^{\top} \delta_2"} | more
    return WalkHop(
        number=number,
        upper=f"blocks.{number + 1}",
        lower=f"blocks.{number}",
        error_in=first,
        error_out=last,
        gain=last / first if first else math.nan,
        gain_autograd=last / first if first else math.nan,
        gap=4e-16,
        shape_in=(8, 16, 64),
        shape_out=(8, 16, 64),
        factors=factors,
        **whole,  # type: ignore[arg-type]
    )


def residual(number: int = 1, size: float = 0.02) -> WalkHop:
    """A pre-norm residual block: the skip keeps all, the branch brings 40 %."""
    steps = [("weights", "weights"), ("GELU", "activation"), ("weights", "weights"), ("layer norm", "norm")]
    branch = chain([size, 1.3 * size, 0.7 * size, 0.6 * size, 0.4 * size], steps)
    after = size * math.sqrt(1 + 0.16 + 0.1)
    arms = (Arm("skip", size, 1.0), Arm("branch", 0.4 * size, 0.4, branch))
    fork = factor("skip and branch", size, after, "fork", arms=arms, interference=0.1, rule=r"\delta + J^{\top} \delta")
    return hop(fork, number=number, skip=True, upper_label=f"blocks.{number + 1}", lower_label=f"blocks.{number}")


def attention(number: int = 1, size: float = 3.0) -> WalkHop:
    """A pre-norm attention block: beside the skip, a branch that parts into queries, keys and values."""
    middle = 0.8 * size
    arms = (
        Arm("queries", 0.12 * size, 0.15),
        Arm("keys", 0.16 * size, 0.2),
        Arm("values", 0.72 * size, 0.9, (factor("attention", middle, 0.72 * size, "attention"),)),
    )
    joined = middle * math.sqrt(0.15**2 + 0.2**2 + 0.9**2)
    inside = (
        factor("weights", size, middle),
        factor("queries, keys and values", middle, joined, "fork", arms=arms, interference=0.0),
        factor("reshape", joined, joined, "reshape"),
        factor("weights", joined, 0.5 * size),
        factor("layer norm", 0.5 * size, 0.3 * size, "norm"),
    )
    after = size * math.sqrt(1 + 0.09 - 0.2)
    ways = (Arm("skip", size, 1.0), Arm("branch", 0.3 * size, 0.3, inside))
    fork = factor("skip and branch", size, after, "fork", arms=ways, interference=-0.2)
    return hop(fork, number=number, skip=True, upper_label=f"blocks.{number}.attn", lower_label=f"blocks.{number}.in")


def dozen() -> WalkHop:
    """Many steps in a row, with reshapes that keep the size among them."""
    steps = [("weights", "weights"), ("reshape", "reshape"), ("softmax", "softmax"), ("product", "product")]
    steps += [("reshape", "reshape"), ("weights", "weights"), ("dropout", "dropout"), ("layer norm", "norm")]
    steps += [("GELU", "activation"), ("weights", "weights"), ("mean", "reduction"), ("layer norm", "norm")]
    sizes = [1.0, 0.9, 0.9, 0.4, 0.5, 0.5, 0.6, 0.66, 0.8, 0.3, 0.36, 0.2, 0.15]
    return hop(*chain(sizes, steps))


def plain(before: float, after: float, **more: object) -> WalkHop:
    return hop(factor("weights", before, after, by_law=more.pop("by_law", True), share=1.0), **more)


ODD = {
    "zero": walk_of(plain(1.0, 0.5), plain(0.5, 0.0, number=2), plain(0.0, 0.0, number=3)),
    "nan": walk_of(plain(1.0, 0.5), plain(0.5, math.nan, number=2), plain(math.nan, math.nan, number=3)),
    "inf": walk_of(plain(1.0, 5e200), plain(5e200, math.inf, number=2), plain(math.inf, math.inf, number=3)),
    "tiny": walk_of(plain(1e-3, 1e-300), plain(1e-300, 1e-308, number=2)),
    "one": walk_of(plain(1.0, 0.9)),
    "none": walk_of(),
    "growth": walk_of(plain(1.0, 40.0)),
    "no law": walk_of(plain(1.0, 1.0, by_law=False, rule="")),
    "steps": walk_of(dozen()),
}


def hostile() -> Walk:
    """Every text of a walk is a trap."""
    term = Term(HOSTILE, 1.0)
    update = Update(HOSTILE, HOSTILE, {HOSTILE: 1.0}, 1.0, 1.0, ((1, 1.0),), note=HOSTILE)
    focus = Focus(HOSTILE, (0,), 1.0, 1.0, 1.0, "units", HOSTILE, HOSTILE, (term,), 1, 1.0, 0.0, 0.0, HOSTILE, update)
    arms = (Arm(HOSTILE, 1.0, 1.0), Arm(HOSTILE, 0.5, 0.5, (factor(HOSTILE, 1.0, 0.5, rule=HOSTILE, place=HOSTILE),)))
    fork = factor(HOSTILE, 1.0, 1.1, "fork", arms=arms, interference=0.0, rule=HOSTILE, place=HOSTILE, by_law=False)
    one = hop(fork, upper_label=HOSTILE, lower_label=HOSTILE, rule=HOSTILE, focus=(focus,))
    walk = walk_of(one, focus=focus, network=HOSTILE)
    laws = (LawUsed(HOSTILE, HOSTILE, HOSTILE, HOSTILE),)
    names = {"cls": HOSTILE, "dtype": HOSTILE, "loss_kind": HOSTILE, "loss_law": HOSTILE, "loss_rule": HOSTILE}
    return msgspec.structs.replace(
        walk, laws=laws, notes=(HOSTILE,), without_law=((HOSTILE, 1),), optimizer=HOSTILE, **names
    )


def mixed(hops: int = 30) -> Walk:
    """Forks after forks, as a transformer has them."""
    out: list[WalkHop] = []
    size = 3.0
    for n in range(1, hops + 1):
        one = (attention if n % 2 else residual)(n, size)
        out.append(one)
        size = one.error_out
    return walk_of(*out, network="small-gpt")


# ---- the samples themselves --------------------------------------------------------------------------------------


def test_the_mlp_is_a_real_one() -> None:
    """Its gradient against a difference quotient of its loss."""
    net, step = Mlp(3, width=6), 1e-6

    def loss(change: float) -> float:
        x = net.outputs[0]
        for layer, w in enumerate(net.weights):
            w = w.copy()
            w[3, 5] += change if layer == 0 else 0.0
            x = 1 / (1 + np.exp(-(x @ w.T)))
        rng = np.random.default_rng(net.seed)
        [rng.normal(size=(6, 6)) for _ in range(3)]
        rng.normal(size=(1, 6))
        return float(((x - rng.uniform(size=(1, 6))) ** 2).mean())

    focus = mlp_focus(net, 1)
    assert loss(0.0) == pytest.approx(net.loss)
    assert focus.gradient == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=1e-6)
    assert focus.gradient == pytest.approx(focus.by_autograd, rel=1e-12)
    assert focus.positive + focus.negative == pytest.approx(focus.gradient)


def test_the_factors_of_a_hop_make_its_gain() -> None:
    for one in mlp_walk(6).hops:
        assert math.prod(f.factor for f in one.factors) == pytest.approx(one.gain)
        assert sum(f.share for f in one.factors) == pytest.approx(1.0)
    for fork in (residual().factors[0], attention().factors[0]):
        assert fork.factor**2 == pytest.approx(sum(a.gain**2 for a in fork.arms) + fork.interference)
