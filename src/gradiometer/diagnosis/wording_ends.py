"""The sentences of findings about the loss end and the scale of inputs and targets."""

from __future__ import annotations

from .wording import number, percent

LOSSES = {
    "cross_entropy": "cross-entropy",
    "nll": "negative log-likelihood",
    "bce": "binary cross-entropy",
    "bce_logits": "binary cross-entropy with logits",
    "mse": "squared error",
    "l1": "absolute error",
}


def loss_name(kind: str) -> str:
    """A loss as a sentence names it."""
    return LOSSES.get(kind, kind.replace("_", " "))


def out_of_range(pre: str, low: float, high: float, target: tuple[float, float]) -> str:
    """The output's range cannot hold the targets."""
    bounds = f"{number(low)} to {number(high)}" if high < 1e300 else f"{number(low)} and above"
    return (
        f"The output's {pre} gives {bounds}, and the targets run from {number(target[0])} to {number(target[1])}: "
        "no weights reach them."
    )


def rectified_logits(pre: str, kind: str) -> str:
    """An activation that cuts logits."""
    return f"A {pre} stands on the outputs before the {loss_name(kind)}: it cannot give what the loss asks for."


def squashed_twice(pre: str, kind: str) -> str:
    """A squashing before a loss on logits."""
    return f"A {pre} stands before the {loss_name(kind)}, which squashes again: the loss cannot come near its floor."


def shared_out(pre: str) -> str:
    """Probabilities by division."""
    return f"A {pre} for each class is divided by their sum: a class that is certain leaves its {pre} no slope."


def raw_output(kind: str) -> str:
    """A loss on probabilities gets raw outputs."""
    return f"The {loss_name(kind)} expects probabilities or their logarithms, and gets raw outputs."


def over_the_batch(pre: str, size: int) -> str:
    """A softmax over the wrong dimension."""
    return f"The {pre} runs over the {size} examples of the batch, not over the outputs of one example."


def over_another(pre: str, size: int, outputs: int) -> str:
    """A softmax over a dimension that is not the outputs."""
    return f"The {pre} runs over {size} elements of another dimension, not over the {outputs} outputs."


def spread_out(prediction: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Shapes that broadcast into each other."""
    return (
        f"Predictions {list(prediction)} and targets {list(target)} broadcast into each other: "
        "each prediction is compared with every target."
    )


def not_one_class(kind: str, total: float) -> str:
    """Several labels an example under a loss for one."""
    return f"The {loss_name(kind)} is for one class an example; the targets hold up to {number(total)}."


def probabilities_squared(pre: str) -> str:
    """Squared error on class probabilities."""
    return f"Squared error on the {pre}'s class probabilities: where it is wrong and sure, the error is nearly 0."


def median_of_classes() -> str:
    """Absolute error on one-hot targets."""
    return "Absolute error on one-hot targets aims at the median, which is 0 for every class."


def summed(batch: int, ratio: float) -> str:
    """A sum in place of a mean."""
    moved = percent(ratio)
    return f"The loss is summed over {batch} examples: the first steps move the layers by {moved} of their size."


def averaged_twice(factor: float, batch: int) -> str:
    """A mean of a mean."""
    return f"The loss is divided by the batch twice: a factor of {number(factor)} at {batch} examples."


def inputs_far(rms: float, consequence: str) -> str:
    """Inputs far from unit scale."""
    return f"The inputs are {number(rms)} in size, where the first layer expects 1. {consequence}".strip()


def columns_unequal(low: float, high: float) -> str:
    """Columns of different units."""
    return f"The input columns spread from {number(low)} to {number(high)}: the largest drown the others."


def targets_far(size: float, output: float) -> str:
    """Targets far from what the network puts out."""
    return f"The targets are {number(size)} in size, the first outputs {number(output)}: the way there is too long."


def one_label(batch: int, looks: int) -> str:
    """All labels equal."""
    return f"All labels are the same class, in {looks} batches of {batch}: there is nothing to tell apart."


def below_zero(kind: str, lowest: float) -> str:
    """A loss that cannot be negative."""
    return f"The {loss_name(kind)} falls to {number(lowest)}: labels outside 0 to 1 pay for outputs without a bound."


def one_column(outputs: int) -> str:
    """One column of targets against several outputs."""
    return f"One label is compared with each of {outputs} outputs, so that all of them learn the same."


def labels_outside(kind: str, low: float, high: float) -> str:
    """Labels that are no probabilities."""
    return f"The {loss_name(kind)} wants labels from 0 to 1 and gets {number(low)} to {number(high)}."
