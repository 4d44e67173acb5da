"""The sentences of the focused weight: its sum, and what the optimizer makes of its gradient."""

from __future__ import annotations

import math

from gradiometer.records.walk import Focus, Update

from .numbers import UNICODE


def focus_name(focus: Focus) -> str:
    """``net.24.weight[3,5]``."""
    return f"{focus.parameter}[{','.join(map(str, focus.index))}]" if focus.index else focus.parameter


def focus_line(focus: Focus) -> str:
    """What the sum gives and what it is made of, in one sentence."""
    said = f"{focus_name(focus)} has the gradient {UNICODE.number(focus.gradient)}, "
    parts = f"{UNICODE.number(focus.positive)} up and {UNICODE.number(abs(focus.negative))} down"
    return f"{said}the sum of {terms_words(focus)}: {parts}."


def why_words(focus: Focus) -> str:
    """Why this weight was chosen, without saying its name again; "" where the user chose it."""
    return focus.why.replace(f"in {focus.parameter}", "in its layer")


def terms_words(focus: Focus) -> str:
    """``64 terms, one a unit of net.26``, ``32 terms, one an example``."""
    site = f"module {focus.site}" if focus.site.isdigit() else focus.site
    kinds = {"examples": "one an example", "units": f"one a unit of {site}" if site else "one a unit"}
    one = kinds.get(focus.over, f"over {focus.over}")
    return "one term" if focus.count == 1 else f"{UNICODE.count(focus.count)} terms, {one}"


def update_lines(update: Update) -> tuple[str, ...]:
    """What the optimizer makes of a gradient of this size, where ε binds, how long until the layer has moved."""
    lines = (_change(update), _kept_up(update), _epsilon(update), _move(update), update.note)
    return tuple(w for w in lines if w)


def update_short(update: Update) -> tuple[str, ...]:
    """The same without the way of a gradient that stays, and without the note."""
    return tuple(w for w in (_change(update), _epsilon(update), _move(update)) if w)


def _change(update: Update) -> str:
    rate = update.settings.get("lr", math.nan)
    at = f" with rate {UNICODE.number(float(rate))}" if not math.isnan(float(rate)) else ""
    gradient, name = UNICODE.number(update.gradient), update.optimizer
    if update.change == 0:
        return f"{name}{at} does not move it: its gradient is {gradient}."
    return f"{name}{at} makes of the gradient {gradient} a step of {UNICODE.number(update.change)}."


def _kept_up(update: Update) -> str:
    """Δw in multiples of the rate under a gradient that stays: one number where it stays the same, else all."""
    if not update.steps:
        return ""
    shown = [UNICODE.number(value) for _, value in update.steps]
    if len(set(shown)) == 1:
        return f"While the gradient stays as it is, each step is {shown[0]} times the rate."
    told = [f"{value} at step {UNICODE.count(step)}" for (step, _), value in zip(update.steps, shown, strict=True)]
    return f"While the gradient stays as it is, a step is in multiples of the rate: {', '.join(told)}."


def _epsilon(update: Update) -> str:
    if math.isnan(update.epsilon_share):
        return ""
    share = UNICODE.percent(update.epsilon_share)
    if update.binds:
        return f"ε binds: it is {share} of the denominator, so the step shrinks with the gradient."
    return f"ε does not bind: it is {share} of the denominator."


def _move(update: Update) -> str:
    if math.isnan(update.steps_to_move):
        return ""
    if math.isinf(update.steps_to_move):
        return "At this pace the layer never moves by its own norm."
    steps = UNICODE.steps(update.steps_to_move)
    return f"At this pace the layer moves by its own norm in {steps} step{'' if steps == '1' else 's'}."
