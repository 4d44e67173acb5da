"""What the playground must say, by the functions of `theory` alone; the settings at which it is asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradiometer import theory
from gradiometer.views import playground

SETTINGS = 200


def random_settings() -> list[dict[str, Any]]:
    """Random settings all over the controls, the same ones each time."""
    rng = np.random.default_rng(20)
    kinds, skips, norms = (
        [c.key for c in all_] for all_ in (playground.ACTIVATIONS, playground.SKIPS, playground.NORMS)
    )
    return [
        {
            "activation": kinds[i % len(kinds)],
            "skip": str(rng.choice(skips)),
            "norm": str(rng.choice(norms)),
            "depth": int(rng.integers(2, 101)),
            "width": int(2 ** rng.integers(3, 13)),
            "weight": round(float(rng.uniform(0.05, 4)), 2),
            "bias": float(rng.choice([0.0, round(float(rng.uniform(0, 0.4)), 2)])),
        }
        for i in range(SETTINGS)
    ]


def plain(kind: str, bias: float = 0.0) -> dict[str, Any]:
    """A setting without skip and norm."""
    numbers = {"depth": 40, "width": 64, "weight": 1.7, "bias": bias}
    return {"activation": kind, "skip": "none", "norm": "none"} | numbers


def by_theory(s: dict[str, Any]) -> tuple[theory.ErrorChain, list[float]]:
    """The same prediction by the functions of `theory` alone; and the variance at each layer, layer 1 first."""
    act, w, b = theory.activation(s["activation"]), s["weight"], s["bias"]
    alpha = {"none": 0.0, "one": 1.0, "root": 1 / math.sqrt(s["depth"])}[s["skip"]]
    q = w if s["norm"] == "batch" else w + b
    gains, noises, variances = [], [], [q]
    for _ in range(s["depth"] - 1):
        seen = q if s["norm"] == "none" else 1.0
        added = w * float(act.variance(1.0)) if s["norm"] == "batch" else float(theory.variance_map(act, w, b, seen))
        chi = float(theory.chi(act, w, seen))
        noise = 0.0 if s["norm"] == "batch" else float(act.kappa_backward(seen))
        if s["skip"] != "none":
            chi = chi if s["norm"] == "none" else chi / q
            total = float(theory.residual_gain(chi, alpha)) ** 2
            part = 1 - 1 / total
            gains.append(total)
            noises.append(0.0 if s["norm"] == "batch" else part**2 * noise + 4 * part * (1 - part))
            q += alpha**2 * added
        else:
            hop = {"none": chi, "batch": theory.bn_hop(act), "layer": chi / added}[s["norm"]]
            gains.append(hop)
            noises.append(noise)
            q = added
        variances.append(q)
    return theory.error_chain(gains[::-1], noises[::-1], s["width"]), variances
