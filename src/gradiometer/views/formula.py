"""A formula in one line of a terminal: from TeX to ``δ₁₃ = (W₁₄ᵀ δ₁₄) ⊙ σ′(z₁₃)``, or the same in ASCII.

It knows the words of the walk's formulas: letters, Greek, scripts, fractions, roots, sums, norms, words in roman type.
What it does not know stays readable: a macro becomes its own name, a brace that is never closed closes at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len

from .formula_letters import (
    ACCENTS,
    ASCII_LETTERS,
    CLOSING,
    OPENING,
    OPERATORS,
    SPACES,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    UNICODE_LETTERS,
    WORDS,
)
from .numbers import ASCII, clean
from .style import Style

Kind = Literal["letter", "digit", "word", "operator", "open", "close", "prefix", "sum", "comma", "slash", "fraction"]

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[0-9]+(?:\.[0-9]+)?|\s+|.", re.DOTALL)
_LONG_WORD = re.compile(r"[a-z]{3}")  # lowered letters are hard to read as a word
_DEEPEST = 40  # of nested groups; below it, everything is read as letters
_DOT = " \N{DOT OPERATOR} "  # between a fraction and its neighbour, until it gets the sign of the form
_UNARY_AFTER = frozenset({"operator", "open", "comma", "slash"})


@dataclass(frozen=True, slots=True)
class _Piece:
    """A printed part of the line. apart: whether the source has white space ahead of it; tall: it has scripts."""

    text: str
    kind: Kind
    apart: bool = False
    tall: bool = False
    calls: bool = False  # a bracket right behind it holds its argument


def unicode_formula(tex: str) -> str:
    """One line of Unicode: ``\\delta_{13}`` is ``δ₁₃``. Never raises."""
    return clean(_Reader(tex, UNICODE_LETTERS).line().replace(_DOT, " · "))


def ascii_formula(tex: str) -> str:
    """One line of ASCII: ``\\delta_{13}`` is ``delta_13``. Never raises."""
    return ASCII.text(_Reader(tex, ASCII_LETTERS).line().replace(_DOT, " * "))


def formula_line(tex: str, style: Style) -> str:
    """The formula in the letters that a page has."""
    return unicode_formula(tex) if style.unicode else ascii_formula(tex)


def formula_lines(tex: str, style: Style, width: int) -> list[str]:
    """The formula in lines of at most ``width`` columns where it can be: equations that a comma parts stay whole."""
    out: list[str] = []
    for equation in _equations(formula_line(tex, style)):
        if out and cell_len(out[-1]) + 1 + cell_len(equation) <= width:
            out[-1] += f" {equation}"
        else:
            out.append(equation)
    return out


def _equations(line: str) -> list[str]:
    """``y = a b, a = 1`` in two: at commas and semicolons outside of brackets, where another equation begins."""
    out: list[str] = []
    part, depth, equals = "", 0, False
    for word in line.split(" ") if line else ():
        part += f" {word}" if part else word
        equals = equals or (word == "=" and depth == 0)
        depth += sum(word.count(c) for c in "([") - sum(word.count(c) for c in ")]")
        if depth == 0 and word.endswith((",", ";")):
            _append(out, part, equals)
            part, equals = "", False
    _append(out, part, equals)
    return out


def _append(out: list[str], part: str, equals: bool) -> None:
    """A part that is no equation of its own belongs to the one before it."""
    if part and (equals or not out):
        out.append(part)
    elif part:
        out[-1] += f" {part}"


class _Reader:
    """Reads the tokens of a formula from left to right into pieces, and sets them with their spaces."""

    def __init__(self, tex: str, letters: Mapping[str, str]) -> None:
        self._tokens = _TOKEN.findall(tex)
        self._at, self._depth, self._bars = 0, 0, 0
        self._letters = letters
        self._fancy = letters is UNICODE_LETTERS

    def line(self) -> str:
        """The whole formula; what stands behind a brace too many is read too."""
        pieces: list[_Piece] = []
        while self._at < len(self._tokens):
            pieces += self._pieces()
            self._at += 1  # a closing brace without an opening one
        return _set(pieces)

    def _pieces(self) -> list[_Piece]:
        """Pieces up to the closing brace of this group, which is left unread."""
        out: list[_Piece] = []
        apart = False
        while self._at < len(self._tokens) and self._tokens[self._at] != "}":
            token = self._tokens[self._at]
            if token.isspace() or token in SPACES:
                self._at += 1
                apart = True
                continue
            if token in ("^", "_", "'", "′"):
                base = out.pop() if out and not apart else _Piece("", "letter")
                out.append(self._scripted(base))
            else:
                out += self._read(apart)
            apart = False
        return out

    def _read(self, apart: bool) -> list[_Piece]:
        """One token or group that is no script."""
        token = self._tokens[self._at]
        self._at += 1
        if self._depth >= _DEEPEST:
            return [] if token == "{" else [self._symbol(token, apart)]
        self._depth += 1
        found = self._taken(token, apart)
        self._depth -= 1
        return found

    def _taken(self, token: str, apart: bool) -> list[_Piece]:
        """What a token stands for, with the groups that belong to it."""
        if token == "{":
            inner = self._closed()
            return [_Piece(inner[0].text, inner[0].kind, apart, inner[0].tall)] if len(inner) == 1 else inner
        if token in (r"\left", r"\right"):
            return self._delimiter(apart)
        if token == r"\frac":
            return [_Piece(self._fraction(), "fraction", apart)]
        if token == r"\sqrt":
            inner = self._argument()
            text = f"√{_bracketed(inner)}" if self._fancy else f"sqrt({_set(inner)})"
            return [_Piece(text, "word", apart, tall=True)]
        if token in ACCENTS:
            return [_Piece(self._accented(token), "word", apart, tall=True)]
        if token in WORDS:
            return self._word(token, apart)
        return [self._symbol(token, apart)]

    def _closed(self) -> list[_Piece]:
        """The pieces of a group whose opening brace has been read; its closing one is read too."""
        out = self._pieces()
        self._at += 1
        return out

    def _argument(self) -> list[_Piece]:
        """The next group or token."""
        while self._at < len(self._tokens) and self._tokens[self._at].isspace():
            self._at += 1
        if self._at >= len(self._tokens) or self._tokens[self._at] == "}":
            return []
        return self._read(apart=False)

    def _delimiter(self, apart: bool) -> list[_Piece]:
        """What stands behind ``\\left`` and ``\\right``; a point stands for none."""
        if self._at >= len(self._tokens):
            return []
        if self._tokens[self._at] == ".":
            self._at += 1
            return []
        return self._read(apart)

    def _fraction(self) -> str:
        top, bottom = self._argument(), self._argument()
        if not bottom:
            return _set(top)
        upper = f"({_set(top)})" if any(p.kind in ("operator", "fraction") for p in top) else _set(top)
        lone = len(bottom) == 1 or (len(bottom) == 2 and bottom[0].kind == "prefix")
        lower = _set(bottom) if lone and bottom[-1].kind != "fraction" else f"({_set(bottom)})"
        return f"{upper}/{lower}"

    def _accented(self, token: str) -> str:
        text = _set(self._argument())
        if self._fancy and len(text) == 1:
            return text + ACCENTS[token]
        return f"{token[1:]}({text})"

    def _word(self, token: str, apart: bool) -> list[_Piece]:
        """Roman letters as they stand: a minus in a name is a hyphen."""
        pieces = self._argument()
        text = "".join((" " if p.apart else "") + p.text for p in pieces).replace("−", "-").strip()
        return [_Piece(text, "word", apart, calls=True)]

    def _symbol(self, token: str, apart: bool) -> _Piece:
        if token in (r"\|", "‖"):
            self._bars += 1
            kind: Kind = "open" if self._bars % 2 else "close"
            return _Piece(self._letters[r"\|"], kind, apart)
        text = self._letters.get(token, token.removeprefix("\\"))
        if token in OPERATORS:
            return _Piece(text, "operator", apart)
        if token in OPENING or token in CLOSING:
            return _Piece(text, "open" if token in OPENING else "close", apart)
        if token in (r"\partial", r"\nabla", r"\Delta"):
            return _Piece(text, "prefix", apart)
        if token in (r"\sum", r"\prod"):
            return _Piece(text, "sum", apart)
        if token in (",", ";", "/"):
            return _Piece(text, "slash" if token == "/" else "comma", apart)
        if token[:1].isdigit():
            return _Piece(text, "digit", apart)
        return _Piece(text, "letter" if token in self._letters or len(text) == 1 else "word", apart)

    def _scripted(self, base: _Piece) -> _Piece:
        """The base with all scripts that follow it: primes, then the subscript, then the superscript."""
        primes, below, above = "", "", ""
        while self._at < len(self._tokens) and self._tokens[self._at] in ("^", "_", "'", "′"):
            token = self._tokens[self._at]
            self._at += 1
            if token in ("'", "′"):
                primes += "′" if self._fancy else "'"
            elif token == "_":
                below += self._script("_")
            else:
                above += self._script("^")
        kind: Kind = base.kind if base.kind in ("sum", "close", "fraction") else "letter"
        if base.kind == "prefix" and not (below or above or primes):
            kind = "prefix"
        return _Piece(
            base.text.rstrip() + primes + below + above, kind, base.apart, tall=True, calls=bool(primes) or base.calls
        )

    def _script(self, sign: str) -> str:
        """A script in raised or lowered letters where all have one, else behind ``_`` or ``^``."""
        pieces = self._argument()
        tight = "".join(p.text for p in pieces)
        if self._fancy:
            table = SUBSCRIPTS if sign == "_" else SUPERSCRIPTS
            if tight and all(c in table for c in tight) and not _LONG_WORD.search(tight):
                return "".join(table[c] for c in tight)
        if len(pieces) > 1 and any(len(p.text) > 1 and p.text.isalpha() for p in pieces):
            tight = _set(pieces)
        if re.fullmatch(r"[\w.′']+|\([^()]*\)", tight):
            return sign + tight
        return f"{sign}({tight})" if tight else ""


def _bracketed(pieces: list[_Piece]) -> str:
    text = _set(pieces)
    return f"({text})" if len(pieces) > 1 else text


def _set(pieces: list[_Piece]) -> str:
    """The pieces in one line, with the spaces that make it readable."""
    out = ""
    before: _Piece | None = None
    unary = False
    for piece in pieces:
        if before is not None and not unary:
            out += _gap(before, piece)
        unary = piece.text in ("−", "-", "±") and (before is None or before.kind in _UNARY_AFTER)
        out += piece.text
        before = piece
    return out.strip()


def _gap(left: _Piece, right: _Piece) -> str:
    """What stands between two pieces."""
    if "slash" in (left.kind, right.kind) or left.kind in ("open", "prefix") or right.kind in ("close", "comma"):
        return ""
    if "operator" in (left.kind, right.kind) or left.kind in ("comma", "sum"):
        return " "
    if right.kind == "open" and left.kind != "fraction":
        return " " if right.apart and not left.calls else ""
    if "fraction" in (left.kind, right.kind):
        return _DOT
    if left.kind == "close" or left.tall or right.tall or "word" in (left.kind, right.kind):
        return " "
    return " " if right.apart and (left.kind != "digit" or len(right.text) > 1) else ""
