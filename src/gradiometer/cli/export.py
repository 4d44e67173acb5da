"""``gradiometer export``: the recorded statistics as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .guard import command, refuse
from .options import RunName
from .outlet import check_writable, put_text
from .recorded import find_run
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer export latest -o statistics.csv
  gradiometer export latest -o statistics.parquet
"""
KINDS = (".parquet", ".csv")


@command
def export(
    run: RunName,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PATH", help="Where to write it: ends in .parquet or .csv.")
    ],
) -> int:
    """Write a recorded run as a table: a row a site and step, a column a statistic.

    Parquet needs the extra `export`.
    """
    if output.suffix.lower() not in KINDS:
        refuse(f"-o {output}: the ending says the format, and it is neither .parquet nor .csv.")
    check_writable(output, "-o")
    path = find_run(run, read_settings().runs_folder)
    from gradiometer import store

    stored = store.open_run(path)
    write = stored.to_csv if output.suffix.lower() == ".csv" else stored.to_parquet
    write(output)
    put_text(f"{output}\n")
    return 0
