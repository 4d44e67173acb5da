"""``gradiometer train --list``: everything that a recipe may name, one line each. No torch is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from gradiometer.lab import Choice
    from gradiometer.views import Style

FORMS = {"vector": "features without order", "grid": "channels over 1 or 2 axes", "sequence": "features over time"}
_LETTERS = str.maketrans(
    {
        "α": "a",
        "σ": "sigma",
        "Φ": "Phi",
        "¼": "1/4",
        "½": "1/2",
        "⊙": "*",
        "₀": "0",
        "₁": "1",
        "₂": "2",
        "ᵀ": "'",
        "ˣ": "x",
        "⁻": "-",
    }
)
"""Of formulas, for a pipe that is not UTF-8, where the page's own letters do not have them."""
_HEADS = {"task": "offers", "network": "reads"}


def list_page(style: Style) -> str:
    """Every choice under the option that takes it, at most ``style.columns`` wide, ending in a line break."""
    from gradiometer.lab import KINDS, Recipe
    from gradiometer.views.style import line, paragraph, render

    usual, out = Recipe(), []
    for kind, choices in KINDS.items():
        out += [*_group(kind, choices, getattr(usual, kind), style), line(("", ""))]
    for name, words in FORMS.items():
        out += paragraph(style.words(f"{name[0]}  {name}: {words}"), style.columns, "quiet")
    legend = "A network runs on every task that offers a form which it reads."
    return render(out + paragraph(style.words(legend), style.columns, "quiet"), style)


def _group(kind: str, choices: Mapping[str, Choice], usual: str, style: Style) -> list[Text]:
    """``--network  reads`` and below it ``  plain    v     depth x (weights, norm, activation)``."""
    from gradiometer.views.style import line, pad, paragraph

    wide = max(len(name) for name in (*choices, f"--{kind}")) + 2
    head = _HEADS.get(kind, "")
    forms = max(len(head), len(" ".join(n[0] for n in FORMS))) if head else 0
    indent = " " * (wide + forms + (4 if forms else 2))
    out = [line((pad(f"--{kind}", wide + 2), "title"), (head, "quiet"))]
    for choice in choices.values():
        said = choice.words if choice.words != choice.name else ""
        words = " ".join(w for w in (said, "(default)" if choice.name == usual else "") if w)
        body = [t.plain[len(indent) :] for t in paragraph(_letters(words, style), style.columns, "", indent)] or [""]
        read = pad(_forms(choice), forms + 2) if forms else ""
        out.append(line(("  " + pad(choice.name, wide), "error"), (read, "quiet"), (body[0], "")))
        out += [line((indent + more, "")) for more in body[1:]]
    return out


def _letters(words: str, style: Style) -> str:
    return style.words(
        words if style.unicode else words.replace("eˣ", "e^x").replace("e⁻ˣ", "e^-x").translate(_LETTERS)
    )


def _forms(choice: Choice) -> str:
    return " ".join(name[0] if name in choice.forms else " " for name in FORMS)
