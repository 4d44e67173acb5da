"""The options of ``gradiometer train``: a field of the recipe each, and how the training is watched."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Pretraining(StrEnum):
    """Ways of training block after block, before the network as a whole."""

    GREEDY = "greedy"
    AUTOENCODER = "autoencoder"


Task = Annotated[str | None, typer.Option(metavar="NAME", help="What is learned.  [default: digits]")]
Network = Annotated[str | None, typer.Option(metavar="NAME", help="The reference network.  [default: plain]")]
Depth = Annotated[int | None, typer.Option(min=1, metavar="N", help="Number of blocks.  [default: 3]")]
Width = Annotated[int | None, typer.Option(min=1, metavar="N", help="Units or channels of each block.  [default: 64]")]
Activation = Annotated[str | None, typer.Option(metavar="NAME", help="What bends.  [default: relu]")]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="How the weights are drawn; default means torch, what PyTorch does.  [default: torch]"
    ),
]
Norm = Annotated[str | None, typer.Option(metavar="NAME", help="The normalisation in each block.  [default: none]")]
Optimizer = Annotated[str | None, typer.Option(metavar="NAME", help="Who makes the steps.  [default: sgd]")]
Rate = Annotated[float | None, typer.Option("--lr", metavar="X", help="Learning rate.  [default: the optimizer's own]")]
Decay = Annotated[
    float | None, typer.Option("--weight-decay", metavar="X", help="Weight decay.  [default: the optimizer's own]")
]
Batch = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Examples a step; 0 is the whole training split.  [default: 32]")
]
Steps = Annotated[int | None, typer.Option(min=1, metavar="N", help="Optimizer steps.  [default: 500]")]
Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Of the weights and of the order of the batches.  [default: 0]")
]
DataSeed = Annotated[
    int | None, typer.Option("--data-seed", metavar="N", help="Of what the task draws, and of its split.  [default: 0]")
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File of --task table (CSV, Parquet, NPZ) or --task text (any text)."),
]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the file that is to be predicted.")]
Length = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Time steps of --task adding or text.  [default: the task's own]"),
]
Raw = Annotated[bool, typer.Option("--raw", help="Leave the inputs as they are: not standardised.")]

Teacher = Annotated[
    str | None, typer.Option(metavar="RUN", help="Distil from the network of this run (or .safetensors file).")
]
Temperature = Annotated[
    float | None,
    typer.Option(metavar="T", help="Softens the outputs of teacher and student; 1 leaves them.  [default: 2]"),
]
SoftShare = Annotated[
    float | None,
    typer.Option("--soft-share", metavar="SHARE", help="The teacher's share of the loss, 0 to 1.  [default: 0.5]"),
]
Hints = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Middle blocks of the teacher that are imitated too.  [default: 0]"),
]
HintSteps = Annotated[
    int | None,
    typer.Option(
        "--hint-steps",
        min=0,
        metavar="N",
        help="First steps, hints alone; 0: hints in every step.  [default: 0]",
    ),
]
Pretrain = Annotated[
    Pretraining | None, typer.Option(help="Train block after block first: for the task, or to rebuild its input.")
]
PretrainSteps = Annotated[
    int | None, typer.Option("--pretrain-steps", min=1, metavar="N", help="Of each block.  [default: 100]")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="WEIGHTS", help="Begin from these weights, by name and shape: a run or a .safetensors file."
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Train a saved run on, as if it had never stopped. Its recipe stands; --steps says how many more.",
    ),
]
SearchRate = Annotated[
    bool,
    typer.Option("--search-lr", help="Search the learning rate on the validation split first, around --lr."),
]
ByHand = Annotated[
    bool,
    typer.Option(
        "--by-hand", help="Train by hand-written laws alone, in float64, without autograd; nothing is recorded."
    ),
]

Every = Annotated[int | None, typer.Option(min=1, metavar="N", help="Record every Nth step, whatever it costs.")]
Budget = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Share of the wall time that watching may take.  [default: 0.01]"),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="The run file (*.gmr), or a folder for it.  "
        "[default: ./gradiometer-runs/<network>-<task>-<time>-<pid>.gmr]",
    ),
]
JsonBeside = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="PATH", help="Write diagnosis and scores as one JSON document too; - is stdout, and no page."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print one line with the verdict, no page.")]
List = Annotated[bool, typer.Option("--list", help="Show every choice with one line, and train nothing.")]
