"""Options of Gradiometer that were typed after the script: the script gets them, and the user is told."""

from __future__ import annotations

from pathlib import Path

import typer

from gradiometer.session.script import ScriptTarget

from .guard import complain


def tell_strays(context: typer.Context, target: ScriptTarget) -> None:
    """One sentence on stderr where the script's arguments hold long options of this command that nothing in the
    script's own text mentions. The arguments stay the script's."""
    own = {name for parameter in context.command.params for name in parameter.opts if name.startswith("--")}
    typed = dict.fromkeys(arg.partition("=")[0] for arg in target.args)
    strays = [name for name in typed if name in own]
    if not strays:
        return
    text = _source(target)
    if strays := [name for name in strays if name not in text]:
        one = len(strays) == 1
        complain(
            f"{' and '.join(strays)} {'stands' if one else 'stand'} after {target.name}, so the script gets "
            f"{'it' if one else 'them'}. What is meant for Gradiometer goes before the script."
        )


def _source(target: ScriptTarget) -> str:
    """The text of the script, or of a module below the working folder; "" where it cannot be read."""
    path = Path(target.name) if target.kind == "file" else Path(*target.name.split(".")).with_suffix(".py")
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
