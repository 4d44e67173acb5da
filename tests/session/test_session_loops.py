"""Every way to write a training loop: which frames come of it, with which numbers, and what is said where none do."""

from __future__ import annotations

import copy
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Run
from gradiometer.session import Options, Session, StopTraining, live, start
from gradiometer.surgery.scaling import scale_loss

pytestmark = pytest.mark.torch

SOURCE = Path(__file__).resolve().parents[2] / "src"
X = torch.linspace(-1, 1, 48).reshape(8, 6)


@pytest.fixture(autouse=True)
def nobody_watches() -> Iterator[None]:
    yield
    left = live._current() if live._current is not None else None
    if left is not None:
        left.stop("crashed")


def network(outputs: int = 1) -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, outputs))


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def loss_of(model: nn.Module, x: Tensor = X) -> Tensor:
    return (model(x) - x[:, :1]).square().mean()


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss_of(model).backward()
    optimizer.step()


def watched(loop: Callable[[], object], **options: object) -> tuple[Run | None, Session]:
    """The run of a loop in a process that is watched as by ``gradiometer run``."""
    settings: dict[str, object] = {"keep_file": False, "every": 1, **options}
    session = start(Options(**settings))  # type: ignore[arg-type]
    try:
        loop()
    except StopTraining:
        return session.stop("stopped"), session
    return session.stop("finished"), session


def frames(run: Run | None) -> dict[str, list[int]]:
    """Model -> the steps of its frames, in the order in which they came."""
    assert run is not None
    out: dict[str, list[int]] = {}
    for frame in run.frames:
        out.setdefault(frame.model, []).append(frame.step)
    return out


def column(run: Run | None, stat: str, site: str, model: str | None = None) -> NDArray[np.float64]:
    """One statistic of one site over the frames [frame]."""
    assert run is not None
    (index,) = run.columns([site], model)
    assert index >= 0, f"{site} is no site"
    return run.of(stat, model)[:, index]


class Oracle:
    """A plain training by SGD on a copy: before each step the loss, ‖∂L/∂logits‖ and ‖∂L/∂W₁‖ by autograd alone."""

    def __init__(self, model: nn.Sequential, steps: int, terms: int = 1) -> None:
        model = copy.deepcopy(model)
        rows = []
        for _ in range(steps):
            out = model(X)
            loss = (out - X[:, :1]).square().mean()
            (error,) = torch.autograd.grad(loss, out, retain_graph=True)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            rows.append((loss.item() * terms, error.norm().item(), gradients[0].norm().item() * terms))
            with torch.no_grad():
                for p, g in zip(model.parameters(), gradients, strict=True):
                    p -= 0.1 * terms * g
        self.loss, self.error, self.gradient = np.array(rows).T


def assert_follows(run: Run | None, oracle: Oracle, model: str | None = None) -> None:
    """Every frame has the oracle's loss, error and gradient of its step."""
    assert run is not None
    steps = run.steps(model)
    np.testing.assert_allclose([f.loss for f in run.frames_of(model)], oracle.loss[steps], rtol=1e-5)
    np.testing.assert_allclose(column(run, "err_norm", "4", model), oracle.error[steps], rtol=1e-5)
    gradient = column(run, "grad_norm", "0.weight", model)
    known = ~np.isnan(gradient)
    assert known[0]
    np.testing.assert_allclose(gradient[known], oracle.gradient[steps][known], rtol=1e-4)
    np.testing.assert_allclose(run.curve(model)[:, 1], oracle.loss[: len(run.curve(model))], rtol=1e-5)


def healthy(run: Run | None) -> bool:
    assert run is not None
    found = gm.diagnose(run)
    return found.healthy is True and not found.findings


# ---- without an optimizer, with one, with several -------------------------------------------------------------------


def test_a_plain_loop() -> None:
    model = network()
    oracle = Oracle(model, 6)
    optimizer = sgd(model)
    run, session = watched(lambda: [step(model, optimizer) for _ in range(6)])
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4, 5]}
    assert_follows(run, oracle)
    assert healthy(run)
    assert session.warnings == []


def test_the_oracle_can_disagree() -> None:
    model = network()
    oracle = Oracle(model, 6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.11)
    run, _ = watched(lambda: [step(model, optimizer) for _ in range(6)])
    with pytest.raises(AssertionError):
        assert_follows(run, oracle)


def test_weights_changed_by_hand() -> None:
    model = network()
    oracle = Oracle(model, 6)

    def loop() -> None:
        for _ in range(6):
            loss_of(model).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None

    run, _ = watched(loop)
    assert frames(run)["sequential"][:5] == [0, 1, 2, 3, 4]
    assert_follows(run, oracle)
    assert run is not None and run.optimizers == ()
    assert healthy(run)


def test_one_model_with_two_optimizers() -> None:
    model = network()
    oracle = Oracle(model, 6)
    body, head = sgd(model[:4]), sgd(model[4])

    def loop() -> None:
        for _ in range(6):
            body.zero_grad()
            head.zero_grad()
            loss_of(model).backward()
            body.step()
            head.step()

    run, _ = watched(loop)
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4, 5]}
    assert_follows(run, oracle)
    assert np.isfinite(column(run, "update_norm", "4.weight")[0])  # both optimizers' updates are in the frame
    assert np.isfinite(column(run, "update_norm", "0.weight")[0])
    assert run is not None
    assert [sorted(o.owned["sequential"])[0] for o in run.optimizers] == ["0.bias", "4.bias"]
    assert healthy(run)


def test_two_models_with_one_optimizer() -> None:
    first, second = network(), network()
    oracle = Oracle(first, 5)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)

    def loop() -> None:
        for _ in range(5):
            optimizer.zero_grad()
            (loss_of(first) + loss_of(second)).backward()
            optimizer.step()

    run, _ = watched(loop)
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4], "sequential-2": [0, 1, 2, 3, 4]}
    for model in ("sequential", "sequential-2"):
        np.testing.assert_allclose(column(run, "err_norm", "4", model), oracle.error, rtol=1e-5)
    assert healthy(run)


@pytest.mark.parametrize("order", ["discriminator first", "generator first"])
def test_a_gan(order: str) -> None:
    torch.manual_seed(2)
    generator, judge = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6)), network()
    verdict, real, fake = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)

    def train_judge(made: Tensor, of_judge: torch.optim.Optimizer) -> None:
        of_judge.zero_grad()
        (verdict(judge(X), real) + verdict(judge(made.detach()), fake)).backward()
        of_judge.step()

    def train_generator(made: Tensor, of_generator: torch.optim.Optimizer) -> None:
        of_generator.zero_grad()
        verdict(judge(made), real).backward()
        of_generator.step()

    def loop() -> None:
        of_generator, of_judge = torch.optim.Adam(generator.parameters()), torch.optim.Adam(judge.parameters())
        for _ in range(5):
            made = generator(torch.randn(8, 4))
            if order == "discriminator first":
                train_judge(made, of_judge)
            train_generator(made, of_generator)
            if order == "generator first":
                train_judge(made, of_judge)

    run, session = watched(loop)
    assert run is not None and session.warnings == []
    names = {n.name: len(n.stations) for n in run.networks}
    assert frames(run) == {name: [0, 1, 2, 3, 4] for name in names}
    assert sorted(names.values()) == [2, 3]  # a trunk each
    for name in names:
        last = "4" if names[name] == 3 else "2"
        assert np.isfinite(column(run, "err_norm", last, name)).all()


def test_a_closure_is_one_step() -> None:
    model = network()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    passes: list[int] = []

    def closure() -> Tensor:
        passes.append(1)
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    run, session = watched(lambda: [optimizer.step(closure) for _ in range(4)])
    assert frames(run) == {"sequential": [0, 1, 2, 3]}
    assert session.backwards_seen == len(passes) == 16
    assert np.isfinite(column(run, "err_norm", "4")).all()
    assert healthy(run)


# ---- accumulation, scaler, graphs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("last_too", [True, False])
def test_gradient_accumulation_with_an_incomplete_group(last_too: bool) -> None:
    model = network()
    oracle = Oracle(model, 2)
    optimizer = sgd(model)

    def loop() -> None:
        for i in range(10):
            (loss_of(model) / 4).backward()
            if i % 4 == 3 or (i == 9 and last_too):
                optimizer.step()
                optimizer.zero_grad()

    run, _ = watched(loop)
    assert run is not None
    assert frames(run) == {"sequential": [0, 1, 2] if last_too else [0, 1]}
    np.testing.assert_allclose([f.loss for f in run.frames][:2], oracle.loss, rtol=1e-5)
    np.testing.assert_allclose(column(run, "grad_norm", "0.weight")[:2], oracle.gradient, rtol=1e-4)
    np.testing.assert_allclose(column(run, "err_norm", "4")[:2], oracle.error / 4, rtol=1e-5)  # of a micro-batch
    assert {s.call for s in run.sites()} == {0}
    assert healthy(run)


def test_the_loss_scale_of_a_cure_is_divided_out_and_a_pass_that_overflows_has_no_frame() -> None:
    model = network()
    oracle = Oracle(model, 7)
    optimizer = sgd(model)
    scale_loss(model, 8.0)

    def loop() -> None:
        for i in range(8):
            optimizer.zero_grad()
            (loss_of(model) * (torch.inf if i == 2 else 1.0)).backward()
            optimizer.step()

    run, _ = watched(loop)
    assert run is not None
    np.testing.assert_allclose([f.loss for f in run.frames], oracle.loss, rtol=1e-5)
    np.testing.assert_allclose(column(run, "grad_norm", "0.weight")[:2], oracle.gradient[:2], rtol=1e-4)
    np.testing.assert_allclose(column(run, "err_norm", "4"), oracle.error, rtol=1e-5)
    assert [e.model for e in run.events if e.kind == "step_skipped"] == ["sequential"]
    assert [f.loss_scale for f in run.frames] == [8, 8, 4, 4, 4, 4, 4]
    assert healthy(run)


def test_steps_that_the_scaler_skips_have_no_frame() -> None:
    model = network()
    oracle = Oracle(model, 6)
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=8.0)

    def loop() -> None:
        for i in range(8):
            optimizer.zero_grad()
            scaler.scale(loss_of(model) * (torch.inf if i in (2, 5) else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()

    run, _ = watched(loop)
    assert run is not None
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4, 5]}
    assert_follows(run, oracle)
    assert [(e.step, e.model) for e in run.events if e.kind == "step_skipped"] == [(2, "sequential"), (4, "sequential")]
    assert [f.loss_scale for f in run.frames] == [8, 8, 4, 4, 2, 2]
    assert healthy(run)


def test_backward_twice_through_one_graph() -> None:
    model = network()
    oracle = Oracle(model, 3, terms=2)
    optimizer = sgd(model)

    def loop() -> None:
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward(retain_graph=True)
            loss.backward()
            optimizer.step()

    run, _ = watched(loop)
    assert frames(run) == {"sequential": [0, 1, 2]}
    assert_follows(run, oracle)  # the error of each of the two passes, the loss and the gradient of both
    assert run is not None and {s.call for s in run.sites()} == {0}


@pytest.mark.parametrize("when", ["after the step", "before backward", "no_grad"])
def test_a_validation_in_grad_mode_leaves_no_trace(when: str) -> None:
    model = network()
    oracle = Oracle(model, 5)
    optimizer = sgd(model)

    def validate() -> None:
        model.eval()
        with torch.set_grad_enabled(when != "no_grad"):
            model(100 * X)
        model.train()

    def loop() -> None:
        for _ in range(5):
            optimizer.zero_grad()
            loss = loss_of(model)
            if when == "before backward":
                validate()
            loss.backward()
            optimizer.step()
            if when != "before backward":
                validate()

    run, _ = watched(loop)
    assert run is not None
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4]}
    assert_follows(run, oracle)
    assert {s.call for s in run.sites()} == {0}
    assert float(column(run, "act_max", "1").max()) < 0.99  # tanh of the training batch, not of a hundred times it


# ---- where models live ----------------------------------------------------------------------------------------------


def test_models_made_in_a_function_and_kept_in_a_list() -> None:
    def loop() -> None:
        models = [network() for _ in range(3)]
        optimizers = [sgd(m) for m in models]
        for _ in range(3):
            for model, optimizer in zip(models, optimizers, strict=True):
                step(model, optimizer)

    run, _ = watched(loop)
    assert frames(run) == {f"sequential{tail}": [0, 1, 2] for tail in ("", "-2", "-3")}
    assert healthy(run)


@pytest.mark.parametrize("every", [1, None])
def test_a_model_rebuilt_every_fold(every: int | None) -> None:
    born: list[weakref.ref[nn.Module]] = []
    alive: list[int] = []

    def fold() -> None:
        model = network()
        optimizer = sgd(model)
        born.append(weakref.ref(model))
        for _ in range(4):
            step(model, optimizer)

    def loop() -> None:
        for _ in range(6):
            fold()
            gc.collect()
            alive.append(sum(ref() is not None for ref in born))

    run, session = watched(loop, every=every)
    assert alive == [0] * 6  # the watch keeps no model alive
    assert len(session.registry.index) == 0
    assert run is not None
    seen = frames(run)
    assert list(seen) == ["sequential", *(f"sequential-{k}" for k in range(2, 7))]
    assert all(steps[0] == 0 and len(steps) >= 3 for steps in seen.values())
    owners = {model for o in run.optimizers for model in o.owned}
    assert owners == set(seen)
    assert healthy(run)


def test_training_in_another_thread(capfd: pytest.CaptureFixture[str]) -> None:
    model = network()
    oracle = Oracle(model, 4)
    optimizer = sgd(model)

    def loop() -> None:
        thread = threading.Thread(target=lambda: [step(model, optimizer) for _ in range(4)])
        thread.start()
        thread.join()

    run, session = watched(loop)
    if run is not None:
        assert_follows(run, oracle)
        assert healthy(run)
    else:  # not silently empty
        assert any("thread" in line for line in session.warnings)


def test_a_watch_that_saw_steps_but_no_model_says_so() -> None:
    model = network()
    optimizer = sgd(model)
    with gm.watch(model, optimizer) as handle:
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        with torch.no_grad():
            model(X)
    with pytest.raises(gm.UserError, match=r"^No step was recorded yet\. Train at least one step"):
        handle.run()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # of dynamo itself
@pytest.mark.parametrize("way", ["torch.compile", "model.compile", "before the watch", "a part"])
def test_a_compiled_model_is_named_as_not_covered(way: str) -> None:
    torch._dynamo.reset()
    model = network()
    if way == "before the watch":
        model = torch.compile(model, backend="aot_eager")  # type: ignore[assignment]

    def loop() -> None:
        trained: nn.Module = model
        if way == "torch.compile":
            trained = torch.compile(model, backend="aot_eager")  # type: ignore[assignment]
        elif way == "model.compile":
            model.compile(backend="aot_eager")
        elif way == "a part":
            trained = nn.Sequential(torch.compile(model, backend="aot_eager"), nn.Linear(1, 1))
        optimizer = sgd(trained)
        for _ in range(4):
            step(trained, optimizer)

    try:
        run, session = watched(loop)
    finally:
        torch._dynamo.reset()
    assert run is not None
    assert session.warnings == []
    found = gm.diagnose(run)
    assert found.coverage < 0.95
    assert found.healthy is None
    assert found.not_covered == ("(compiled): 5 modules run inside torch.compile and are not measured",)
    assert not [f for f in found.findings if f.severity == "fail"]


# ---- --steps --------------------------------------------------------------------------------------------------------


def test_it_stops_exactly_after_the_steps_asked_for() -> None:
    model = network()
    optimizer = sgd(model)
    done: list[int] = []

    def loop() -> None:
        for i in range(100):
            step(model, optimizer)
            done.append(i)

    before = [p.detach().clone() for p in model.parameters()]
    run, session = watched(loop, steps=5)
    assert frames(run) == {"sequential": [0, 1, 2, 3, 4]}
    assert run is not None and run.info.state == "stopped"
    assert done == [0, 1, 2, 3]  # the fifth step ended it, and had been taken
    assert session.steps_seen == 5
    assert any(not torch.equal(a, p) for a, p in zip(before, model.parameters(), strict=True))


SCRIPT = """
import sys, torch
model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

def train():
    while True:
        optimizer.zero_grad()
        model(torch.ones(2, 4)).square().mean().backward()
        try:
            optimizer.step()
        except Exception:
            print("swallowed")
        finally:
            train.steps += 1

train.steps = 0
try:
    train()
finally:
    print("finally after", train.steps)
"""


def test_the_script_of_a_run_with_steps_ends_cleanly(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "gradiometer", "run", "--steps", "7", "--out", "one.gmr", "train.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "finally after 7\n"), done.stderr
    assert "Traceback" not in done.stderr
    run = gm.open(tmp_path / "one.gmr")
    assert run.info.state == "stopped"
    assert run.steps().tolist() == list(range(7))
