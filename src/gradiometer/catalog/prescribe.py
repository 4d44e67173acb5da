"""Which cures answer a cause in this network, in order, with what theory predicts for them."""

from __future__ import annotations

import math

from ..records import ALL_CAUSES, Cure, UserError
from .context import Context, enough
from .entries import ENTRIES
from .entry import Entry


def cures_for(cause: str, context: Context) -> tuple[Cure, ...]:
    """The cures that answer a cause, best first; those that theory calls not enough come last.

    UserError where the cause is not in the vocabulary. A cause without a cure gives ().
    """
    if cause not in ALL_CAUSES:
        raise UserError(f"No cause {cause!r}. Causes: {', '.join(ALL_CAUSES)}.")
    fitting = [e for e in ENTRIES if cause in e.answers and context.activation not in e.not_for]
    ordered = sorted(fitting, key=lambda e: e.answers[cause])
    cures = [proposal(entry, context) for entry in ordered]
    return tuple(sorted(cures, key=lambda c: not c.enough))  # stable: keeps the order within


def proposal(entry: Entry, context: Context) -> Cure:
    """A catalog entry as a diagnosis proposes it to one network."""
    after = entry.predict(context)
    return Cure(
        name=entry.name,
        title=entry.title,
        gain_before=context.gain_before if math.isfinite(after) else math.nan,
        gain_after=after,
        enough=enough(after, context.hops),
        edit=_edit(entry, context),
    )


def _edit(entry: Entry, context: Context) -> str:
    return entry.edit.replace("{recipe}", _recipe_text(context)).replace("{rate_tenth}", _rate_text(context))


def _recipe_text(context: Context) -> str:
    recipe = context.recipe()
    if recipe is None:
        return f"no weight variance makes {context.activation} critical"
    bias = f"; bias std = {recipe[1]:.3g} ** 0.5" if recipe[1] > 0 else ""
    return f"sigma_w2 = {recipe[0]:.4g}{bias}"


def _rate_text(context: Context) -> str:
    return f"{context.rate / 10:.3g}" if math.isfinite(context.rate) else "lr / 10"
