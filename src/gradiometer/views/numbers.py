"""One number, one format, in every door: thin groups, real minus, ``5.3 × 10¹⁷``, decades, percent, gains, times."""

from __future__ import annotations

import math
from dataclasses import dataclass

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ASCII = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "×": "x",
        "÷": "/",
        "→": "->",
        "·": "*",
        "′": "'",
        "σ": "sigma",
        "φ": "phi",
        "δ": "delta",
        "∂": "d",
        "α": "alpha",
        "Σ": "sum ",
        "ᵀ": "^T",
        "∇": "grad ",
        "χ": "chi",
        "β": "beta",
        "η": "eta",
        "ε": "epsilon",
        "π": "pi",
        "Δ": "d",
        "√": "sqrt ",
        "∞": "inf",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "≈": "~",
        "±": "+-",
        "✕": "x",
        "✓": "ok",
        "½": "1/2",
        "°": " degrees",
        "‖": "|",
        "\u202f": " ",
        "\u2009": " ",
        "\u00a0": " ",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)

_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86400.0
_YEAR_S = 365.25 * _DAY_S
_DURATIONS = (  # (from seconds, divisor, words); the first that is small enough is taken
    (1e9 * _YEAR_S, 1e9 * _YEAR_S, "billion years"),
    (1e6 * _YEAR_S, 1e6 * _YEAR_S, "million years"),
    (_YEAR_S, _YEAR_S, "years"),
    (2 * _DAY_S, _DAY_S, "days"),
    (_HOUR_S, _HOUR_S, "h"),
    (_MINUTE_S, _MINUTE_S, "min"),
    (1.0, 1.0, "s"),
    (1e-3, 1e-3, "ms"),
    (0.0, 1e-6, "µs"),
)


def clean(text: str) -> str:
    """``text`` without control characters: names come from the user's program and must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\u202f" else " " for c in text)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A way of writing numbers. There are two: ``UNICODE`` and ``ASCII``."""

    minus: str
    times: str
    thin: str
    unknown: str
    infinite: str
    superscript: bool

    def power(self, value: float) -> str:
        """Two significant digits and a power of ten: ``5.3 × 10¹⁷``, in ASCII ``5.3e17``."""
        if not math.isfinite(value):
            return self.number(value)
        mantissa, _, exponent = f"{abs(value):.1e}".partition("e")
        sign = self.minus if value < 0 else ""
        power = str(int(exponent))
        if not self.superscript:
            return f"{sign}{mantissa}e{power}"
        return f"{sign}{mantissa} × 10{power.translate(_SUPERSCRIPT)}"

    def number(self, value: float) -> str:
        """Three significant digits, no trailing zeros; a power of ten outside [0.001, 100 000)."""
        return self._significant(value, 3)

    def interval(self, low: float, high: float) -> str:
        """``0.21 to 0.422``, with as many digits, seven at most, as tell the two ends apart. "" where one is nan."""
        if math.isnan(low) or math.isnan(high):
            return ""
        written = [(self._significant(low, digits), self._significant(high, digits)) for digits in range(3, 8)]
        first, last = next((ends for ends in written if ends[0] != ends[1]), written[0])
        return f"{first} to {last}"

    def _significant(self, value: float, digits: int) -> str:
        if math.isnan(value):
            return self.unknown
        sign = self.minus if value < 0 else ""
        size = abs(value)
        if math.isinf(size):
            return sign + self.infinite
        if size == 0.0:
            return "0"
        if size < 1e-3 or size >= 99_999.5:
            return self.power(value)
        places = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{size:,.{places}f}".replace(",", self.thin)
        return sign + (text.rstrip("0").rstrip(".") if "." in text else text)

    def _grouped(self, value: int) -> str:
        """1 500: groups of three from 1 000 on."""
        return f"{value:,}".replace(",", self.thin)

    def count(self, value: int) -> str:
        """A whole number in groups of three."""
        return (self.minus if value < 0 else "") + self._grouped(abs(value))

    def decades(self, value: float) -> str:
        """A log10 with one decimal and its sign; ``0`` where it rounds to 0, a word where it was exactly zero."""
        if math.isnan(value):
            return self.unknown
        if math.isinf(value):
            return "zero" if value < 0 else "+" + self.infinite
        if abs(value) < 0.05:
            return "0"
        return (self.minus if value < 0 else "+") + f"{abs(value):.1f}"

    def percent(self, share: float) -> str:
        """A share as percent: ``100 %``, ``0.7 %``, ``< 0.1 %``. 100 % is written only for what rounds down to it."""
        if not math.isfinite(share):
            return self.number(share)
        value = 100.0 * share
        if 0 < value < 0.1:
            return "< 0.1 %"
        if 0 < value < 10 and round(value, 1) != round(value):
            return f"{value:.1f} %"
        if 99.0 < value < 100.0:
            return f"{math.floor(10 * value) / 10:.1f} %"
        return f"{round(value)} %".replace("-", self.minus)

    def factor(self, value: float) -> str:
        """A gain without its sign of multiplication: ``0.14``, ``1.00``, ``12``, ``2.0 × 10⁻⁵``."""
        if not math.isfinite(value) or value == 0.0:
            return self.number(value)
        if 0.01 <= value < 9.995:
            return f"{value:.2f}"
        if 9.995 <= value < 999.5:
            return f"{value:.0f}"
        return self.power(value)

    def gain(self, value: float) -> str:
        """A gain as it is written everywhere: ``×0.14``; unknown stays unknown."""
        return self.unknown if math.isnan(value) else self.times + self.factor(value)

    def steps(self, value: float) -> str:
        """A learning time: ``29``, ``1 500``, ``5.3 × 10¹⁷``; ``never`` where nothing moves at all."""
        if math.isinf(value):
            return "never"
        if value >= 9_999.5:
            return self.power(value)
        return self._grouped(round(value)) if value >= 9.95 else self.number(float(f"{value:.2g}"))

    def duration(self, seconds: float) -> str:
        """Seconds in human words, two digits: ``3.3 ms``, ``12 min``, ``55 million years``."""
        if not math.isfinite(seconds):
            return self.unknown if math.isnan(seconds) else "never"
        for start, unit_s, word in _DURATIONS:
            if seconds >= start:
                amount = seconds / unit_s
                word = self.ascii(word) if not self.superscript else word
                return f"{self.number(float(f'{amount:.2g}'))} {word}"
        return self.unknown

    def quantity(self, value: float, unit: str) -> str:
        """A value with its unit as evidence is told: decades are signed, shares become percent."""
        if unit == "decades":
            return f"{self.decades(value)} decades" if math.isfinite(value) else self.decades(value)
        if unit in ("share", "%"):
            return self.percent(value if unit == "share" else value / 100)
        if unit == "steps":
            return f"{self.steps(value)} steps" if math.isfinite(value) else self.steps(value)
        if unit in ("", "ratio", "1", "gain", "factor"):
            return self.number(value)
        if unit == "step":
            return f"step {self.number(value)}"
        return f"{self.number(value)} {unit.removesuffix('s') if value == 1 else unit}"

    def text(self, text: str) -> str:
        """Words from elsewhere, without control characters and in the letters that this way of writing has."""
        return clean(text) if self.superscript else self.ascii(clean(text))

    def ascii(self, text: str) -> str:
        """``text`` in ASCII: known signs by their words, superscripts as exponents, others as ``\\u4e2d``."""
        if text.isascii():
            return text
        plain = _plain_powers(text).replace("µs", "us").replace("σ′", "phi'").replace(" · ", " | ").translate(_ASCII)
        return plain.encode("ascii", "backslashreplace").decode("ascii")


def _plain_powers(text: str) -> str:
    """``5.3 × 10⁻¹⁷`` → ``5.3e-17``, ``2⁻¹⁵`` → ``2^-15``."""
    back = {v: chr(k) for k, v in _SUPERSCRIPT.items()}
    out: list[str] = []
    i = 0
    while i < len(text):
        j = i
        while j < len(text) and ord(text[j]) in back:
            j += 1
        if j > i:
            before = "".join(out)
            out = [before.removesuffix(" × 10"), "e" if before.endswith(" × 10") else "^"]
            out.extend(back[ord(c)] for c in text[i:j])
            i = j
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


UNICODE = Numbers(minus="−", times="×", thin="\u202f", unknown="—", infinite="∞", superscript=True)
ASCII = Numbers(minus="-", times="x", thin=" ", unknown="-", infinite="inf", superscript=False)
