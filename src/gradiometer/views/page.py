"""What every HTML page of ours is made with: template, tokens, Plotly's script, charts as data. Nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradiometer.records import UserError

from .numbers import clean
from .plot import Spec
from .tokens import css_variables

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"
SANS = 'Inter,ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'
MONO = '"JetBrains Mono",ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace'
SCRIPTS = ("charts.js", "reading.js", "groups.js", "report.js")
SIGNS = {"fail": "✕", "warn": "!", "healthy": "✓", "unknown": "—"}


def check_installed() -> None:
    """UserError with the line to run where the extra ``report`` is not installed."""
    load_template("report.html")
    plotly_script()


def filled(name: str, context: Mapping[str, Any], charts: Mapping[str, Spec]) -> str:
    """The template with its context, our look and its charts; Plotly's script is inside where there is any chart.

    ``printed`` of the context: what stands at the foot of each sheet."""
    scripts = [plotly_script(), "".join(map(template_text, SCRIPTS))] if charts else []
    printed = css_text(clean(str(context.get("printed", "Gradiometer"))))
    shown = {"charts": inside_script(charts), "printed": printed} | trusted(scripts)
    return load_template(name).render(look() | dict(context) | shown)


def allowed_scripts(texts: Sequence[str]) -> str:
    """What a policy for the content of a page says of scripts: these texts, by their SHA-256, and no other."""
    digests = (base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"


def trusted(scripts: Sequence[str]) -> dict[str, Any]:
    """``scripts``, and ``trusted``: what a Content-Security-Policy says to let these run and no other."""
    texts = [text.replace("\r\n", "\n") for text in scripts]  # as a browser reads them, and hashes them
    return {"scripts": [as_it_is(t) for t in texts], "trusted": as_it_is(allowed_scripts(texts))}


def dashboard_page(name: str, context: Mapping[str, Any], charts: Mapping[str, Spec]) -> str:
    """A template on the ground of the dashboard: scripts and style are files of the server, charts stand as data."""
    shown = {"base": "dashboard.html", "charts": inside_script(charts), "signs": SIGNS}
    return load_template(name).render(dict(context) | shown)


def load_template(name: str) -> Template:
    """One of our templates. UserError with the line to run where the extra ``report`` is not installed."""
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as missing:
        raise _not_installed(missing) from missing
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, finalize=_shown)
    return environment.get_template(name)


def _shown(value: object) -> object:
    """Names come from the user's program: no control characters reach the page."""
    return clean(value) if type(value) is str and "\n" not in value else value


def plotly_script() -> str:
    """Plotly's own script, from the Python package. UserError where it is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as missing:
        raise _not_installed(missing) from missing
    return str(get_plotlyjs())


def _not_installed(missing: ImportError) -> UserError:
    return UserError(f'A report needs {missing.name}, which is not installed. Run: pip install "gradiometer[report]"')


def as_it_is(text: str) -> Any:
    """Text of our own or of plotly, set into the page as it is."""
    from markupsafe import Markup

    return Markup(text)


def inside_script(value: object) -> Any:
    """JSON that no name can close the script element from."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return as_it_is(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def css_text(text: str) -> Any:
    """A text as a string of a style sheet that no name can end: all but letters and digits by their number."""
    return as_it_is('"' + "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c):x} " for c in text) + '"')


def template_text(name: str) -> str:
    """A file of our templates as it stands."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def look(*styles: str) -> dict[str, Any]:
    """Style, colours and letters of a page. styles: files of rules beside those of every page."""
    css = as_it_is("".join(map(template_text, ("report.css", *styles))))
    colours = {"light": as_it_is(css_variables("light")), "dark": as_it_is(css_variables("dark"))}
    return colours | {"css": css, "sans": as_it_is(SANS), "mono": as_it_is(MONO), "signs": SIGNS}
