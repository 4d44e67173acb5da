"""Predicted norm gain per hop after a cure, from theory and this network's own numbers.

All return the norm gain √χ (1 is critical), nan where theory has no number. They speak of initialisation only.
"""

from __future__ import annotations

import math

from .. import theory
from ..quantities.laws import activation_law, critical_recipe
from .context import Context


def unpredicted(context: Context) -> float:
    """nan: theory has no number for this cure."""
    return math.nan


def at_critical_init(context: Context) -> float:
    """√(σw² D2(q)) at the critical point of the activation that stands there; nan where it has none."""
    act, recipe = context.law(), context.recipe()
    return math.nan if act is None or recipe is None else math.sqrt(recipe[0] * float(act.d2(recipe[2])))


def unit_variance(context: Context) -> float:
    """√(D2/M2) at q = 1: every layer's output scaled to variance one (LSUV), or LayerNorm before the activation."""
    act = context.law()
    return math.nan if act is None else math.sqrt(float(theory.ln_hop(act)))


def named_init(kind: str, context: Context) -> float:
    """√χ at the q where a deep network of square layers rests under an initialisation by name (he, xavier)."""
    act = context.law()
    return math.nan if act is None else float(theory.init_outlook(act, kind, 64).gain)


def batch_norm(context: Context) -> float:
    """√(D2/Var φ) at q = 1: batch normalisation before the activation, whatever the weights."""
    act = context.law()
    return math.nan if act is None else math.sqrt(float(theory.bn_hop(act)))


def scaled_skip(context: Context) -> float:
    """√(1 + χ/L): a skip beside every layer, its branch scaled by 1/√L; χ is the branch's gain² as measured."""
    if not math.isfinite(context.gain_before):
        return math.nan
    return math.sqrt(1.0 + context.gain_before**2 / max(context.hops, 1))


def exchange_critical(kind: str, context: Context) -> float:
    """The activation exchanged for ``kind`` with the weight variance that makes it critical."""
    act, recipe = activation_law(kind, {}), critical_recipe(kind)
    return math.nan if act is None or recipe is None else math.sqrt(recipe[0] * float(act.d2(recipe[2])))


def exchange_bare(kind: str, context: Context, slope: float | None = None) -> float:
    """The activation exchanged for ``kind``, the weights as they are: √(σw² D2) at the q where that settles.

    slope: of the negative side, of a leaky rectifier.

    For rectifiers D2 does not depend on q; for the others q shrinks to 0 under σw² < 1/D2(0), where D2 is largest,
    so D2(0) gives the most that the exchange can reach.
    """
    act = activation_law(kind, {} if slope is None else {"negative_slope": slope})
    if act is None or not math.isfinite(context.sigma_w2):
        return math.nan
    return math.sqrt(context.sigma_w2 * float(act.d2(1e-12)))
