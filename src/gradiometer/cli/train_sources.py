"""Finds the weights that ``--teacher``, ``--from`` and ``--resume`` name."""

from __future__ import annotations

from pathlib import Path

from .guard import refuse
from .recorded import find_run

WEIGHTS_ENDING = ".safetensors"


def find_weights(name: str, folder: Path, option: str) -> Path:
    """The weights file for a path of one, or for a run as ``find_run`` finds it. UserError where there is none."""
    if name.endswith(WEIGHTS_ENDING):
        found = next((p for p in (Path(name), folder / name) if p.is_file()), None)
        if found is None:
            refuse(f"{option} {name}: there is no such file, neither here nor in {folder}.")
        return found.absolute()
    run = find_run(name, folder)
    weights = run.with_suffix(WEIGHTS_ENDING)
    if not weights.is_file():
        refuse(
            f"{option} {name}: the run {run.name} has no weights beside it ({weights.name}). "
            "Runs of gradiometer train have them; name one of those, or a .safetensors file."
        )
    return weights.absolute()
