"""The sentences of a finding, made from its evidence: two sentences, at most 25 words, present tense."""

from __future__ import annotations

import math

from .limits import HOP_GAIN_LOW

THIN = "\u2009"
MINUS = "\u2212"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLURALS = {
    "sigmoid": "sigmoids",
    "softplus": "softplus units",
    "tanh": "tanh units",
    "relu": "ReLUs",
    "leaky_relu": "leaky ReLUs",
    "prelu": "PReLUs",
    "gelu": "GELUs",
    "silu": "SiLUs",
    "elu": "ELUs",
    "selu": "SELUs",
}


def number(value: float) -> str:
    """Two significant figures the way every view writes them: 0.14, 12, 2 600, 5.3 × 10¹⁷, real minus."""
    if math.isnan(value):
        return "an unknown number of"
    if math.isinf(value):
        return "infinitely many" if value > 0 else MINUS + "∞"
    sign, size = (MINUS if value < 0 else ""), abs(value)
    if size == 0:
        return "0"
    if size >= 1e5 or size < 1e-3:
        mantissa, exponent = f"{size:.1e}".split("e")
        return f"{sign}{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"
    if size >= 10:
        return sign + f"{round(size):,}".replace(",", THIN)
    return sign + f"{float(f'{size:.2g}'):g}"


def decades(value: float) -> str:
    """A size in decades, without its sign: "16" or "0.4"."""
    return f"{abs(value):.0f}" if abs(value) >= 10 else f"{abs(value):.1f}"


def percent(share: float) -> str:
    """A share as a percentage, "41 %"; below 1 % in powers of ten."""
    if 0 < share < 0.01:
        return f"{number(share * 100)} %"
    return f"{share * 100:.0f} %"


def units_of(kind: str) -> str:
    """The plural of an activation as a sentence names it."""
    return PLURALS.get(kind, f"{kind} units" if kind else "units")


def unit_of(kind: str) -> str:
    """One activation as a sentence names it."""
    return {"relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU", "silu": "SiLU"}.get(kind, kind or "layer")


def layer(label: str, site: str) -> str:
    """ "Layer 1" for a numbered layer, else the site in code marks."""
    return f"Layer {label}" if label.isdigit() else f"`{site}`"


def learning(ends: tuple[str, str], site: str, steps: float) -> str:
    """How long the slowest layers need; "" where that says nothing.

    ends: labels of the first and last of the layers that need so long, loss first; site: the last one's name.
    """
    first, last = ends
    if math.isinf(steps) and first != last:
        who = f"Layers {first} to {last}" if last.isdigit() else f"`{first}` to `{last}`"
        return f"{who} do not move at all."
    who = layer(last, site)
    if math.isinf(steps):
        return f"{who} does not move at all."
    if math.isnan(steps) or steps < 1e4:
        return ""
    return f"{who} needs {number(steps)} steps to move by its own size."


LOSS_STAYS = "The loss stays at its trivial level."


def stays(level: str) -> str:
    """What the loss does, "" where it comes down."""
    return LOSS_STAYS if level == "trivial" else ""


def join(first: str, *rest: str) -> str:
    """The first sentence and the first of the others that says something."""
    second = next((r for r in rest if r), "")
    return f"{first} {second}".strip()


def dies_in(kind: str) -> str:
    """An activation takes the error."""
    return f"The error dies in the {units_of(kind)}."


def weights_too_small(hops: int, gain: float, forward: float) -> str:
    """The weights take the error, and the input where the forward signal shrinks as well."""
    kept = percent(gain) if gain >= 0.01 else number(gain)
    if hops == 1:
        return f"The weights of one hop are too small: it keeps {kept} of the error."
    tail = ", and the input is lost as well" if forward < HOP_GAIN_LOW.value else ""
    return f"The weights are too small: each of {hops} hops keeps {kept} of the error{tail}."


def closes(kind: str) -> str:
    """An operation of the script's own that let the error through at first."""
    return f"`{kind}` lets the error through at first and almost none of it in the end: it has become flat."


def driven_flat(kind: str, share: float) -> str:
    """Units were driven into their flat parts during the training."""
    return f"Training drives {percent(share)} of the {units_of(kind)} flat, so their error dies."


def weights_too_large(growth_decades: float, hops: int, gain: float) -> str:
    """The weights multiply the error."""
    grows = f"the error grows {decades(growth_decades)} decades over {hops} hops"
    return f"The weights are too large: {grows}, ×{gain:.2f} each."


def loud(ratio: float) -> str:
    """Logits that start far too large."""
    return f"The first loss is {number(ratio)} times that of chance: the outputs start far too large."


def born_flat(kind: str, share: float) -> str:
    """Units stand in their flat parts from the first step on."""
    return f"The weights are too large: {percent(share)} of the {units_of(kind)} are flat from the first step on."


def norm_explodes(growth_decades: float, kind: str, gain: float) -> str:
    """Batch normalisation without skips multiplies the error."""
    return (
        f"The error grows {decades(growth_decades)} decades on its way back; "
        f"the normalisation before each {kind} adds ×{gain:.2f} a hop."
    )


def never_fire(share: float, site: str, more: int) -> str:
    """Units that are off for every input."""
    where = f"`{site}`" + (f" and {more} more" if more else "")
    return f"{percent(share)} of the units in {where} never fire, so no error passes them."


def depth_alone(hops: int) -> str:
    """Gain is critical, and depth alone loses the signal."""
    return f"Each hop keeps the error's size, but after {hops} hops without a skip the inputs look alike."


def no_gradient(site: str, parameters: int) -> str:
    """A part that should train gets nothing."""
    plural = "parameter" if parameters == 1 else "parameters"
    return f"No error reaches `{site}`: {parameters} {plural} never receive a gradient."


def model_cut_off(model: str, parameters: int) -> str:
    """A whole model that runs and gets nothing."""
    return f"No error reaches the model `{model}`: none of its {parameters} parameters receives a gradient."


def head_frozen(site: str) -> str:
    """The last layer is frozen while what lies below it trains."""
    return f"`{site}` is frozen while the layers below it train. The loss must pass a head that never learns."


def stale(strangers: int, parameters: int) -> str:
    """The optimizer moves other tensors."""
    return (
        f"The optimizer holds {strangers} tensors that the network does not use. "
        f"{parameters} parameters have a gradient and never move."
    )


def not_moved(parameters: int) -> str:
    """Gradients arrive and nothing moves."""
    return f"Gradients arrive, but no step moves any of {parameters} parameters."


def lets_nothing_through(site: str) -> str:
    """An error of 0 although the output follows the input."""
    return f"The error is exactly 0 at `{site}`, whose output does follow the input: what comes after has no slope."


def steps_idle(step: int) -> str:
    """Steps without any gradient."""
    return f"From step {step} on none of the optimizer's parameters has a gradient: the losses go to other tensors."


def built_anew(networks: int, steps: int) -> str:
    """A network that is made again and again."""
    return f"The same network is built {networks} times and trained for {steps} steps at most: each begins anew."


def constant_output(site: str, pre: str) -> str:
    """The output does not depend on the network."""
    why = f": {pre} makes it the same for every input" if pre else ""
    return f"The error is exactly 0 at `{site}`. The output does not depend on the network{why}."


def constant_from_birth(site: str) -> str:
    """The output is the same for every input although the weights are not 0."""
    return f"`{site}` gives the same output for every input: the error it gets back says nothing about them."


def born_non_finite(site: str, step: int, direction: str) -> str:
    """A nan or inf that one operation makes of finite numbers."""
    when = f"first at step {number(float(step))}"
    places = {
        "input": f"The inputs of `{site}` hold nan or inf, {when}: look for them in the data.",
        "loss": f"Between `{site}` and the loss, finite numbers become nan or inf, {when}.",
        "between": f"Finite numbers become nan or inf, {when}. No frame was recorded there, so the place is open.",
        "step": f"The step puts nan or inf into `{site}`, {when}, while its gradient was finite.",
    }
    return places.get(direction, f"`{site}` turns finite numbers into nan or inf on the way {direction}, {when}.")


def inputs_large(rms: float, consequence: str) -> str:
    """Inputs far from unit scale."""
    return f"The inputs are {number(rms)} in size, where the first layer expects 1. {consequence}"


def inputs_flat(rms: float, share: float, kind: str) -> str:
    """Inputs far from unit scale that saturate the first activation."""
    return inputs_large(rms, f"They drive {percent(share)} of its {units_of(kind)} flat.")


def diverged(step: int, ratio: float) -> str:
    """Steps too large until the numbers overflow."""
    size = f"The steps move the layers by {percent(ratio)} of their size. " if math.isfinite(ratio) else ""
    return f"{size}The numbers grow until they overflow at step {number(float(step))}."


def step_kills(share: float, kind: str, ratio: float) -> str:
    """Steps so large that units go flat or dead."""
    return (
        f"The first steps move the layers by {percent(ratio)} of their size. "
        f"{percent(share)} of the {units_of(kind)} stop passing the error."
    )


def born_at(detail: str) -> str:
    """Where the graph of the first non-finite loss shows the first nan or inf."""
    return f"The first is at {detail}."
