"""``--causal``, of the commands that can try what freezing and rescuing the early layers does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gradiometer.records import Run
    from gradiometer.views import Style

Causal = Annotated[
    bool,
    typer.Option(
        "--causal", help="Also freeze and rescue the early layers in copies of the training, 20 steps on one batch."
    ),
]


def causal_words(run: Run, style: Style) -> str:
    """The line on what the causal tests found, or why they were not made; "" where none were asked for."""
    from gradiometer.diagnosis.causal import causal_line

    line = causal_line(run)
    return f"gradiometer: {style.words(line)}\n" if line else ""
