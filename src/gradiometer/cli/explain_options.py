"""The options of ``gradiometer explain`` that are its own; those of the lab network are ``train``'s."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Factory = Annotated[
    str | None,
    typer.Argument(
        metavar="FACTORY",
        help="package.module:make, or path/to/file.py:make; make(seed) -> Setup. Without it, a lab network.",
        show_default=False,
    ),
]
Hop = Annotated[int | None, typer.Option(min=1, metavar="N", help="One hop at length; 1 is nearest to the loss.")]
Focus = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHT",
        help="The weight whose sum is told: layer.weight[3,5], or layer.weight:3,5, which needs no quotes.",
    ),
]
Examples = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The first N examples of the batch.  [default: all]")
]
Html = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write a page too, that one steps through with the arrow keys.")
]
Steps = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Train the lab network for N steps first.  [default: 0]")
]
