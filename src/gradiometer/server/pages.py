"""The shell of every page: head, bar, an empty main that a script fills. No text of a run stands here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the bar: its name and its address."""

    name: str
    address: str


RUNS, TRIALS = Place("Runs", "/"), Place("Trials", "/trials")


def shell(title: str, script: str, here: Place, places: Sequence[Place] = (RUNS, TRIALS)) -> str:
    """One page. title, script and places are our own words, never a client's."""
    links = "".join(f'<a href="{p.address}"{CURRENT if p.name == here.name else ""}>{p.name}</a>' for p in places)
    scripts = "".join(f'<script src="/static/{name}" defer></script>' for name in (*SCRIPTS, script))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Gradiometer</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/look.css">
{scripts}
</head>
<body class="dashboard">
<a class="skip" href="#main">To the content</a>
<header class="bar"><div class="bar-in">
<nav class="brand" aria-label="Where you are"><i></i><b>Gradiometer</b><span id="crumbs"></span></nav>
<nav class="places" aria-label="Pages">{links}<button type="button" id="keys" aria-label="Keys">?</button></nav>
</div></header>
<div id="connection" role="status" hidden></div>
<main id="main" tabindex="-1"></main>
<div id="said" class="sr" role="status" aria-live="polite"></div>
<noscript><p class="hint">This page draws what the server sends, and needs JavaScript for it.</p></noscript>
</body>
</html>
"""


CURRENT = ' aria-current="page"'
SCRIPTS = ("plotly.js", "charts.js", "dash.js")
