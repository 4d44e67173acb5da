from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped,unused-ignore]
import polars
import pyarrow.parquet
import pytest
from store_samples import full_run, write

from gradiometer.records import STATS, Run, Site, UserError
from gradiometer.store import StoredRun, open_run

LABELS = ["model", "step", "loss", "lr", "site", "kind", "op", "hop"]


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    write(tmp_path / "a.gmr", full_run())
    return open_run(tmp_path / "a.gmr")


def expected(run: Run) -> list[dict[str, Any]]:
    """The rows in plain Python, from the run in memory."""
    rows = []
    for frame in run.frames:
        for site, cells in zip(run.sites(frame.model), frame.values.tolist(), strict=False):
            if not all(math.isnan(c) for c in cells):
                label = (frame.model, frame.step, frame.loss, frame.lr, site.name, site.kind, site.op, site.hop)
                numbers = [None if math.isnan(c) else c for c in cells]
                rows.append(dict(zip([*LABELS, *STATS], [*label, *numbers], strict=True)))
    return rows


def test_arrow_has_a_row_a_site_and_a_column_a_statistic(run: StoredRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.store.export.BATCH_FRAMES", 2)  # several batches, one with both models
    table = run.to_arrow()
    assert table.column_names == [*LABELS, *STATS]
    assert repr(table.to_pylist()) == repr(expected(full_run()))  # repr tells -0.0 from 0.0


def test_rows_of_sites_that_were_not_reached_are_left_out(run: StoredRun) -> None:
    values = run.frames[0].values.copy()
    values[1] = np.nan
    fewer = replace(run, frames=(replace(run.frames[0], values=values), *run.frames[1:]))
    assert fewer.to_arrow().num_rows == run.to_arrow().num_rows - 1


def test_pandas_and_polars_take_it(run: StoredRun) -> None:
    rows = expected(full_run())
    frame = run.to_arrow().to_pandas()
    assert isinstance(frame, pandas.DataFrame) and frame.shape == (len(rows), len(LABELS) + len(STATS))
    assert frame["err_norm"].isna().tolist() == [row["err_norm"] is None for row in rows]
    other = polars.from_arrow(run.to_arrow())
    assert isinstance(other, polars.DataFrame) and repr(other.to_dicts()) == repr(rows)


def test_parquet_holds_the_same_table(run: StoredRun, tmp_path: Path) -> None:
    run.to_parquet(tmp_path / "a.parquet")
    assert repr(pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()) == repr(expected(full_run()))


def test_csv_keeps_every_bit(run: StoredRun, tmp_path: Path) -> None:
    run.to_csv(str(tmp_path / "a.csv"))
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows[:1]] == [[*LABELS, *STATS]]
    for row, wanted in zip(rows, expected(full_run()), strict=True):
        assert row == {key: "" if x is None else str(x) for key, x in wanted.items()}
        assert all(repr(float(row[s])) == repr(wanted[s]) for s in STATS if row[s])


def test_a_run_without_frames_is_an_empty_table(run: StoredRun, tmp_path: Path) -> None:
    empty = replace(run, frames=())
    assert (empty.to_arrow().num_rows, empty.to_arrow().column_names) == (0, [*LABELS, *STATS])
    empty.to_csv(tmp_path / "a.csv")
    empty.to_parquet(tmp_path / "a.parquet")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == 0


def test_names_that_have_no_utf8_are_escaped(run: StoredRun, tmp_path: Path) -> None:
    odd = replace(run, site_table=tuple(Site(s.model, f"\udcff{i}") for i, s in enumerate(run.site_table)))
    assert odd.to_arrow()["site"][0].as_py() == "\\udcff0"
    odd.to_csv(tmp_path / "a.csv")
    assert "\\udcff0" in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_without_pyarrow_the_install_line_is_told(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("gradiometer.store.export.import_module", missing)
    for act in (run.to_arrow, lambda: run.to_parquet(tmp_path / "a.parquet")):
        with pytest.raises(UserError, match=r"needs pyarrow, .* pip install 'gradiometer\[export\]'"):
            act()
    run.to_csv(tmp_path / "a.csv")
    assert len(list(tmp_path.glob("a.*"))) == 2


def test_a_place_that_cannot_be_written(run: StoredRun, tmp_path: Path) -> None:
    for act in (run.to_csv, run.to_parquet):
        with pytest.raises(UserError, match=r"Cannot write .*Name a file in a folder that you may write to"):
            act(tmp_path / "no" / "a")
