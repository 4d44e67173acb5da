"""Write docs/laws.md: every law that is written by hand, with its value, its rule and its source.

python scripts/write_laws.py [docs/laws.md]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from gradiometer.walk import laws
from gradiometer.walk.laws.law import Law

PAGE = Path(__file__).resolve().parents[1] / "docs" / "laws.md"
FAMILIES = {
    "dense": "Matrices",
    "convolution": "Convolution",
    "pooling": "Pooling",
    "embedding": "Embedding",
    "activations": "Activations",
    "norms": "Normalisation",
    "dropout": "Dropout",
    "attention": "Softmax and attention",
    "recurrent": "Recurrent nets",
    "losses": "Losses",
    "arithmetic": "Arithmetic",
    "reductions": "Reductions",
    "shapes": "Shapes",
    "indexing": "Indices",
    "slopes": "Gradients that are differentiated again",
}
"""Family (a module of ``walk.laws``) -> its heading, in the order of the page."""

HEAD = """# The laws

Every operation that [`gradiometer explain`](explain.md) walks and [`gradiometer train --by-hand`](train.md#by-hand)
calculates, by hand: its value, the rule by which it hands the error on, and where the formula stands. δ is the error
that arrives, ∂L/∂(output); where an operation has several inputs or parameters, each has its own.

Each law is held to torch's own operation under autograd (relative gap at most 10⁻¹⁰ in float64) and to finite
differences; what has no law is taken from autograd, and marked so in the walk.
"""


def page() -> str:
    """The whole page."""
    sections = [f"## {heading}\n\n{table(getattr(laws, family).LAWS)}" for family, heading in FAMILIES.items()]
    return "\n".join([HEAD, *sections])


def table(rows: Iterable[Law]) -> str:
    """One family as a table, in the order of its file."""
    lines = ["| law | value | rule for the error | source |", "|---|---|---|---|"]
    lines += [f"| `{x.name}` | {math(x.value)} | {math(x.error)} | {x.source} |" for x in rows]
    return "\n".join(lines) + "\n"


def math(tex: str) -> str:
    """TeX in a table cell: no bare bar, which would end the cell."""
    whole = tex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
    return f"$`{whole}`$" if whole else ""


def main(path: str) -> None:
    """Write the page."""
    Path(path).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [str(PAGE)]))
