"""How far something long is: a bar, the share that is done, the time that it took and the time left, on one line."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .style import Style, fit, line, render

BAR_CELLS = 12
_SOON_S = 1.0  # before, a rate of progress is mostly what was imported


@dataclass(frozen=True, slots=True)
class Share:
    """What is known now. share: done of the whole, 0 to 1. words: what is under way. spent_s: since it began."""

    share: float
    words: str
    spent_s: float

    @property
    def left_s(self) -> float:
        """Seconds that it will take from here if it goes on as it did; nan before that can be told."""
        if self.share <= 0 or self.spent_s < _SOON_S:
            return math.nan
        return self.spent_s * (1 - self.share) / self.share


def share_facts(now: Share, style: Style) -> str:
    """``45 % · 0:32 · left 0:40``."""
    facts = [style.numbers.percent(min(max(now.share, 0.0), 1.0)), clock(now.spent_s)]
    facts += [] if math.isnan(now.left_s) else [f"left {clock(now.left_s)}"]
    return f" {style.glyphs.dot} ".join(facts)


def share_line(now: Share, style: Style | None = None) -> str:
    """One line without a line break, as wide as the terminal at most."""
    style = style or Style()
    full = round(min(max(now.share, 0.0), 1.0) * BAR_CELLS)
    bar = style.glyphs.parts[-1] * full + style.glyphs.hollow * (BAR_CELLS - full)
    text = f"{now.words}  {bar}  {share_facts(now, style)}"
    return render([line((fit(style.words(text), style.columns, style.glyphs.ellipsis), "quiet"))], style).rstrip("\n")


def clock(seconds: float) -> str:
    """``0:32``, ``12:05``, ``1:02:03``; 0 and less is ``0:00``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
