"""The example notebooks: stored without outputs, and run from top to bottom in a kernel, in a copy, warnings raised."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
STRICT = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="ipykernel|jupyter_client|zmq|tornado|traitlets")
"""
LIMIT_S = 240

pytestmark = [pytest.mark.torch, pytest.mark.slow]


class Client(NotebookClient):
    """Counts how often an output was exchanged in its place, cell by cell."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["header"]["msg_type"] == "update_display_data":
            counts = self.__dict__.setdefault("exchanged", {})
            counts[cell_index] = counts.get(cell_index, 0) + 1
        return super().process_message(msg, cell, cell_index)


def outputs(book: Any) -> list[Mapping[str, Any]]:
    return [o for cell in book.cells for o in cell.get("outputs", ())]


def faults(book: Any) -> list[str]:
    """What a stored notebook must not have."""
    cells = [c for c in book.cells if c.cell_type == "code"]
    out = ["an output is stored"] if outputs(book) else []
    out += ["a count is stored"] if any(c.execution_count is not None for c in cells) else []
    return out + (["cells share an id"] if len({c["id"] for c in book.cells}) < len(book.cells) else [])


def run(name: str, folder: Path) -> tuple[Any, dict[int, int]]:
    """The notebook with its outputs, and how often each cell's output was exchanged."""
    file = shutil.copy(FOLDER / f"{name}.ipynb", folder)
    book = nbformat.read(file, as_version=4)
    book.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    client = Client(book, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return book, client.__dict__.get("exchanged", {})


def shown(book: Any) -> list[str]:
    """Every HTML output, in order."""
    found = [o["data"] for o in outputs(book) if "data" in o]
    assert all("text/plain" in data for data in found)
    return [data["text/html"] for data in found if "text/html" in data]


def test_there_are_notebooks() -> None:
    assert {n.stem for n in NOTEBOOKS} >= {"find_and_prove_a_cure", "explain_one_backward_pass"}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_a_notebook_is_stored_without_outputs(file: Path) -> None:
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    assert faults(book) == []


def test_a_stored_output_would_be_seen() -> None:
    book = nbformat.read(NOTEBOOKS[0], as_version=4)
    cell = next(c for c in book.cells if c.cell_type == "code")
    cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="x")], 1
    book.cells[1]["id"] = book.cells[0]["id"]
    assert faults(book) == ["an output is stored", "a count is stored", "cells share an id"]


def test_a_cure_is_found_and_proven(tmp_path: Path) -> None:
    book, exchanged = run("find_and_prove_a_cure", tmp_path)
    pages = shown(book)
    watched, findings, receipt, after, share, trial = pages
    for part, page in (
        ("activation-shrinks-error", watched),
        ("each keeps 14 % of the error", watched),
        ("Looked for: 33 causes", findings),
        ("receipt.undo()", receipt),
        ("Nothing found", after),
        ("ended after 0:", share),
        ("def cure(model", trial),
    ):
        assert part in page
    moved = sorted(exchanged.values())
    assert len(moved) == 2 and moved[0] >= 2  # the picture of the run, and the share of the trial
    assert not [o for o in outputs(book) if o["output_type"] == "stream" and o["name"] == "stderr"]


def test_one_backward_pass_is_explained(tmp_path: Path) -> None:
    book, _ = run("explain_one_backward_pass", tmp_path)
    walk, hop = shown(book)
    assert "went by a hand-written law" in walk
    assert "<math" in walk
    assert "Hop 1 keeps" in hop


def test_a_notebook_that_fails_is_seen(tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(STRICT + "\nwarnings.warn('old')")])
    with pytest.raises(CellExecutionError, match="UserWarning"):
        Client(book, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
