"""Walks for the pages, their numbers computed in numpy from small networks. Nothing here knows torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from gradiometer.records.walk import Arm, Factor, Focus, LawUsed, Term, Update, Walk, WalkHop

Array = NDArray[np.float64]
EPS = 2.0**-52
SUM = (
    r"\frac{\partial L}{\partial w_{@w}} = "
    r"\sum_@k \frac{\partial L}{\partial z_@k} \frac{\partial z_@k}{\partial w_{@w}}"
)

LINEAR = LawUsed(
    "linear", r"z = W x + b", r"\delta_x = W^{\top} \delta, \partial L / \partial W = \delta x^{\top}", "definition"
)
SIGMOID = LawUsed(
    "sigmoid",
    r"\sigma(z) = \frac{1}{1 + e^{-z}}",
    r"\delta_z = \delta \odot \sigma(z) (1 - \sigma(z))",
    "Rumelhart, Hinton, Williams 1986",
)


def norm(a: Array) -> float:
    return float(np.linalg.norm(a))


@dataclass
class _Chain:
    """Weights [layer], activations and errors of a sigmoid network after one pass."""

    weights: list[Array]
    z: list[Array]
    x: list[Array]
    deltas: list[Array]
    loss: float


def _passed(depth: int, width: int, examples: int, seed: int) -> _Chain:
    """A pass through ``depth`` layers, U(±1/√n) weights, cross-entropy: errors by δ_l = (Wᵀδ)⊙σ′."""
    draw = np.random.default_rng(seed)
    bound = 1 / math.sqrt(width)
    weights = [draw.uniform(-bound, bound, (width, width)) for _ in range(depth)]
    x, z = [draw.standard_normal((examples, width))], []
    for layer, w in enumerate(weights):
        z.append(x[-1] @ w.T)
        x.append(z[-1] if layer == depth - 1 else 1 / (1 + np.exp(-z[-1])))
    p = np.exp(z[-1] - z[-1].max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    right = draw.integers(0, width, examples)
    loss = -float(np.log(p[np.arange(examples), right]).mean())
    delta = p.copy()
    delta[np.arange(examples), right] -= 1
    deltas = [delta / examples]
    for layer in range(depth - 1, 0, -1):
        s = x[layer]
        deltas.append((deltas[-1] @ weights[layer]) * s * (1 - s))
    deltas.append(deltas[-1] @ weights[0])
    return _Chain(weights, z, x, deltas, loss)


def sigmoid_walk(depth: int = 20, width: int = 30, examples: int = 32, focused: int = 14) -> Walk:
    """A chain of sigmoid layers; the focus is ``net.<2·(focused−1)>.weight[3,5]`` over the units of the next layer."""
    seen = _passed(depth, width, examples, seed=1)
    labels = (*(str(depth - i) for i in range(depth)), "in")
    stations = (*(f"net.{2 * (depth - 1 - i)}" for i in range(depth)), "input")
    hops = []
    for i in range(depth):
        layer = depth - 1 - i
        arrived, left = seen.deltas[i], seen.deltas[i + 1]
        after_w = arrived @ seen.weights[layer]
        upper, lower = depth - i, depth - 1 - i
        rule = rf"W_{{{upper}}}^{{\top}} \delta_{{{upper}}}"
        factors = [_weights(arrived, after_w, rule, stations[i])]
        whole = rf"\delta_{{{labels[i + 1]}}} = {rule}" if layer == 0 else ""
        if layer > 0:
            slope = seen.x[layer] * (1 - seen.x[layer])
            factors.append(_sigmoid(after_w, left, slope, lower, f"net.{2 * lower - 1}"))
            whole = rf"\delta_{{{lower}}} = \left({rule}\right) \odot \sigma'(z_{{{lower}}})"
        hops.append(_hop(i + 1, (stations[i], stations[i + 1]), (labels[i], labels[i + 1]), whole, tuple(factors)))
    focus = _unit_focus(seen, focused, stations[depth - 1 - focused])
    at = depth - focused  # the hop below the layer of the weight's next one
    hops[at - 1] = msgspec.structs.replace(hops[at - 1], focus=(focus,))
    return Walk(
        network="net",
        cls="MLP",
        dtype="float64",
        examples=examples,
        loss=seen.loss,
        loss_kind="cross-entropy",
        loss_law="cross_entropy",
        loss_rule=rf"\delta_{{{depth}}} = \frac{{1}}{{N}} \left(\operatorname{{softmax}}(z_{{{depth}}}) - y\right)",
        error_at_head=norm(seen.deltas[0]),
        stations=stations,
        labels=labels,
        errors=tuple(norm(d) for d in seen.deltas),
        hops=tuple(hops),
        laws=(LINEAR, SIGMOID),
        operations=2 * depth,
        by_law=2 * depth,
        focus=focus,
        optimizer="SGD",
        versions={"torch": "2.13.0"},
    )


def _weights(before: Array, after: Array, rule: str, place: str) -> Factor:
    width = before.shape[1]
    return Factor(
        "linear",
        "weights",
        place,
        "weights",
        rule,
        norm(before),
        norm(after),
        norm(after) / norm(before),
        before.shape,
        after.shape,
        theory=math.sqrt(width / (3 * width)),
        gap=EPS,
    )


def _sigmoid(before: Array, after: Array, slope: Array, lower: int, place: str) -> Factor:
    return Factor(
        "sigmoid",
        "activation",
        place,
        "sigmoid",
        rf"@ \odot \sigma'(z_{{{lower}}})".replace("@", rf"W_{{{lower + 1}}}^{{\top}} \delta_{{{lower + 1}}}"),
        norm(before),
        norm(after),
        norm(after) / norm(before),
        before.shape,
        after.shape,
        theory=0.2461,
        largest=0.25,
        slope=float(slope.mean()),
        gap=EPS,
    )


def _hop(
    number: int,
    between: tuple[str, str],
    labels: tuple[str, str],
    rule: str,
    factors: tuple[Factor, ...],
    skip: bool = False,
) -> WalkHop:
    """The hop of these factors: gain, shares and theory follow from them."""
    before, after = factors[0].before, factors[-1].after
    loss = math.log10(before) - math.log10(after) if 0 < after < math.inf and 0 < before < math.inf else math.nan
    shared = tuple(
        msgspec.structs.replace(f, share=-math.log10(f.factor) / loss if loss > 0 else math.nan) for f in factors
    )
    gain = after / before if before else math.nan
    return WalkHop(
        number,
        *between,
        *labels,
        rule,
        before,
        after,
        gain,
        gain * (1 + EPS),
        1.4 * EPS,
        factors[0].shape_before,
        factors[-1].shape_after,
        shared,
        theory=math.prod(f.theory for f in factors),
        skip=any("skip" in a.name for f in factors for a in f.arms),
    )


def _unit_focus(seen: _Chain, layer: int, site: str) -> Focus:
    """∂L/∂w of layer ``layer`` (from 1), weight [3, 5], as a sum over the units of the layer above it."""
    i, j = 3, 5
    depth = len(seen.weights)
    delta_above = seen.deltas[depth - 1 - layer]  # at z of the layer above
    slope = seen.x[layer][:, i] * (1 - seen.x[layer][:, i])
    path = seen.weights[layer][:, i] * (slope * seen.x[layer - 1][:, j])[:, None]  # ∂z_k/∂w [example, unit]
    terms = (delta_above * path).sum(axis=0)
    gradient = float((seen.deltas[depth - layer][:, i] * seen.x[layer - 1][:, j]).sum())
    order = np.argsort(-np.abs(terms))
    weight = seen.weights[layer - 1]
    rate = 0.1
    step = rate * norm(seen.deltas[depth - layer].T @ seen.x[layer - 1])
    update = Update(
        "SGD",
        r"w \leftarrow w - \eta \frac{\partial L}{\partial w}",
        {"lr": rate},
        gradient,
        -rate * gradient,
        steps=tuple((t, -gradient) for t in (1, 10, 100, 1000)),
        weight_norm=norm(weight),
        update_norm=step,
        steps_to_move=norm(weight) / step,
    )
    return Focus(
        f"net.{2 * (layer - 1)}.weight",
        (i, j),
        float(weight[i, j]),
        float(terms.sum()),
        gradient,
        "units",
        site,
        SUM.replace("@w", "3,5").replace("@k", "k"),
        tuple(Term(f"unit {k}", float(terms[k])) for k in order),
        len(terms),
        float(terms[terms > 0].sum()),
        float(terms[terms < 0].sum()),
        abs(float(terms.sum()) - gradient) / max(float(terms[terms > 0].sum()), -float(terms[terms < 0].sum())),
        "",
        update,
    )


def example_focus() -> Focus:
    """A weight of the last layer: its sum runs over 8 examples; Adam's ε binds, as the gradient is so small."""
    draw = np.random.default_rng(3)
    terms = draw.standard_normal(8) * 1e-10
    order = np.argsort(-np.abs(terms))
    g, eps, rate = float(terms.sum()), 1e-8, 1e-3
    share = eps / (abs(g) + eps)
    update = Update(
        "Adam",
        r"w \leftarrow w - \eta \frac{\hat m}{\sqrt{\hat v} + \epsilon}",
        {"lr": rate, "eps": eps, "beta1": 0.9, "beta2": 0.999},
        g,
        -rate * g / (abs(g) + eps),
        steps=tuple((t, -g / (abs(g) + eps)) for t in (1, 10, 100, 1000)),
        epsilon_share=share,
        binds=share > 0.5,
        weight_norm=2.0,
        update_norm=0.0,
        steps_to_move=math.inf,
        note="The optimizer has made no step yet: its averages start at zero.",
    )
    return Focus(
        "head.weight",
        (0, 2),
        -0.03,
        g,
        g,
        "examples",
        "head",
        SUM.replace("@w", "0,2").replace("@k", "n"),
        tuple(Term(f"example {k}", float(terms[k])) for k in order),
        8,
        float(terms[terms > 0].sum()),
        float(terms[terms < 0].sum()),
        0.0,
        "It has the largest gradient of the last layer.",
        update,
    )


# ---- forks -------------------------------------------------------------------------------------------------------


def residual_walk(blocks: int = 6, width: int = 24, examples: int = 16) -> Walk:
    """Blocks x + ReLU(W x) under a mean: the error goes along the skip and through the branch, and both add up."""
    draw = np.random.default_rng(5)
    weights = [draw.standard_normal((width, width)) * math.sqrt(0.4 / width) for _ in range(blocks)]
    x, z = [draw.standard_normal((examples, width))], []
    for w in weights:
        z.append(x[-1] @ w.T)
        x.append(x[-1] + np.maximum(z[-1], 0))
    deltas = [draw.standard_normal((examples, width)) / examples]
    hops = []
    for i, layer in enumerate(range(blocks - 1, -1, -1)):
        upper, lower = f"blocks.{layer}", f"blocks.{layer - 1}" if layer else "input"
        slope = (z[layer] > 0).astype(float)
        after_relu = deltas[-1] * slope
        branch = after_relu @ weights[layer]
        left = deltas[-1] + branch
        steps = (
            _step(
                "relu", "activation", f"{upper}.act", "ReLU", deltas[-1], after_relu, largest=1.0, slope=slope.mean()
            ),
            _step("linear", "weights", f"{upper}.linear", "weights", after_relu, branch),
        )
        fork = _fork((("skip", deltas[-1], ()), ("branch", branch, steps)), deltas[-1], left)
        labels = (upper, lower if layer else "in")
        rule = r"\delta_{\mathrm{@v}} = \delta_{\mathrm{@u}} + J^{\top} \delta_{\mathrm{@u}}"
        rule = rule.replace("@u", labels[0]).replace("@v", labels[1])
        hops.append(_hop(i + 1, (upper, lower), labels, rule, (fork,)))
        deltas.append(left)
    return _walk_of(hops, "ResNet", operations=4 * blocks)


def attention_walk(width: int = 12, tokens: int = 7) -> Walk:
    """One hop through x + LN-free self-attention: values, queries and keys; two ways share their steps."""
    draw = np.random.default_rng(8)
    q, k, v = (draw.standard_normal((width, width)) / math.sqrt(width) for _ in range(3))
    x = draw.standard_normal((tokens, width))
    scores = (x @ q.T) @ (x @ k.T).T / math.sqrt(width)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    delta = draw.standard_normal((tokens, width))
    by_value = (p.T @ delta) @ v
    d_p = delta @ (x @ v.T).T
    d_scores = p * (d_p - (d_p * p).sum(axis=1, keepdims=True)) / math.sqrt(width)
    by_query, by_key = (d_scores @ (x @ k.T)) @ q, (d_scores.T @ (x @ q.T)) @ k
    left = by_value + by_query + by_key
    ways = (("values", by_value, ()), ("queries", by_query, ()), ("keys", by_key, ()))
    fork = msgspec.structs.replace(_fork(ways, delta, left), title="attention")
    rule = r"\delta_{0} = P^{\top} \delta_{1} W_V + \mathrm{queries} + \mathrm{keys}"
    hop = _hop(1, ("attn", "embed"), ("attn", "embed"), rule, (fork,))
    return _walk_of([hop], "Attention", operations=9)


def _step(law: str, role: str, place: str, title: str, before: Array, after: Array, **more: float) -> Factor:
    sizes = norm(before), norm(after)
    return Factor(law, role, place, title, "", *sizes, sizes[1] / sizes[0], before.shape, after.shape, gap=EPS, **more)


def _fork(ways: tuple[tuple[str, Array, tuple[Factor, ...]], ...], before: Array, after: Array) -> Factor:
    """The fork of these ways, its interference from their inner products."""
    size = norm(before)
    arms = tuple(Arm(name, norm(a), norm(a) / size, steps) for name, a, steps in ways)
    parts = [a for _, a, _ in ways]
    inner = sum(float((parts[i] * parts[j]).sum()) for i in range(len(parts)) for j in range(i))
    title = " and ".join(name for name, _, _ in ways)
    return Factor(
        "add", "fork", "", title, "", size, norm(after), norm(after) / size, before.shape, after.shape,
        arms=arms, interference=2 * inner / size**2, gap=EPS,
    )  # fmt: skip


def _walk_of(hops: list[WalkHop], cls: str, operations: int, lawless: tuple[tuple[str, int], ...] = ()) -> Walk:
    missing = sum(n for _, n in lawless)
    errors = (hops[0].error_in, *(h.error_out for h in hops))
    return Walk(
        "model", cls, "float32", 16, 1.25, "mse", "mse_loss", r"\delta = \frac{2}{N} (p - y)", errors[0],
        (hops[0].upper, *(h.lower for h in hops)), (hops[0].upper_label, *(h.lower_label for h in hops)), errors,
        tuple(hops), (LINEAR,), operations, operations - missing, lawless,
    )  # fmt: skip


# ---- what goes wrong ---------------------------------------------------------------------------------------------


def lawless_walk() -> Walk:
    """Three operations without a law, one of them twice; the error grows."""
    draw = np.random.default_rng(9)
    a = draw.standard_normal((4, 6))
    b, c = 3.0 * a[::-1], 3.0 * a[::-1] @ draw.standard_normal((6, 6))
    roll = _step("Roll", "unknown", "mix", "Roll", a, b)
    hop = _hop(
        1, ("head", "mix"), ("head", "mix"), r"\delta = \mathrm{Roll}(\delta)",
        (msgspec.structs.replace(roll, by_law=False), _step("linear", "weights", "mix.w", "weights", b, c)),
    )  # fmt: skip
    walk = _walk_of([hop], "Mixer", 12, (("Roll", 2), ("FftR2C", 1)))
    return msgspec.structs.replace(walk, notes=("The input carries no error: it is made of whole numbers.",))


def odd_hop(number: int, before: float, after: float, title: str = "softmax") -> WalkHop:
    """A hop that takes an error of one size to another, which may be 0, inf or nan."""
    gain = after / before if before else math.nan
    step = Factor("softmax", "softmax", "net.3", title, r"\delta", before, after, gain, (4, 6), (4, 6))
    return WalkHop(
        number, f"net.{number}", f"net.{number + 1}", f"net.{number}", f"net.{number + 1}", "", before, after, gain,
        gain, math.nan, (4, 6), (4, 6), (step,),
    )  # fmt: skip


def odd_walk(*sizes: float) -> Walk:
    """Errors of these sizes, station by station."""
    hops = [odd_hop(i + 1, *pair) for i, pair in enumerate(pairwise(sizes))]
    return _walk_of(hops, "Odd", 3 * len(hops))
