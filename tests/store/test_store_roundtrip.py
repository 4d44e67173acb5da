from __future__ import annotations

import copy
import dataclasses
import pickle
import sqlite3
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from store_samples import bits, diagnosis, frame, full_run, network, run_bits, values, write

from gradiometer.records import STATS, Frame, Run, RunFileError, RunInfo, UserError
from gradiometer.store import RunWriter, StoredRun, open_run
from gradiometer.store.packing import PackedValues
from gradiometer.store.stored import STILL_PACKED, StoredFrame


def test_a_run_comes_back_bit_for_bit(tmp_path: Path) -> None:
    run = full_run()
    write(tmp_path / "a.gmr", run)
    back = open_run(str(tmp_path / "a.gmr"))
    assert type(back) is StoredRun and issubclass(StoredRun, Run)
    assert run_bits(back) == run_bits(run)
    assert back.closed and back.path == tmp_path / "a.gmr"


def test_the_comparison_sees_a_difference(tmp_path: Path) -> None:
    run = full_run()
    other = dataclasses.replace(run, logged={"acc ✓": -run.logged["acc ✓"]})
    write(tmp_path / "a.gmr", other)
    assert run_bits(open_run(tmp_path / "a.gmr")) != run_bits(run)


FLOAT = st.floats()
FRAMES = st.builds(
    Frame,
    model=st.sampled_from(["net", "critic"]),
    step=st.integers(0, 2**62),
    loss=FLOAT,
    lr=FLOAT,
    loss_scale=FLOAT,
    overhead_s=FLOAT,
    step_s=FLOAT,
    values=hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(len(STATS))), elements=FLOAT),
)


@settings(deadline=None, max_examples=10)
@given(st.lists(FRAMES, max_size=4), st.text(alphabet=st.characters(exclude_categories=())))
def test_any_frames_come_back(frames: list[Frame], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gmr"
        with RunWriter(path, RunInfo(name, "finished")) as writer:
            for one in frames:
                writer.put_frame(one)
        back = open_run(path)
    assert bits(back.frames) == bits(tuple(frames))
    assert back.info.name == name


def test_every_method_means_what_it_means_in_memory(tmp_path: Path) -> None:
    run = full_run()
    write(tmp_path / "a.gmr", run)
    back = open_run(tmp_path / "a.gmr")
    assert back.main == run.main == "net"
    for model in (None, "net", "critic", "nobody"):
        assert back.sites(model) == run.sites(model)
        assert bits(back.frames_of(model)) == bits(run.frames_of(model))
        assert back.steps(model).tolist() == run.steps(model).tolist()
        for stat in STATS:
            assert bits(back.of(stat, model)) == bits(run.of(stat, model))
    with pytest.raises(UserError, match="No statistic 'nonsense'"):
        back.of("nonsense")


def test_early_frames_are_nan_at_sites_that_came_later(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    seen = ~np.isnan(np.stack([open_run(tmp_path / "a.gmr").of(stat) for stat in STATS]))  # [stat, frame, site]
    assert not seen[:, :2, 3:].any()
    assert seen[:, 2:, 3:].any() and seen[:, :2, :3].any()


def test_of_returns_a_matrix_of_its_own_each_time(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    run = open_run(tmp_path / "a.gmr")
    run.of("err_norm")[:] = 7
    assert not (run.of("err_norm") == 7).any()


def test_of_forgets_when_it_has_kept_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.store.stored.MEMO_BYTES", 5 * 6 * 8 * 3)
    write(tmp_path / "a.gmr", full_run())
    run = open_run(tmp_path / "a.gmr")
    for stat in STATS:
        assert bits(run.of(stat)) == bits(full_run().of(stat))
        assert len(run._memo) <= 3


def test_frames_stay_packed_until_somebody_looks(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    run = open_run(tmp_path / "a.gmr")
    run.of("err_norm")
    first = run.frames[0]
    slot = Frame.__dict__["values"]
    with pytest.raises(AttributeError):
        slot.__get__(first)
    assert first.values is first.values
    assert slot.__get__(first) is first.values
    with pytest.raises(AttributeError):
        first.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_stored_values_can_be_replaced_copied_and_pickled(tmp_path: Path) -> None:
    write(tmp_path / "a.gmr", full_run())
    run = open_run(tmp_path / "a.gmr")
    first = run.frames[0]
    other = dataclasses.replace(first, values=np.zeros((3, len(STATS))))
    changed = dataclasses.replace(run, frames=(other,)).of("err_norm")
    assert changed.shape == (1, 6) and (changed[0, :3] == 0).all() and np.isnan(changed[0, 3:]).all()
    assert bits(dataclasses.replace(first, step=9).values) == bits(first.values)
    for again in (copy.copy(run), copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert run_bits(again) == run_bits(run)


def test_same_name_replaces_in_place(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer:
        writer.put_network(network("first"))
        writer.put_network(network("second"))
        writer.put_network(msgspec.structs.replace(network("first"), cls="Changed"))
        for _ in range(2):
            writer.put_problem("once")
    run = open_run(tmp_path / "a.gmr")
    assert [(n.name, n.cls) for n in run.networks] == [("first", "Changed"), ("second", "Net")]
    assert run.problems == ("once",)


def test_results_are_kept(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer:
        writer.put_result(diagnosis())
    assert repr(open_run(tmp_path / "a.gmr").results) == repr((diagnosis(),))


def test_a_file_with_other_statistics_is_read_by_name(tmp_path: Path) -> None:
    run = full_run()
    write(tmp_path / "a.gmr", run)
    stats = ["gone", *STATS[:-1]]  # one that this version does not know; the last one is missing
    with sqlite3.connect(tmp_path / "a.gmr") as connection:
        connection.execute("UPDATE header SET value = ? WHERE key = 'stats'", (msgspec.json.encode(stats).decode(),))
    connection.close()
    back = open_run(tmp_path / "a.gmr")
    for i, stat in enumerate(STATS[:-1]):
        assert bits(back.of(stat)) == bits(run.of(STATS[i + 1]))
        assert bits(back.frames[0].values[:, i]) == bits(run.frames[0].values[:, i + 1])
    assert np.isnan(back.of(STATS[-1])).all() and np.isnan(back.frames[0].values[:, -1]).all()


def test_a_forged_frame_is_told_when_it_is_read() -> None:
    forged = StoredFrame("net", 3, 1, 1, 1, 1, 1, STILL_PACKED, PackedValues(b"\x01\x00" * 40, 2), tuple(range(27)))
    with pytest.raises(RunFileError, match="The frame of step 3 of net is damaged"):
        forged.values  # noqa: B018
    with pytest.raises(RunFileError, match="The frame of step 3 of net is damaged"):
        forged.put_stat("err_norm", np.zeros(2))


@pytest.mark.parametrize(
    ("error", "state"),
    [(None, "finished"), (KeyboardInterrupt(), "interrupted"), (ValueError("boom"), "crashed")],
)
def test_leaving_the_block_tells_the_state(tmp_path: Path, error: BaseException | None, state: str) -> None:
    def block() -> None:
        with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer:
            writer.put_frame(frame(0))
            if error is not None:
                raise error

    if error is None:
        block()
    else:
        with pytest.raises(type(error)):
            block()
    run = open_run(tmp_path / "a.gmr")
    assert (run.info.state, run.closed, len(run.frames)) == (state, True, 1)
    assert run.info.error == ("ValueError: boom" if state == "crashed" else run.info.error)


def test_info_can_be_told_while_the_run_goes_on(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "a.gmr", RunInfo("a"))
    writer.put_info(RunInfo("a", wall_s=3.0, calls_seen=4, calls_recorded=2))
    writer.flush()
    assert open_run(tmp_path / "a.gmr").coverage == 0.5
    writer.close()
    assert open_run(tmp_path / "a.gmr").info.wall_s == 3.0


def test_only_flushed_rows_are_seen_and_late_puts_flush_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer:
        writer.put_frame(frame(0))
        writer.put_curve("net", np.array([[0.0, 1.0, 0.1]]))
        assert open_run(tmp_path / "a.gmr").frames == ()
        monkeypatch.setattr("gradiometer.store.writer.FLUSH_S", -1.0)
        writer.put_problem("late")
        run = open_run(tmp_path / "a.gmr")
        assert len(run.frames) == 1 and len(run.curve("net")) == 1 and run.problems == ("late",)


def test_many_bytes_flush_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradiometer.store.writer.FLUSH_BYTES", 100)
    with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer:
        writer.put_frame(frame(0))
        assert len(open_run(tmp_path / "a.gmr").frames) == 1


def test_a_closed_file_is_one_plain_file(tmp_path: Path) -> None:
    writer = write(tmp_path / "deep" / "er" / "a.gmr", full_run(), close=False)
    folder = tmp_path / "deep" / "er"
    assert {p.name for p in folder.iterdir()} == {"a.gmr", "a.gmr-wal", "a.gmr-shm"}
    writer.close(full_run().info)
    assert [p.name for p in folder.iterdir()] == ["a.gmr"]
    assert (folder / "a.gmr").read_bytes()[18:20] == b"\x01\x01"  # the plain journal
    connection = sqlite3.connect(folder / "a.gmr")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count(*) FROM curves").fetchone() == (1,)
    connection.close()
    writer.close()
    with pytest.raises(UserError, match="is closed"):
        writer.put_frame(frame(9))


def test_a_frame_of_another_width_is_refused(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "a.gmr", RunInfo("a")) as writer, pytest.raises(UserError, match=r"values \(6, 3\)"):
        writer.put_frame(dataclasses.replace(frame(0), values=values(6)[:, :3]))


@pytest.mark.parametrize("name", ["a b", "what?mode=memory", "100%41#", "é💡", "\udcff"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.gmr"
    writer = write(path, full_run(), close=False)
    assert len(open_run(path).frames) == 6
    writer.close()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert len(open_run(path).frames) == 6
