"""A watch that is drawn while it trains: beside the training, at its pace, and never in its way."""

from __future__ import annotations

import queue
import random
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradiometer as gm
from gradiometer.integrations import live
from gradiometer.records import Run, RunInfo

WAIT_S = 30.0
"""Longer than any picture takes; only a broken test waits for it."""


class Easel:
    """A canvas that notes who paints and who puts; ``paint`` waits for leave where it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.painted: queue.SimpleQueue[int] = queue.SimpleQueue()  # thread of each picture
        self.put_in: list[int] = []
        self.pictures: list[object] = []
        self.ended: list[Run | None] = []

    def paint(self, run: Run, cost_share: float) -> object:
        self.painted.put(threading.get_ident())
        if self.error is not None:
            raise self.error
        return run.info.name

    def put(self, picture: object) -> None:
        self.put_in.append(threading.get_ident())
        self.pictures.append(picture)

    def end(self, run: Run | None) -> bool:
        self.ended.append(run)
        return True


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.cost_s = 0.0

    def now(self) -> float:
        return self.now_s

    def cost(self) -> float:
        """Every look costs so much."""
        self.spent_s = getattr(self, "spent_s", 0.0) + self.cost_s / 2
        return self.spent_s * 2 if self.cost_s else 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(live, "_now", made.now)
    monkeypatch.setattr(live, "_cost", made.cost)
    return made


@pytest.fixture
def easel(clock: Clock) -> Iterator[tuple[Easel, live.Live]]:
    canvas = Easel()
    view = live.Live(lambda take: take(Run(RunInfo("train"))), canvas, every_s=2.0)
    yield canvas, view
    view.end(None)


def settle(view: live.Live) -> None:
    """Until the painter has nothing to do."""
    for _ in range(int(WAIT_S / 0.001)):
        if not view._busy:
            return
        threading.Event().wait(0.001)
    raise AssertionError("the painter does not end")


def test_pictures_are_made_beside_the_training_and_put_by_it(easel: tuple[Easel, live.Live]) -> None:
    canvas, view = easel
    view.step()
    painter = canvas.painted.get(timeout=WAIT_S)
    settle(view)
    assert canvas.pictures == []  # nobody reaches the output but the training's thread
    view.step()
    assert canvas.pictures == ["train"]
    assert canvas.put_in == [threading.get_ident()]
    assert painter != threading.get_ident()


def test_no_picture_before_its_time(easel: tuple[Easel, live.Live], clock: Clock) -> None:
    canvas, view = easel
    for later_s, pictures in ((0.0, 1), (1.9, 1), (0.2, 2)):
        clock.now_s += later_s
        view.step()
        settle(view)
        assert canvas.painted.qsize() == pictures


def test_costly_pictures_come_more_rarely(easel: tuple[Easel, live.Live], clock: Clock) -> None:
    canvas, view = easel
    clock.cost_s = 0.3  # 10 s at 3 % of the time, but for the first, which has loaded all that draws
    view.step()
    settle(view)
    for later_s, pictures in ((2.1, 2), (9.9, 2), (0.2, 3)):
        clock.now_s += later_s
        view.step()
        settle(view)
        assert canvas.painted.qsize() == pictures
    assert view.spent_s == pytest.approx(0.9)


def test_the_thread_ends_with_the_watch(easel: tuple[Easel, live.Live]) -> None:
    canvas, view = easel
    assert view._thread.is_alive()
    run = Run(RunInfo("train"))
    assert view.end(run)
    view._thread.join(timeout=WAIT_S)
    assert not view._thread.is_alive()
    assert canvas.ended == [run]


def test_an_error_of_the_picture_is_raised_where_it_can_be_told(clock: Clock) -> None:
    view = live.Live(lambda take: take(Run(RunInfo("train"))), Easel(ValueError("no ink")), every_s=1.0)
    view.step()
    settle(view)
    with pytest.raises(ValueError, match="no ink"):
        view.step()
    view.end(None)


# ---- with a training ---------------------------------------------------------------------------------------------


def network() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(3)
    layers = [m for _ in range(5) for m in (nn.Linear(8, 8), nn.Sigmoid(), nn.Dropout(0.1))]
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    inputs, targets = torch.randn(16, 8), torch.randint(3, (16,))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Screen:
    """What a frontend was given."""

    def __init__(self) -> None:
        self.shown: list[tuple[dict[str, str], str | None, bool]] = []

    def display(self, forms: Any, display_id: str | None = None, update: bool = False) -> None:
        self.shown.append((dict(forms), display_id, update))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Screen:
    """A notebook without a kernel."""
    made = Screen()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "display", made.display)
    return made


def test_one_output_from_waiting_to_the_whole_run(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    model, optimizer = network()
    with gm.watch(model, optimizer, name="small") as run:
        assert run.live(every_s=1e-6) is run
        assert run.live() is run  # a second call does nothing
        train(model, optimizer, 3)
        assert run._view is not None
        settle(run._view)  # type: ignore[arg-type]
        train(model, optimizer, 2)
    (first, ident, update), *others = screen.shown
    assert "Waiting" in first["text/html"]
    assert not update
    assert {i for _, i, _ in others} == {ident}
    assert all(update for _, _, update in others)
    assert len(others) >= 2
    assert "live, pictures" in others[0][0]["text/html"]
    assert "Cures" not in others[0][0]["text/html"]
    assert "loss" in others[0][0]["text/plain"]
    assert "live, pictures" not in others[-1][0]["text/html"]
    assert 'gm.report(run, "report.html")' in others[-1][0]["text/html"].replace("&quot;", '"')
    assert capsys.readouterr().err == ""  # the page is not printed as well


def test_the_training_is_the_same_bit_for_bit(screen: Screen) -> None:
    states = []
    for watched in (False, True):
        random.seed(1)
        np.random.seed(1)
        filters = list(warnings.filters)
        model, optimizer = network()
        if watched:
            with gm.watch(model, optimizer, every=1) as run:
                run.live(every_s=1e-6)
                losses = train(model, optimizer, 40)
        else:
            losses = train(model, optimizer, 40)
        assert warnings.filters == filters
        weights = torch.cat([p.detach().flatten() for p in model.parameters()])
        drawn = random.random(), np.random.rand(), torch.rand(1).item()
        states.append((losses, weights.tolist(), drawn))
    assert states[0] == states[1]
    assert len(screen.shown) > 2


def test_a_picture_that_fails_is_told_once_and_the_training_goes_on(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(self: object, run: Run, cost_share: float) -> object:
        raise ValueError("no ink")

    monkeypatch.setattr(live.Cell, "paint", fails)
    model, optimizer = network()
    with gm.watch(model, optimizer) as run:
        run.live(every_s=1e-6)
        for _ in range(4):
            train(model, optimizer, 2)
            settle(run._view)  # type: ignore[arg-type]
    told = capsys.readouterr().err
    assert told.count("The live picture stopped: ValueError: no ink. The training goes on.") == 1
    assert len(run.run().curve()) == 8
    assert "Waiting" not in screen.shown[-1][0]["text/html"]  # the end is shown all the same


def test_a_watch_that_saw_nothing_says_so(screen: Screen) -> None:
    model, optimizer = network()
    with gm.watch(model, optimizer) as run:
        run.live()
        assert "No step was recorded yet" in run._repr_mimebundle_()["text/plain"]
    assert "nothing was recorded" in screen.shown[-1][0]["text/html"]


def test_in_a_pipe_nothing_is_drawn_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model, optimizer = network()
    with gm.watch(model, optimizer) as run:
        run.live()
        train(model, optimizer, 3)
    told = capsys.readouterr().err
    assert told.startswith("gradiometer: live() draws in a notebook or on a terminal, and this is neither")
    assert "causes checked" in told  # the page at the end, as ever
    assert "\r" not in told


def test_on_a_terminal_one_line_that_the_page_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    model, optimizer = network()
    with gm.watch(model, optimizer) as run:
        run.live(every_s=1e-6)
        train(model, optimizer, 3)
        settle(run._view)  # type: ignore[arg-type]
        train(model, optimizer, 1)
    told = capsys.readouterr().err
    assert "\r\x1b[Kstep" in told.replace("\x1b[38;5;244m", "")
    assert told.index("loss") < told.index("causes checked")


@pytest.mark.parametrize("every_s", [0, -1, "soon"])
def test_a_time_that_is_none_is_refused(every_s: Any, tmp_path: Path) -> None:
    model, optimizer = network()
    with gm.watch(model, optimizer, out=tmp_path) as run, pytest.raises(gm.UserError, match="is no time"):
        run.live(every_s)
    with pytest.raises(gm.UserError, match="closed"):
        run.live()


# ---- the handle as a new user meets it ---------------------------------------------------------------------------


def test_a_page_is_made_of_the_handle(tmp_path: Path) -> None:
    model, optimizer = network()
    with gm.watch(model, optimizer, out=tmp_path, name="small") as run:
        assert repr(run) == "<watch of small: open, 0 steps seen; .run(), .findings(), .live(), .close()>"
        train(model, optimizer, 2)
    assert "closed, 2 steps seen" in repr(run)
    assert gm.report(run) == gm.report(run.run())
    html = run._repr_html_()
    assert html is not None
    assert "small" in html
    with pytest.raises(gm.UserError, match=r"diagnose\(\) got a Watch.*handle\.run\(\).*handle\.findings\(\)"):
        gm.diagnose(run)  # type: ignore[arg-type]
    with pytest.raises(gm.UserError, match=r"report\(\) got a Sequential"):
        gm.report(model)  # type: ignore[arg-type]


def test_a_receipt_shows_whether_it_stands() -> None:
    model, optimizer = network()
    receipt = gm.cure(model, "tanh", batch=torch.randn(16, 8), optimizer=optimizer)
    assert "Applied" in receipt._repr_mimebundle_()["text/html"]
    assert "def " in receipt._repr_mimebundle_()["text/html"]
    receipt.undo()
    assert "Undone" in receipt._repr_mimebundle_()["text/html"]
    assert "receipt.undo()" not in receipt._repr_mimebundle_()["text/html"]
