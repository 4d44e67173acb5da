"""A watched training is bit-equal to the same training without a watch, also after an error inside the watch."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from session_diary import Diary, Loop, drawing_hook, first_difference, kept, one_bit_off
from session_loops import LOOPS
from torch import Tensor, nn
from torch.optim import optimizer as optim_module

import gradiometer as gm
from gradiometer.measurement import describe, graph, hops, lossgraph, models, recorder, rows, steprows, steps
from gradiometer.records import Run
from gradiometer.session import Options, Session, live, recording, start

pytestmark = pytest.mark.torch

_plain: dict[str, list[tuple[str, bytes]]] = {}


def plain_diary(name: str) -> list[tuple[str, bytes]]:
    """The diary of a loop without a watch, made once."""
    if name not in _plain:
        _plain[name] = kept(LOOPS[name])
    return _plain[name]


@pytest.fixture(autouse=True)
def nobody_watches() -> Iterator[None]:
    """A test that failed inside a watch must not make its followers fail."""
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


def watched(loop: Loop, every: int | None, steps: int = 20) -> tuple[list[tuple[str, bytes]], Session, Run | None]:
    """The diary of a loop that is watched, the session, and its run."""
    session = start(Options(keep_file=False, every=every))
    try:
        diary = kept(loop, steps)
    finally:
        run = session.stop("finished")
    return diary, session, run


def standing() -> tuple[object, ...]:
    """Everything process-wide that a watch puts in: hooks by identity, patched functions."""
    module, optim = nn.modules.module, optim_module
    tables = (
        *(module._global_forward_hooks, module._global_forward_pre_hooks, module._global_module_registration_hooks),
        *(module._global_backward_hooks, module._global_parameter_registration_hooks),
        *(optim._global_optimizer_pre_hooks, optim._global_optimizer_post_hooks),
    )
    scaler = vars(torch.amp.GradScaler)
    functions = (torch.autograd._engine_run_backward, torch.compile, scaler["scale"], scaler["update"])
    return tuple(tuple(t.values()) for t in tables) + tuple(map(id, functions))


# ---- equal bits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, None], ids=["every step", "default"])
@pytest.mark.parametrize("name", LOOPS)
def test_a_watched_training_is_bit_equal(name: str, every: int | None) -> None:
    before = standing()
    diary, session, run = watched(LOOPS[name], every)
    assert first_difference(plain_diary(name), diary) == ""
    assert session.warnings == []
    assert run is not None
    assert run.problems == ()
    assert len(run.frames) >= (19 if every else 10)  # it did watch: every step but a skipped one, or the dense ones
    assert standing() == before


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_repeats_itself(name: str) -> None:
    """What is compared above depends on nothing but the seed."""
    assert first_difference(plain_diary(name), kept(LOOPS[name])) == ""


@pytest.mark.parametrize("disturb", [drawing_hook, lambda: one_bit_off(at_step=1)], ids=["draws", "one bit"])
@pytest.mark.parametrize("name", ["mlp_dropout", "gru", "transformer", "gan", "lbfgs", "sparse_embedding"])
def test_a_watch_that_changes_one_bit_is_caught(name: str, disturb: Callable[[], AbstractContextManager[None]]) -> None:
    plain = plain_diary(name)
    with disturb():
        assert first_difference(plain, kept(LOOPS[name])) != ""


def test_watch_of_one_model_is_bit_equal(tmp_path: Path) -> None:
    """The other door, with a file."""

    def loop(diary: Diary, watch: bool) -> None:
        model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        handle = gm.watch(model, optimizer, out=tmp_path, every=1) if watch else None
        x = torch.randn(6, 8)
        for _ in range(diary.steps):
            optimizer.zero_grad()
            loss = model(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            diary.step(loss, model)
        if handle is not None:
            handle.close()
        diary.end(model)

    assert first_difference(kept(lambda d: loop(d, False)), kept(lambda d: loop(d, True))) == ""
    (file,) = tmp_path.glob("*.gmr")
    assert len(gm.open(file).frames) == 20


# ---- an error inside the watch --------------------------------------------------------------------------------------


def raise_at(call: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises at its n-th call, and at every later one."""
    seen = 0

    def broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen >= call:
            raise RuntimeError("broken on purpose")
        return original(*args, **kwargs)

    return broken


BREAKS: dict[str, tuple[object, str]] = {
    "a row": (rows.RowBuffer, "write"),
    "rows of norms": (rows.RowBuffer, "write_norms"),
    "a scalar": (rows.RowBuffer, "write_scalar"),
    "a gram": (rows.RowBuffer, "write_gram"),
    "the transfer": (rows.RowBuffer, "copy"),
    "growing": (rows.RowBuffer, "_allocate"),
    "a module": (models, "describe_module"),
    "role of a module": (describe, "role_and_kind"),
    "the graph": (recorder, "Graph"),
    "the sweep": (graph.Graph, "dominators"),
    "reading the graph": (recorder, "read_graph"),
    "the trunk": (hops, "find_trunk"),
    "the loss": (lossgraph, "_describe"),
    "an error hook": (recorder.Recorder, "error_hook"),
    "a call": (recorder.Recorder, "_call"),
    "before a step": (steps.Steps, "before_step"),
    "after a step": (steps.Steps, "after_step"),
    "update": (steprows, "update_of"),
    "a window": (steps.Steps, "open_window"),
    "the end of backward": (steps.Steps, "backward_ends"),
    "the beginning of backward": (steps.Steps, "backward_begins"),
    "the writer thread": (recording, "finish"),
}


@pytest.mark.parametrize("call", [1, 4, 30])
@pytest.mark.parametrize("place", BREAKS)
def test_an_error_inside_the_watch_never_reaches_the_training(
    place: str, call: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "cnn_batchnorm_inplace" if call == 4 else "mlp_dropout"
    expected = plain_diary(name)
    before = standing()
    owner, attribute = BREAKS[place]
    session = start(Options(keep_file=False, every=1))
    monkeypatch.setattr(owner, attribute, raise_at(call, getattr(owner, attribute)))
    try:
        diary = kept(LOOPS[name])
    finally:
        session.stop("finished")
    assert first_difference(expected, diary) == ""
    told = capsys.readouterr().err
    happened = "broken on purpose" in told
    assert happened or call > 1  # a place that is reached fewer than ``call`` times has not been broken
    assert len(session.warnings) == int(happened)
    assert told.count("broken on purpose") == int(happened)
    assert standing() == before


def test_the_run_remembers_what_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, run = watched(LOOPS["mlp_dropout"], every=1)
    assert run is not None
    monkeypatch.setattr(rows.RowBuffer, "write", raise_at(200, rows.RowBuffer.write))
    diary, _, broken = watched(LOOPS["mlp_dropout"], every=1)
    assert diary == whole
    assert broken is not None
    assert 0 < len(broken.frames) < len(run.frames)
    assert [("broken on purpose" in p) for p in broken.problems] == [True]


class Fails(nn.Module):
    """Raises in forward or in backward at its n-th call."""

    def __init__(self, where: str, call: int) -> None:
        super().__init__()
        self.where, self.call, self.seen = where, call, 0
        self.inner = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        x = self.inner(x)
        if self.seen == self.call and self.where == "forward":
            raise ArithmeticError("the user's own")
        if self.seen == self.call and self.where == "backward":
            x.register_hook(self.fail)
        return x

    @staticmethod
    def fail(_: Tensor) -> None:
        raise ArithmeticError("the user's own")


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_error_of_the_user_stays_as_it_is_and_leaves_no_hook(where: str, call: int) -> None:
    def loop(diary: Diary) -> None:
        model = nn.Sequential(nn.Linear(8, 8), Fails(where, call), nn.Dropout(0.1), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.randn(5, 8)
        for _ in range(diary.steps):
            optimizer.zero_grad()
            try:
                loss = model(x).pow(2).mean()
                loss.backward()
            except ArithmeticError as error:
                diary.lines.append((f"caught {error}", b""))
                continue
            optimizer.step()
            diary.step(loss, model)
        diary.end(model)

    before = standing()
    expected = kept(loop)
    diary, session, run = watched(loop, every=1)
    assert first_difference(expected, diary) == ""
    assert ("caught the user's own", b"") in diary
    assert standing() == before
    assert session.warnings == []
    assert run is not None
    assert [s.name for s in run.sites() if s.kind == "output" and s.call] == []  # a failed pass is no second call
    assert run.steps().tolist() == list(range(19))


def test_an_error_that_ends_the_script_leaves_no_hook(tmp_path: Path) -> None:
    before = standing()
    model = nn.Sequential(nn.Linear(8, 8), Fails("backward", 2), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ArithmeticError), gm.watch(model, optimizer, out=tmp_path) as handle:
        assert standing() != before
        for _ in range(3):
            model(torch.randn(5, 8)).sum().backward()
            optimizer.step()
    assert standing() == before
    assert handle.run().info.state == "crashed"


# ---- torch.compile --------------------------------------------------------------------------------------------------


def compiled_loop(backend: str, part: str) -> Loop:
    """A training whose whole model, or whose middle, is compiled."""

    def loop(diary: Diary) -> None:
        torch._dynamo.reset()
        middle = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.Tanh())
        if part == "submodule":
            middle = torch.compile(middle, backend=backend)
        model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), middle, nn.Linear(8, 1))
        called = torch.compile(model, backend=backend) if part == "model" else model
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        x, y = torch.randn(6, 8), torch.randn(6, 1)
        for _ in range(diary.steps):
            optimizer.zero_grad()
            loss = F.mse_loss(called(x), y)
            loss.backward()
            optimizer.step()
            diary.step(loss, model)
        diary.end(model)

    return loop


def with_warnings(act: Callable[[], Any]) -> tuple[Any, set[str]]:
    """What ``act`` returns, and the warnings it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = act()
    return result, {f"{w.category.__name__}: {str(w.message)[:80]}" for w in caught}


@pytest.mark.parametrize("every", [1, None], ids=["every step", "default"])
@pytest.mark.parametrize("part", ["model", "submodule"])
def test_a_compiled_training_is_bit_equal_and_warns_no_more(part: str, every: int | None) -> None:
    loop = compiled_loop("aot_eager", part)
    expected, plain_warnings = with_warnings(lambda: kept(loop))
    (diary, session, run), watched_warnings = with_warnings(lambda: watched(loop, every))
    assert first_difference(expected, diary) == ""
    assert watched_warnings <= plain_warnings
    assert session.warnings == []
    assert run is not None
    assert len(run.frames) >= (20 if every else 10)


def test_a_watch_after_compile_is_bit_equal(tmp_path: Path) -> None:
    """gm.watch on a model that was compiled and has run before."""

    def loop(diary: Diary, watch: bool) -> None:
        torch._dynamo.reset()
        model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        called = torch.compile(model, backend="aot_eager")
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        x = torch.randn(6, 8)
        called(x)
        handle = gm.watch(model, optimizer, out=tmp_path, every=2) if watch else None
        for _ in range(diary.steps):
            optimizer.zero_grad()
            loss = called(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            diary.step(loss, model)
        if handle is not None:
            handle.close()
        diary.end(model)

    expected, plain_warnings = with_warnings(lambda: kept(lambda d: loop(d, False)))
    diary, watched_warnings = with_warnings(lambda: kept(lambda d: loop(d, True)))
    assert first_difference(expected, diary) == ""
    assert watched_warnings <= plain_warnings


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_inductor_differs_by_rounding_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    """Inductor may fuse otherwise where hooks stand: the figure is printed, and bounded by float32 rounding."""
    loop = compiled_loop("inductor", "model")
    expected, _ = with_warnings(lambda: kept(loop))
    (diary, _, _), _ = with_warnings(lambda: watched(loop, every=1))
    worst = 0.0
    for (what, a), (other, b) in zip(expected, diary, strict=True):
        assert what == other
        if what.startswith(("loss", "grad", "state")):
            x, y = (torch.frombuffer(bytearray(v), dtype=torch.float32) for v in (a, b))
            worst = max(worst, float((x - y).abs().max() / x.abs().max().clamp_min(1e-30)))
    with capsys.disabled():
        print(f"\ninductor, 20 steps, watched against plain: largest relative difference {worst:.2e}")  # noqa: T201
    assert worst <= 20 * torch.finfo(torch.float32).eps  # 20 steps, one rounding each
