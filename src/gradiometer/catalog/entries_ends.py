"""Cures for faults of the loss end and the scale of inputs and targets."""

from __future__ import annotations

from .entry import Entry, Param

OUTSIDE = Param("outside", False, "true where the script applies the function to the network's output itself")

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="linear-output",
        kind="surgery",
        title="a raw output",
        changes="the activation on the output",
        mathematics="a linear output reaches every target; a class loss squashes by itself",
        answers={"output-range": 1},
        side_effects="the output is no probability any more: take the softmax or sigmoid outside training",
        source="definition of the loss",
        edit="remove the activation behind the last layer; classes: nn.CrossEntropyLoss() or nn.BCEWithLogitsLoss()",
        cost="the functions of a pass are looked at as they are called",
        params=(OUTSIDE,),
    ),
    Entry(
        name="logit-loss",
        kind="surgery",
        title="the loss gets logits",
        changes="what a cross-entropy that was given probabilities computes with; the rest keeps probabilities",
        mathematics="δ = p − y at the logits, where softmax before cross-entropy gives J(p)ᵀ(softmax(p) − y), nearly 0",
        answers={"loss-mismatch": 21, "output-range": 21},
        side_effects="the printed loss is that of the logits; only where the loss takes the probabilities, divided by "
        "their sum, clamped or picked at most",
        source="Bishop 2006, section 4.3; theory, section 6",
        edit="remove the softmax before nn.CrossEntropyLoss(), and the sigmoid before nn.BCEWithLogitsLoss()",
        cost="the functions of a pass are looked at as they are called",
        params=(OUTSIDE,),
    ),
    Entry(
        name="fitting-output",
        kind="surgery",
        title="the output that the loss is made for",
        changes="the last function of the output: log_softmax for a likelihood, sigmoid for a binary cross-entropy",
        mathematics="a loss of probabilities has no lower end on raw numbers: −z_y falls without bound, log z is nan",
        answers={"loss-mismatch": 22, "output-range": 22},
        side_effects="the network puts out (log-)probabilities; losses of before and after cannot be compared",
        source="PyTorch, torch.nn losses",
        edit="F.log_softmax(out, dim=1) before nn.NLLLoss(); torch.sigmoid(out) before nn.BCELoss()",
        cost="one function of the output a step",
        params=(Param("function", "", "log_softmax, softmax or sigmoid; empty takes it from the loss"),),
    ),
    Entry(
        name="matching-loss",
        kind="surgery",
        title="the loss that fits output and targets",
        changes="the loss: cross-entropy for one-hot targets, a binary one for several labels (and a sigmoid for their "
        "softmax), errors number by number, a log_softmax over the classes",
        mathematics="δ = p − y for softmax with cross-entropy and for sigmoid with binary cross-entropy",
        answers={"loss-mismatch": 1, "output-range": 2},
        side_effects="the printed loss is another one; only where a function of torch.nn.functional takes the output, "
        "or a product of labels and log p; probabilities of several labels are put out one by one from then on",
        source="PyTorch, torch.nn losses",
        edit="logits → CrossEntropyLoss / BCEWithLogitsLoss; log_softmax → NLLLoss; several labels → BCEWithLogitsLoss",
        cost="the functions of a pass are looked at as they are called",
    ),
    Entry(
        name="mean-reduction",
        kind="surgery",
        title="the mean over the batch",
        changes="the reduction of the loss",
        mathematics="∇ of a sum over N examples is N times that of the mean",
        answers={"loss-reduction": 1},
        side_effects="none",
        source="definition",
        edit='reduction="mean", or divide the sum by the batch once',
        cost="no time",
    ),
    Entry(
        name="standardise-targets",
        kind="surgery",
        title="standardise the targets",
        changes="the targets",
        mathematics="y ← (y − mean)/std, undone on the predictions",
        answers={"target-scale": 1, "output-range": 3},
        side_effects="predictions must be scaled back; behind Huber's loss its bend stays in the old units",
        source="LeCun 1998",
        edit="y = (y - y_train.mean()) / y_train.std()   # and back: pred * std + mean",
        cost="no time",
        params=(
            Param("mean", 0.0, "of the targets"),
            Param("std", 0.0, "of the targets; 0 takes both from the loss that was given"),
            Param("degree", 0, "2 behind a squared error, 1 behind an absolute one; 0 takes it from the loss, else 2"),
        ),
    ),
    Entry(
        name="encode-labels",
        title="labels as the loss wants them",
        changes="the targets",
        mathematics="classes: whole numbers 0 to K − 1 with K outputs; binary: 0 and 1",
        answers={"target-encoding": 1},
        side_effects="none",
        source="PyTorch, torch.nn losses",
        edit="classes: y.long() in 0..K-1 and K outputs; binary: y in {0, 1} as float, from −1 and 1 by (y + 1) / 2",
        kind="advice",
    ),
)
