"""The optimizers that there are, with the learning rate and the weight decay that each has by itself."""

from __future__ import annotations

from dataclasses import dataclass

from .choice import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerChoice(Choice):
    """cls: its class in torch.optim. lr, lr_source: its own learning rate, and why that one.

    decay: its own weight decay; None where it has none at all.
    """

    cls: str
    lr: float
    lr_source: str
    decay: float | None = 0.0


TORCH = "torch's own"

_ALL = (
    OptimizerChoice(
        name="sgd", words="plain gradient descent", cls="SGD", lr=0.1, lr_source="digits, plain network of depth 3"
    ),
    OptimizerChoice(
        name="momentum",
        words="gradient descent with momentum .9 (Polyak 1964)",
        cls="SGD",
        lr=0.01,
        lr_source="a tenth of sgd's: momentum .9 adds up ten steps",
    ),
    OptimizerChoice(
        name="nesterov",
        words="momentum .9 with the gradient taken ahead (Nesterov 1983)",
        cls="SGD",
        lr=0.01,
        lr_source="a tenth of sgd's: momentum .9 adds up ten steps",
    ),
    OptimizerChoice(
        name="adam",
        words="step by mean over root mean square of the gradient (Kingma and Ba 2015)",
        cls="Adam",
        lr=1e-3,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="adamw",
        words="Adam whose weight decay stays out of the gradient (Loshchilov and Hutter 2019)",
        cls="AdamW",
        lr=1e-3,
        lr_source=TORCH,
        decay=0.01,
    ),
    OptimizerChoice(
        name="rmsprop",
        words="gradient over its root mean square (Tieleman and Hinton 2012)",
        cls="RMSprop",
        lr=1e-3,
        lr_source="Adam's, whose update it is without the mean; torch has .01",
    ),
    OptimizerChoice(
        name="adagrad",
        words="gradient over the root of the sum of all its squares (Duchi 2011)",
        cls="Adagrad",
        lr=0.01,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="adadelta",
        words="as rmsprop, in units of its own last updates (Zeiler 2012)",
        cls="Adadelta",
        lr=1.0,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="adafactor",
        words="Adam with one number a row and column of a matrix (Shazeer and Stern 2018)",
        cls="Adafactor",
        lr=0.01,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="adamax",
        words="Adam by the largest gradient instead of the root mean square (Kingma and Ba 2015)",
        cls="Adamax",
        lr=2e-3,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="nadam", words="Adam with Nesterov's look ahead (Dozat 2016)", cls="NAdam", lr=2e-3, lr_source=TORCH
    ),
    OptimizerChoice(
        name="radam",
        words="Adam that waits until its variance is known (Liu 2020)",
        cls="RAdam",
        lr=1e-3,
        lr_source=TORCH,
    ),
    OptimizerChoice(
        name="asgd",
        words="sgd that also averages its weights (Polyak and Juditsky 1992); the average is kept, not used",
        cls="ASGD",
        lr=0.1,
        lr_source="sgd's, whose steps it makes",
    ),
    OptimizerChoice(
        name="rprop",
        words="steps by the sign of the gradient, made for batch 0 (Riedmiller and Braun 1993)",
        cls="Rprop",
        lr=0.01,
        lr_source=TORCH,
        decay=None,
    ),
    OptimizerChoice(
        name="lbfgs",
        words="limited-memory BFGS with a Wolfe line search, up to 20 passes a step; made for batch 0 (Nocedal 1980)",
        cls="LBFGS",
        lr=1.0,
        lr_source=TORCH,
        decay=None,
    ),
    OptimizerChoice(
        name="muon",
        words="orthogonalised momentum for the blocks' matrices, AdamW for the rest (Jordan 2024)",
        cls="Muon",
        lr=3e-3,
        lr_source="digits, plain network of depth 3; the update has the size of AdamW's, so that one rate serves both",
        decay=0.1,
    ),
)

OPTIMIZERS: dict[str, OptimizerChoice] = {choice.name: choice for choice in _ALL}

NOT_OFFERED = {
    "SparseAdam": "it takes sparse gradients only, and every gradient of these networks is dense",
}
"""Classes of torch.optim that no name stands for, and why."""
