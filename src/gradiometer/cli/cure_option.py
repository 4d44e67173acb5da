"""``--cure NAME[:setting=value,...]``, of the commands that apply cures to a script's network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import refuse

if TYPE_CHECKING:
    from gradiometer.records import Prescription

Cures = Annotated[
    list[str] | None,
    typer.Option(
        "--cure",
        metavar="NAME[:SETTING=VALUE,...]",
        help="A cure to apply to the network before its first step. May be given several times.",
    ),
]


CHECK = """
import sys
from gradiometer.cli.cure_option import prescription
from gradiometer.records import UserError
try:
    for written in sys.argv[1:]:
        prescription(written)
except UserError as error:
    print(error)
"""


def check_cures(written: Sequence[str]) -> None:
    """Raise UserError where one is no cure that is applied, or has settings that it does not know.

    Asked of another process: the catalog loads numpy, which the script must be the first to load in this one.
    """
    if not written:
        return
    done = subprocess.run([sys.executable, "-P", "-c", CHECK, *written], capture_output=True, text=True, check=False)
    if done.returncode or done.stdout:
        refuse(done.stdout.strip() or f"--cure could not be checked: {done.stderr.strip()}")


def prescription(written: str) -> Prescription:
    """``leaky:slope=0.1`` as a value. UserError where it cannot be applied. Loads numpy."""
    from gradiometer.catalog import entry_of, in_general, read_cure, settings_of
    from gradiometer.records import Prescription

    name, given = read_cure(written)
    entry = entry_of(name)
    if entry.kind != "surgery":
        refuse(f"--cure {name} cannot be applied: it is an edit of the code. The edit: {in_general(entry)}")
    return Prescription(name, settings_of(entry, given))
