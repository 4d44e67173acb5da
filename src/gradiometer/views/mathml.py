"""Formulas of a page: TeX into MathML, in pieces between which a line may break. Nothing foreign reaches the page.

Only a fixed vocabulary of TeX is converted, and of what the converter gives only known elements are kept. Everything
else is shown as it was written. Names (``\\mathrm{blocks.3}``) never reach the converter: a letter stands for them.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from gradiometer.records import UserError

from .numbers import clean

LONGEST_PIECE = 26
"""Signs after which a formula is broken ahead of its operators, and a piece inside its brackets too."""
DEEPEST_BREAK = 4

_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi varphi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_SIGNS = (
    "top odot sum prod partial nabla cdot cdots ldots dots langle rangle | lt gt leq geq neq approx ast circ times "
    "otimes oplus infty in mid pm div sim to mapsto rightarrow leftarrow star max min exp log tanh sinh cosh sin cos "
    "prime ell wedge lfloor rfloor lceil rceil"
)
_FORMS = "frac sqrt mathbb mathbf left right bar hat tilde , ; : ! quad _ # { } [ ]"
_COMMANDS = frozenset(f"{_GREEK} {_SIGNS} {_FORMS}".split()) | {" "}
_PLAIN = frozenset("^_{}()[]|+-=/.,:;!'* ")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)

_NAME = re.compile(r"\\(?:mathrm|operatorname|text)\{((?:[^{}\\]|\\[_#]|\\cdot(?![A-Za-z]))*)\}")
_FIRST_NAME, _NAMES_MOST = 0xE000, 0x1800
"""Letters of the private area stand for names while a formula is converted."""

_BREAKS = frozenset(
    ["=", "+", "-", r"\odot", r"\cdot", r"\ast", r"\times", r"\circ", r"\leq", r"\geq", r"\approx", r"\otimes"]
)
_OPEN, _CLOSE = frozenset("([") | {r"\langle"}, frozenset(")]") | {r"\rangle"}
_TALL = frozenset([r"\frac", r"\sum", r"\sqrt", r"\prod"])
_INFIX = frozenset("=+−⊙⋅·∗×∘≤≥≈⊗")

_LEAVES = frozenset(["mi", "mn", "mo", "mspace"])
_ELEMENTS = _LEAVES | {"math", "mrow", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover"}
_ELEMENTS |= {"munderover"}
_ATTRIBUTES = frozenset(["stretchy", "fence", "form", "accent", "mathvariant", "width"])
_IDENTIFIERS = frozenset("∂∞")
_FENCES = {"⟨": "prefix", "⟩": "postfix"}
_BETTER = {"ϵ": "ε", "^": "ˆ", "~": "˜"}
"""Letters that the sentences of the page write otherwise; accents whose own signs are smaller than those of a line."""


def check_mathml() -> None:
    """UserError with the line to run where the converter is not installed."""
    _converted("x")


@lru_cache(maxsize=4096)
def formula(tex: str) -> tuple[str, ...]:
    """Markup of the formula's pieces, in order; a line may break between them. Empty for an empty formula.

    What is outside the vocabulary, or no TeX at all, is one piece of ``code`` that shows it as it was written.
    """
    names: list[str] = []
    text = _NAME.sub(lambda found: _letter(found[1], names), tex.strip())
    tokens = _TOKEN.findall(text.replace("<", r"\lt ").replace(">", r"\gt "))
    if len(names) > _NAMES_MOST or any(map(_is_name, tex)) or not all(map(_known, tokens)):
        return (_as_written(tex),)
    pieces = [_markup(piece, names) for piece in _pieces(tokens, names)]
    if None in pieces:
        return (_as_written(tex),)
    return tuple(p for p in pieces if p)


def _letter(name: str, names: list[str]) -> str:
    words = clean(name).replace("\\_", "_").replace("\\#", "#").replace("\\cdot", "·")
    names.append(re.sub(r"\s*·\s*", "·", " ".join(words.split())))
    return chr(_FIRST_NAME + len(names) - 1)


def _as_written(tex: str) -> str:
    return f"<code>{escape(clean(tex.strip()))}</code>"


def _known(token: str) -> bool:
    if token.startswith("\\"):
        return token[1:] in _COMMANDS
    return token in _PLAIN or _is_name(token) or (token.isalnum() and len(token) == 1)


def _is_name(letter: str) -> bool:
    return len(letter) == 1 and _FIRST_NAME <= ord(letter) < _FIRST_NAME + _NAMES_MOST


# ---- where a line may break --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Depth:
    """How deep a token stands: in round and square brackets, and in groups that cannot be broken."""

    brackets: int
    groups: int


def _pieces(tokens: list[str], names: Sequence[str]) -> list[list[str]]:
    """The formula cut ahead of its operators where it is long: outside brackets, then inside them."""
    if not _TALL & set(tokens):  # nothing is higher than a line, so that brackets need not grow with what they hold
        tokens = [t for t in tokens if t not in (r"\left", r"\right")]
    depths, out = _depths(tokens), [tokens]
    cuts: set[int] = set()
    for deepest in range(-1, DEEPEST_BREAK):
        if all(_signs(p, names) <= LONGEST_PIECE for p in out):
            break
        cuts |= _between_rules(tokens, depths) if deepest < 0 else _operators(tokens, depths, deepest)
        edges = sorted({0, *cuts, len(tokens)})
        out = [tokens[a:b] for a, b in itertools.pairwise(edges)]
    return out


def _between_rules(tokens: Sequence[str], depths: Sequence[_Depth]) -> set[int]:
    """Places behind a comma or semicolon that parts one equation from the next."""
    return {i + 1 for i, t in enumerate(tokens) if t in ",;" and depths[i] == _Depth(0, 0) and i + 1 < len(tokens)}


def _operators(tokens: Sequence[str], depths: Sequence[_Depth], brackets: int) -> set[int]:
    """Places ahead of an operator at this depth of brackets."""
    here = _Depth(brackets, 0)
    return {i for i, t in enumerate(tokens) if t in _BREAKS and depths[i] == here and not _is_sign(tokens, i)}


def _depths(tokens: Sequence[str]) -> list[_Depth]:
    out, brackets, groups = [], 0, 0
    for token in tokens:
        brackets -= token in _CLOSE and not groups and brackets > 0
        groups -= token in ("}", r"\right")
        out.append(_Depth(brackets, groups))
        brackets += token in _OPEN and not groups
        groups += token in ("{", r"\left")
    return out


def _is_sign(tokens: Sequence[str], at: int) -> bool:
    """A plus or minus that belongs to what follows, and is no operation between two."""
    before = next((t for t in reversed(tokens[:at]) if t.strip()), "(")
    return tokens[at] in "+-" and (before in _OPEN or before in _BREAKS or before in "^_{")


def _signs(tokens: Sequence[str], names: Sequence[str]) -> int:
    """About how many signs wide these tokens are drawn."""
    silent = {"{", "}", "^", "_", " ", r"\left", r"\right", r"\mathbb", r"\hat", r"\bar", r"\frac"}
    return sum(len(names[ord(t) - _FIRST_NAME]) if _is_name(t) else t not in silent for t in tokens)


# ---- what reaches the page ---------------------------------------------------------------------------------------


def _converted(tex: str) -> str:
    try:
        from latex2mathml.converter import convert
    except ImportError as missing:
        line = 'pip install "gradiometer[report]"'
        raise UserError(f"A page with formulas needs {missing.name}, which is not installed. Run: {line}") from missing
    return str(convert(tex, display="block"))


def _markup(tokens: Sequence[str], names: Sequence[str]) -> str | None:
    """One ``math`` element, "" for nothing, None where the converter makes nothing of it."""
    tex = "".join(tokens).strip()
    if not tex:
        return ""
    try:
        root = ET.fromstring(_converted(tex))
    except UserError:
        raise
    except Exception:  # the converter has a dozen kinds of error, and none of them may cost the page
        return None
    tidy = _tidy(root, names)
    if tidy is None:
        return None
    inside = "".join(map(_written, _unwrapped(tidy)))
    return f"<math>{inside}</math>" if inside else ""


def _unwrapped(element: ET.Element) -> list[ET.Element]:
    children = list(element)
    while len(children) == 1 and children[0].tag == "mrow":
        children = list(children[0])
    if len(children) > 1 and children[0].tag == "mo" and children[0].text in _INFIX:
        children[0].set("form", "infix")  # it stands first in its piece, but between two
    return children if element.tag == "math" else [element]


def _tidy(element: ET.Element, names: Sequence[str]) -> ET.Element | None:
    """The same without namespaces, idle attributes and rows of one; names in place. None for a foreign element."""
    tag = element.tag.rpartition("}")[2]
    if tag not in _ELEMENTS:
        return None
    out = ET.Element(tag, {k: v for k, v in element.attrib.items() if k in _ATTRIBUTES})
    out.text = _BETTER.get(element.text or "", element.text)
    for child in element:
        tidy = _tidy(child, names)
        if tidy is None:
            return None
        if _touching(out, tidy):
            ET.SubElement(out, "mspace", {"width": ".17em"})
        out.append(tidy)
    if len(out):
        return out[0] if tag == "mrow" and len(out) == 1 else out
    return _leaf(out, names)


def _touching(row: ET.Element, following: ET.Element) -> bool:
    """A word (``log``) and what it is applied to, without a bracket between: the converter leaves no room there."""
    if row.tag not in ("mrow", "math") or not len(row) or following.tag in ("mo", "mspace"):
        return False
    last = row[-1]
    return last.tag == "mi" and len(last.text or "") > 1


def _leaf(element: ET.Element, names: Sequence[str]) -> ET.Element:
    text = element.text or ""
    if _is_name(text):
        name = names[ord(text) - _FIRST_NAME]
        element.tag, element.text, element.attrib = "mi", name.replace(" ", "\N{NO-BREAK SPACE}"), {}
        if len(name) == 1:
            element.set("mathvariant", "normal")  # one letter alone would be slanted
    elif element.get("mathvariant") == "double-struck":  # MathML Core has upright and nothing else
        element.tag, element.text, element.attrib = "mi", "𝟙" if text == "1" else text, {"mathvariant": "normal"}
    elif text in _IDENTIFIERS or (
        element.tag == "mo" and len(text) > 1 and text.isalpha()
    ):  # ∂ and max have no room around them
        element.tag = "mi"
    elif text in _FENCES:
        element.tag, element.attrib = "mo", {"form": _FENCES[text], "stretchy": "false"}
    return element


def _written(element: ET.Element) -> str:
    attributes = "".join(f' {k}="{escape(v)}"' for k, v in element.attrib.items())
    inside = "".join(map(_written, element)) if len(element) else escape(element.text or "", quote=False)
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"
