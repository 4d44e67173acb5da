"""gm.watch: what the handle gives, what it refuses and in which words, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import optimizer as optim_module

import gradiometer as gm
from gradiometer.records import Run
from gradiometer.session import StopTraining, live

pytestmark = pytest.mark.torch

SOURCE = Path(__file__).resolve().parents[2] / "src"
Batch = tuple[torch.Tensor, torch.Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.05)


def train(model: nn.Module, *optimizers: torch.optim.Optimizer, steps: int = 4) -> None:
    x = torch.linspace(-1, 1, 48).reshape(8, 6)
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        (model(x) - x[:, :1]).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def standing() -> tuple[object, ...]:
    """Everything process-wide that a watch puts in."""
    module, optim = nn.modules.module, optim_module
    tables = (
        *(module._global_forward_hooks, module._global_forward_pre_hooks, module._global_module_registration_hooks),
        *(module._global_backward_hooks, module._global_parameter_registration_hooks),
        *(optim._global_optimizer_pre_hooks, optim._global_optimizer_post_hooks),
    )
    scaler, saved = vars(torch.amp.GradScaler), vars(torch.autograd.graph.saved_tensors_hooks)
    patched = (torch.autograd._engine_run_backward, torch.compile, scaler["scale"], scaler["update"])
    more = (saved["__enter__"], module._has_any_global_hook, vars(torch.optim.Optimizer)["__init__"])
    return tuple(tuple(t.values()) for t in tables) + tuple(id(f) for f in patched + more)


def writers() -> int:
    return sum(t.name.startswith("gradiometer") for t in threading.enumerate())


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs go to the working folder; a test that failed inside a watch must not make its followers fail."""
    monkeypatch.chdir(tmp_path)
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


# ---- the handle -----------------------------------------------------------------------------------------------------


def test_the_handle_in_a_with_block(tmp_path: Path) -> None:
    model = network()
    optimizer = sgd(model)
    with gm.watch(model, optimizer) as handle:
        with pytest.raises(gm.UserError, match=r"No step was recorded yet\. Train at least one step"):
            handle.run()
        train(model, optimizer, steps=2)
        handle.log(accuracy=0.5, tries=torch.tensor(3))
        inside = handle.run()
        assert inside.steps().tolist() == [0, 1]
        assert inside.info.state == "running"
        assert handle.findings().healthy is True
        train(model, optimizer, steps=1)
    run = handle.run()
    assert run.steps().tolist() == [0, 1, 2]
    assert run.info.state == "finished"
    assert handle.findings().healthy is True
    assert handle.path is not None and handle.path.parent == tmp_path / "gradiometer-runs"
    stored = gm.open(handle.path)
    assert stored.steps().tolist() == [0, 1, 2]
    for kept in (run, stored):
        assert {name: rows.tolist() for name, rows in kept.logged.items()} == {
            "accuracy": [[2.0, 0.5]],
            "tries": [[2.0, 3.0]],
        }


def test_close_ends_it_once_and_for_all(tmp_path: Path) -> None:
    model = network()
    optimizer = sgd(model)
    before = standing()
    handle = gm.watch(model, out="mine.gmr", name="mine")
    assert standing() != before
    train(model, optimizer)
    handle.close()
    assert standing() == before
    size = (tmp_path / "mine.gmr").stat().st_size
    handle.close()
    train(model, optimizer)
    assert handle.run().steps().tolist() == [0, 1, 2, 3]
    assert (tmp_path / "mine.gmr").stat().st_size == size
    with pytest.raises(gm.UserError, match=r"This watch is closed. Begin a new one with gm.watch\(model\)."):
        handle.log(accuracy=1.0)
    with pytest.raises(gm.UserError, match="This watch is closed"), handle:
        pass


def test_the_page_comes_once_at_the_end_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    model = network()
    with gm.watch(model) as handle:
        train(model, sgd(model))
        handle.findings()
        assert capfd.readouterr() == ("", "")
    page = capfd.readouterr()
    assert page.out == ""
    assert page.err.count("NOTHING FOUND") == 1
    handle.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("value", "kind"), [("high", "str"), (None, "NoneType"), (torch.ones(2), "Tensor")])
def test_only_numbers_are_logged(value: Any, kind: str) -> None:
    model = network()
    with gm.watch(model) as handle:
        with pytest.raises(gm.UserError, match=rf"log\(accuracy=...\) got {kind}, not a number. Pass a float."):
            handle.log(accuracy=value)
        train(model, sgd(model), steps=1)
    assert handle.run().logged == {}


def test_a_watch_that_saw_no_step_leaves_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with gm.watch(network()) as handle:
        pass
    assert handle.path is None
    assert list(tmp_path.iterdir()) == []
    assert writers() == 0
    for door in (handle.run, handle.findings):
        with pytest.raises(gm.UserError, match=r"Train at least one step \(forward, backward, optimizer.step\(\)\)"):
            door()
    assert capfd.readouterr().err == ""


# ---- refused --------------------------------------------------------------------------------------------------------


def refused(kind: type[Exception], sentence: str, **arguments: Any) -> None:
    """A refusal in these words, after which nothing of it is left and a right call works."""
    before = standing()
    with pytest.raises(kind) as caught:
        gm.watch(**arguments)
    assert str(caught.value) == sentence
    assert type(caught.value) is kind
    assert standing() == before
    assert writers() == 0
    gm.watch(network()).close()


def test_models_that_cannot_be_watched() -> None:
    refused(gm.ModelError, "ReLU has no parameters, so nothing in it can be trained or measured.", model=nn.ReLU())
    refused(gm.UserError, "watch() got a function as model. Pass the torch.nn.Module that is trained.", model=network)
    refused(
        gm.ModelError,
        "Linear is on the meta device and has no numbers. Move it with to_empty(device=...) first.",
        model=nn.Linear(2, 2, device="meta"),
    )


def test_optimizers_that_are_none_of_this_model() -> None:
    refused(
        gm.UserError,
        "watch() got a generator as optimizer. Pass a torch.optim.Optimizer.",
        model=network(),
        optimizer=network().parameters(),
    )
    refused(
        gm.UserError,
        "The SGD holds no parameter of this Sequential: it was built for another model (or before this one was copied "
        "or rebuilt). Build it with model.parameters().",
        model=network(),
        optimizer=sgd(network()),
    )


@pytest.mark.parametrize("every", [0, -1, 2.5, "often", True])
def test_rhythms_that_are_none(every: Any) -> None:
    sentence = f"every={every!r} is not a rhythm. Pass a whole number, 1 or more, or leave it out."
    refused(gm.UserError, sentence, model=network(), every=every)


@pytest.mark.parametrize("budget", [0, -0.1, 1.01, float("nan"), "1 %", None])
def test_budgets_that_are_no_share(budget: Any) -> None:
    sentence = f"budget={budget!r} is not a share of time. Pass a number above 0, at most 1 (0.01 is 1 %)."
    refused(gm.UserError, sentence, model=network(), budget=budget)


@pytest.mark.parametrize("name", ["", " ", "a/b", 3])
def test_names_that_name_no_file(name: Any) -> None:
    sentence = f"name={name!r} cannot name a run. Pass a word that may stand in a file name."
    refused(gm.UserError, sentence, model=network(), name=name)


@pytest.mark.parametrize(
    ("skip", "sentence"),
    [
        ("0", "skip='0' is one string. Pass a list of module paths: skip=['0']."),
        (0, "skip=0 is no list of module paths."),
        (["0.relu"], "skip names '0.relu', and Sequential has no module of that path. Near it: '0', '1', '2'."),
    ],
)
def test_skips_that_skip_nothing(skip: Any, sentence: str) -> None:
    refused(gm.UserError, sentence, model=network(), skip=skip)


def test_places_that_no_run_can_go_to(tmp_path: Path) -> None:
    refused(
        gm.UserError, "out=3 is no path. Pass the name of a run file (*.gmr) or of a folder.", model=network(), out=3
    )
    there = tmp_path / "there.gmr"
    there.write_bytes(b"of last week")
    sentence = f"out={there} is there already, and a run file is never written twice. Name another, or a folder."
    refused(gm.UserError, sentence, model=network(), out=there)
    assert there.read_bytes() == b"of last week"


def test_no_watch_without_gradients() -> None:
    with torch.no_grad():
        model = network()
        with pytest.raises(gm.UserError, match=r"watch\(\) was called under torch.no_grad\(\). Call it where the"):
            gm.watch(model)
    gm.watch(model).close()


def test_one_watch_at_a_time() -> None:
    model = network()
    optimizer = sgd(model)
    with gm.watch(model, optimizer) as first:
        train(model, optimizer, steps=2)
        here, threads = standing(), writers()
        with pytest.raises(gm.UserError, match=r"This process is being watched already. Close the first watch"):
            gm.watch(model, optimizer)
        assert (standing(), writers()) == (here, threads)
        train(model, optimizer, steps=2)
    assert first.run().steps().tolist() == [0, 1, 2, 3]  # the refused one took nothing from it
    with gm.watch(model, optimizer) as second:
        train(model, optimizer, steps=1)
    assert second.run().steps().tolist() == [0]


# ---- out, name, every, optimizer, skip ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "where"),
    [
        (None, "gradiometer-runs/deep-*.gmr"),
        ("one.gmr", "one.gmr"),
        (Path("new") / "folder" / "two.gmr", "new/folder/two.gmr"),
        ("new/folder", "new/folder/deep-*.gmr"),
        (".", "deep-*.gmr"),
    ],
)
def test_where_the_run_goes(tmp_path: Path, out: str | Path | None, where: str) -> None:
    model = network()
    with gm.watch(model, out=out, name="deep") as handle:
        train(model, sgd(model), steps=1)
        os.chdir("/")  # a script may go elsewhere
    assert handle.path is not None
    assert list(tmp_path.glob(where)) == [handle.path]
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [handle.path]  # no journal is left beside it
    run = gm.open(handle.path)
    assert (run.info.name, run.main) == ("deep", "deep")


def test_a_model_is_called_by_its_class_where_no_name_is_given() -> None:
    model = network()
    with gm.watch(model) as handle:
        train(model, sgd(model), steps=1)
    assert (handle.run().info.name, handle.run().main) == ("sequential", "sequential")


def test_every_third_step() -> None:
    model = network()
    optimizer = sgd(model)
    with gm.watch(model, optimizer, every=3) as handle:
        train(model, optimizer, steps=11)
    run = handle.run()
    assert run.steps().tolist() == [0, 3, 6, 9]
    assert run.curve()[:, 0].tolist() == list(range(11))  # the loss is known of every step


def test_only_the_named_optimizer_counts() -> None:
    model = network()
    body, head = sgd(model[:4]), torch.optim.Adam(model[4].parameters())

    def alternate() -> None:
        for _ in range(2):
            train(model, head, steps=3)
            train(model, body, steps=1)

    with gm.watch(model, body) as handle:
        alternate()
    assert handle.run().steps().tolist() == [0, 1]
    assert [o.cls for o in handle.run().optimizers] == ["SGD"]
    with gm.watch(model) as handle:
        alternate()
    assert sorted(o.cls for o in handle.run().optimizers) == ["Adam", "SGD"]
    assert len(handle.run().frames) == 8


def test_the_optimizer_of_another_model_does_not_count() -> None:
    model, other = network(), network()
    mine, theirs = sgd(model), sgd(other)
    with gm.watch(model) as handle:
        for _ in range(3):
            train(other, theirs, steps=2)
            train(model, mine, steps=1)
    assert handle.run().steps().tolist() == [0, 1, 2]
    assert {f.model for f in handle.run().frames} == {"sequential"}


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = network()[:4], nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def watched_two(skip: list[str]) -> Run:
    model = Two()
    with gm.watch(model, skip=skip) as handle:
        train(model, sgd(model), steps=12)
    return handle.run()


def test_what_is_skipped_is_not_measured_and_counts_as_not_covered() -> None:
    run = watched_two(["body"])
    places = {s.name for s in run.sites() if s.kind != "param"}
    assert places == {"head", "(root)"}
    assert "body.0.weight" in {s.name for s in run.sites()}  # parameters are the optimizer's, not a module's
    assert {n.site.partition(".")[0] for n in run.not_covered} == {"body"}
    assert {n.reason for n in run.not_covered} == {"left out by skip"}
    assert run.coverage < 0.95
    assert gm.diagnose(run).healthy is None


def test_what_is_not_skipped_is_measured() -> None:
    run = watched_two([])
    assert {"head", "body", "body.0", "body.1", "body.2", "body.3"} <= {s.name for s in run.sites()}
    assert (run.coverage, run.not_covered) == (1.0, ())
    assert "body.0" in {s.name for s in watched_two(["body.1"]).sites()}
    assert "body.1" not in {s.name for s in watched_two(["body.1"]).sites()}


# ---- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (ValueError("bad batch"), "crashed", "ValueError: bad batch"),
        (ZeroDivisionError(), "crashed", "ZeroDivisionError"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(3), "finished", "exit code 3"),
        (SystemExit(), "finished", ""),
        (StopTraining(), "stopped", ""),
    ],
)
def test_an_exception_in_the_block_is_passed_on_and_told(error: BaseException, state: str, told: str) -> None:
    model = network()
    optimizer = sgd(model)
    before = standing()
    caught: BaseException | None = None
    try:
        with gm.watch(model, optimizer) as handle:
            train(model, optimizer, steps=3)
            raise error
    except BaseException as passed_on:
        caught = passed_on
    assert caught is error
    assert standing() == before
    assert handle.path is not None
    for run in (handle.run(), gm.open(handle.path)):
        assert (run.info.state, run.info.error) == (state, told)
        assert run.steps().tolist() == [0, 1, 2]


def test_an_exception_in_the_forward_pass_leaves_nothing() -> None:
    model = network()
    optimizer = sgd(model)
    before = standing()
    handle = gm.watch(model, optimizer)
    train(model, optimizer, steps=1)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"), handle:
        model(torch.ones(3, 7))
    assert standing() == before
    assert handle.run().info.state == "crashed"
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(not p._backward_hooks for p in model.parameters())


def test_torch_knows_of_no_global_hook_afterwards() -> None:
    """torch keeps a hook's options in tables of their own; one entry left there makes every compiled call warn."""
    module = nn.modules.module
    for table in (module._global_forward_hooks_with_kwargs, module._global_forward_hooks_always_called):
        table.clear()  # of tests before this one
    model = network()
    with gm.watch(model, every=1):
        assert module._global_forward_hooks
        train(model, sgd(model), steps=6)
    assert not module._global_forward_hooks_with_kwargs
    assert not module._global_forward_hooks_always_called
    assert not module._has_any_global_hook()


def test_fifty_watches_leave_no_hook_and_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["gradiometer.session.watch"], "at_end", None)  # fifty pages take their time
    model = network()
    optimizer = sgd(model)
    before, threads = standing(), threading.active_count()
    for i in range(50):
        with gm.watch(model, optimizer, out="runs", name=f"run{i}"):
            train(model, optimizer, steps=1)
    assert standing() == before
    assert threading.active_count() == threads
    assert len(list((tmp_path / "runs").iterdir())) == 50


OPEN = """
import os, sys, threading, torch
import gradiometer as gm
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
handle = gm.watch(model, optimizer, out=sys.argv[1])
def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).square().mean().backward()
        optimizer.step()
train(20)
child = os.fork()
if child == 0:
    train(5)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
exec(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("end", "code", "state", "told"),
    [
        ("pass", 0, "finished", ""),
        ("raise ValueError('bad batch')", 1, "crashed", "ValueError: bad batch"),
    ],
)
def test_a_watch_left_open_ends_with_the_interpreter(
    tmp_path: Path, end: str, code: int, state: str, told: str
) -> None:
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OPEN, "left.gmr", end],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert "gradiometer:" not in done.stderr
    assert done.stderr.count("NOTHING FOUND") == 1  # one page, none of the child
    assert [p.name for p in tmp_path.iterdir()] == ["left.gmr"]
    run = gm.open(tmp_path / "left.gmr")
    assert (run.info.state, run.info.error) == (state, told)
    assert run.steps().tolist()[:10] == list(range(10))
    assert run.curve()[:, 0].tolist() == list(range(20))  # the last losses too


def test_the_document_of_a_watch_is_json() -> None:
    msgspec = pytest.importorskip("msgspec")
    model = network()
    with gm.watch(model) as handle:
        train(model, sgd(model))
    document = json.loads(msgspec.json.encode(handle.findings()))
    assert (document["schema"], document["healthy"], document["coverage"]) == (1, True, 1.0)


def test_a_handle_that_nobody_keeps_still_watches() -> None:
    """``gm.watch(model)`` in a notebook: the hooks hold what they need."""
    model = network()
    ended: list[Callable[[], Run]] = []

    def begin() -> None:
        handle = gm.watch(model)
        ended.append(handle.run)

    begin()
    train(model, sgd(model), steps=2)
    assert ended[0]().steps().tolist() == [0, 1]


class TwoOutputs(torch.autograd.Function):
    """Tells its backward pass "no error" for the output that nobody uses, as cuDNN's recurrent nets do."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx: Any, first: torch.Tensor | None, second: torch.Tensor | None) -> torch.Tensor | None:
        assert second is None
        return 2 * first if first is not None else None


class HalfUsed(nn.Module):
    """A module of which only the first output is used."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return TwoOutputs.apply(x)


class First(nn.Module):
    """The first of two."""

    def forward(self, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return pair[0]


def test_an_output_that_nobody_uses_stops_nothing() -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(6, 6), HalfUsed(), First(), nn.Linear(6, 1))
    optimizer = sgd(model)
    with gm.watch(model) as handle:
        train(model, optimizer)
    run = handle.run()
    assert run.problems == ()
    assert len(run.frames) == 4
