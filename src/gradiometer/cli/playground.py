"""``gradiometer playground``: one self-contained HTML file of what theory predicts, to play with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .guard import command
from .outlet import check_writable, put_text

EXAMPLES = """\b
Examples:
  gradiometer playground
  gradiometer playground -o play.html
"""


@command
def playground(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write it.")] = Path(
        "playground.html"
    ),
) -> int:
    """Write a page on which depth, width, activation, variances, skip and norm can be moved, and theory predicts.

    The page shows how the error of such a network of random weights changes from
    the loss to layer 1, and which weight variance keeps it. It is one HTML file
    that needs no network. Needs the extra `report`.
    """
    check_writable(output, "-o")
    from gradiometer.views.html_playground import playground_page

    output.write_text(playground_page(), encoding="utf-8")
    put_text(f"{output}\n")
    return 0
