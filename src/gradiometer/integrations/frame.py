"""The frame of everything that a notebook shows: one element with its own look, no script, no request.

Inline, not in an iframe: a frame cannot know the notebook's theme nor its own height without a script, and notebooks
refuse scripts of outputs that they do not trust. So that the notebook's own rules for tables and code lose, every
selector names the class three times.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gradiometer.views.html_walk_plan import unbroken
from gradiometer.views.page import MONO, SANS, SIGNS
from gradiometer.views.tokens import DARK, LIGHT
from gradiometer.views.wording import Verdict

from .markup import Html, Piece, el, ours

CLASS = "gradiometer"


@cache
def style() -> Html:
    """The look, with the colours of light and dark pages. Which one holds is the notebook's theme, else the system's.

    JupyterLab, VS Code and Colab each mark their theme on an element around the output.
    """
    css = (Path(__file__).parent / "notebook.css").read_text(encoding="utf-8")
    tokens = [f"--{role}:light-dark({LIGHT[role]},{DARK[role]})" for role in LIGHT]
    css = css.replace("TOKENS", ";".join([*tokens, f"--sans:{SANS}", f"--mono:{MONO}"]))
    return ours(f"<style>{css.replace(f'.{CLASS}', f'.{CLASS}' * 3)}</style>")


def framed(*inside: Piece) -> str:
    """A whole output."""
    return el("div", style(), *inside, cls=CLASS)


def top(name: str, facts: str) -> Html:
    """The line above: what is shown, and how it came about."""
    return el("div", el("div", el("b", "Gradiometer"), " / ", el("code", name)), el("div", facts), cls="top")


def tag(tone: str, word: str) -> Html:
    """The sign and word of a verdict, filled or outlined by its severity."""
    return el("span", f"{SIGNS[tone]} {word}", cls=f"tag {tone}")


def verdict_head(verdict: Verdict, lead: str = "") -> Html:
    """Tag, cause, the sentence, and what stands below it."""
    cause = el("span", verdict.cause, cls="cause") if verdict.cause else None
    return el(
        "div",
        el("div", tag(verdict.tone, verdict.tag), cause, cls="tags"),
        said(verdict.sentence),
        el("div", unbroken(lead), cls="lead") if lead else None,
    )


def said(sentence: str) -> Html:
    """The sentence that stands first."""
    return el("div", unbroken(sentence), cls="said")


def head(words: str, note: str = "") -> Html:
    """The heading of a part. No heading element: notebooks would list it in their table of contents."""
    return el("div", el("div", words, cls="head"), el("div", note, cls="note") if note else None)


def foot(*facts: Piece) -> Html:
    """The last line: what is known of the measurement, and how to see more."""
    pieces: list[Piece] = []
    for fact in (f for f in facts if f):
        pieces += ([" · "] if pieces else []) + [fact]
    return el("div", *pieces, cls="foot")
