"""What a lab training is made of, as one value: it is what the command line reads and what saved weights carry."""

from __future__ import annotations

from typing import Literal

import msgspec

Pretraining = Literal["none", "greedy", "autoencoder"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One training of a reference network on a task. Names are those of ``choices``; nothing here is checked yet.

    depth: number of blocks. width: units (channels, model dimension) of each. lr, weight_decay: None is the
    optimizer's own. batch: examples a step, 0 is the whole training split. data_seed: of what the task draws and of
    its split, so that two trainings with other seeds see the same data. length: time steps of a sequence task, 0 is
    the task's own.
    data, target: file and column of a task that reads one. standardise: inputs to mean 0 and variance 1 by the
    training split, where the task does not forbid it; a table's numeric target too, which is scored in its own units.
    teacher: weights file to distil from, "" for none. temperature: softens both outputs, 1 leaves them. soft_share:
    of the loss that is the teacher's, 0 to 1. hints: number of middle positions at which the teacher's blocks are
    imitated. hint_steps: 0 gives hints in every step; N makes the first N steps of hints alone, and none after.
    pretrain, pretrain_steps: layer-wise pre-training before the first step, and its optimizer steps a block.
    start: weights file to begin from, by name and shape.
    """

    task: str = "digits"
    network: str = "plain"
    depth: int = 3
    width: int = 64
    activation: str = "relu"
    init: str = "torch"
    norm: str = "none"
    optimizer: str = "sgd"
    lr: float | None = None
    weight_decay: float | None = None
    batch: int = 32
    steps: int = 500
    seed: int = 0
    data_seed: int = 0
    data: str = ""
    target: str = ""
    length: int = 0
    standardise: bool = True
    teacher: str = ""
    temperature: float = 2.0
    soft_share: float = 0.5
    hints: int = 0
    hint_steps: int = 0
    pretrain: Pretraining = "none"
    pretrain_steps: int = 100
    start: str = ""
