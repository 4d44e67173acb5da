"""gm.check, gm.assert_healthy, gm.Setup and the pytest plugin: right verdicts, nothing of the user's touched."""

from __future__ import annotations

import copy
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import optimizer as optim_module
from torch.utils.data import DataLoader, TensorDataset

import gradiometer as gm
from gradiometer.measurement import steprows
from gradiometer.session import check_setup, live
from gradiometer.session.check import judge_setup

pytestmark = pytest.mark.torch

SOURCE = Path(__file__).resolve().parents[2] / "src"
Batch = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def no_file_and_nobody_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A check writes no file and leaves no hook, no thread and no watch behind, however it ended."""
    monkeypatch.chdir(tmp_path)
    before, threads = standing(), threading.active_count()
    yield
    left = live._current() if live._current is not None else None
    assert left is None or left.ended
    assert standing() == before
    assert threading.active_count() == threads
    assert list(tmp_path.rglob("*.gmr")) == []


def standing() -> tuple[object, ...]:
    module, optim = nn.modules.module, optim_module
    tables = (
        *(module._global_forward_hooks, module._global_forward_pre_hooks, module._global_module_registration_hooks),
        *(optim._global_optimizer_pre_hooks, optim._global_optimizer_post_hooks),
    )
    return (*(tuple(t.values()) for t in tables), id(torch.autograd._engine_run_backward))


def classes(width: int = 32) -> Batch:
    torch.manual_seed(1)
    x = torch.randn(128, width)
    return x, x[:, :4].argmax(dim=1)


def entropy(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def deep(act: type[nn.Module], depth: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [module for _ in range(depth) for module in (nn.Linear(32, 32), act())]
    return nn.Sequential(*layers, nn.Linear(32, 4))


def small() -> nn.Sequential:
    """Healthy, with everything that a careless check would change: dropout, running statistics."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4))


# ---- verdicts -------------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    """x + W₂ relu(W₁ x) with He weights, the branch scaled down."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(32, 32), nn.Linear(32, 32)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.normal_(self.second.weight, std=0.3 / 32**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(x)))


class Encoded(nn.Module):
    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.head, self.cut = nn.Linear(32, 4), cut

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x)
        return self.head(code.detach() if self.cut else code)


def he(model: nn.Sequential) -> nn.Sequential:
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    return model


def one_unit(last: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1), last)


def binary(model: nn.Module, batch: Batch) -> Tensor:
    return F.binary_cross_entropy(model(batch[0]), (batch[1] > 1).float()[:, None])


ILL: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor], str, str]] = {
    "20 sigmoids": (lambda: deep(nn.Sigmoid, 20), entropy, "vanishing", "activation-shrinks-error"),
    "30 relus as torch makes them": (lambda: deep(nn.ReLU, 30), entropy, "vanishing", "init-too-small"),
    "detached encoder": (lambda: Encoded(cut=True), entropy, "zero", "gradient-blocked"),
    "softmax over one unit": (lambda: one_unit(nn.Softmax(dim=1)), binary, "zero", "output-constant"),
}
HEALTHY: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor]]] = {
    "2 sigmoids": (lambda: deep(nn.Sigmoid, 2), entropy),
    "6 relus with He": (lambda: he(deep(nn.ReLU, 6)), entropy),
    "10 residual blocks": (lambda: nn.Sequential(*(Residual() for _ in range(10)), nn.Linear(32, 4)), entropy),
    "encoder that is not detached": (lambda: Encoded(cut=False), entropy),
    "sigmoid over one unit": (lambda: one_unit(nn.Sigmoid()), binary),
    "dropout and batch norm": (small, entropy),
}


@pytest.mark.parametrize("name", ILL)
def test_an_ill_network_is_found_before_it_trains(name: str) -> None:
    make, loss, symptom, cause = ILL[name]
    torch.manual_seed(0)
    model = make()
    found = gm.check(model, classes(), loss)
    assert found.healthy is False
    first = found.findings[0]
    assert (first.symptom, first.cause, first.severity) == (symptom, cause, "fail")
    with pytest.raises(AssertionError) as told:
        gm.assert_healthy(model, classes(), loss)
    assert str(told.value).splitlines()[0] == f"{symptom} {cause}: {first.summary}"


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_is_called_healthy(name: str) -> None:
    make, loss = HEALTHY[name]
    torch.manual_seed(0)
    model = make()
    found = gm.check(model, classes(), loss)
    assert (found.healthy, [f.cause for f in found.findings if f.severity == "fail"]) == (True, [])
    assert found.coverage >= 0.95
    gm.assert_healthy(model, classes(), loss)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # of dynamo itself
def test_too_little_coverage_is_no_proof() -> None:
    inner = nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    model = nn.Sequential(torch.compile(inner, backend="eager"), nn.Linear(8, 4))
    found = gm.check(model, classes(), entropy)
    assert found.healthy is None
    with pytest.raises(AssertionError, match=r"^coverage \d+%: too little was measured to call it healthy$"):
        gm.assert_healthy(model, classes(), entropy)
    gm.assert_healthy(nn.Sequential(inner, nn.Linear(8, 4)), classes(), entropy)


# ---- one pass and ten steps, with which optimizer -------------------------------------------------------------------


def weights_after(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> list[Tensor]:
    """‖W‖ of every parameter before each of the next ``count`` steps, by a plain loop."""
    norms = []
    for _ in range(count):
        norms.append(torch.stack([p.detach().double().norm() for p in model.parameters()]))
        optimizer.zero_grad()
        entropy(model, classes()).backward()
        optimizer.step()
    return norms


def recorded_norms(setup: gm.Setup) -> np.ndarray[Any, Any]:
    run = check_setup(setup)
    assert run.steps().tolist() == list(range(11))  # one pass and ten steps
    names = [name for name, _ in setup.model.named_parameters()]
    return run.of("weight_norm")[:, run.columns(names)]


@pytest.mark.parametrize(
    "make",
    [
        None,
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
        lambda ps: torch.optim.Adam(ps, lr=0.03),
        lambda ps: torch.optim.LBFGS(ps, lr=0.5, max_iter=3),
    ],
    ids=["none", "SGD", "Adam", "LBFGS"],
)
def test_it_trains_as_a_plain_loop_would(make: Callable[..., torch.optim.Optimizer] | None) -> None:
    model = deep(nn.Tanh, 2)
    given = make(model.parameters()) if make is not None else None
    ours = recorded_norms(gm.Setup(model, [classes()], entropy, given))
    stand_in = make or (lambda ps: torch.optim.SGD(ps, lr=0.01))
    optimizer = stand_in(model.parameters())
    if isinstance(optimizer, torch.optim.LBFGS):
        theirs = _closed(model, optimizer)
    else:
        theirs = weights_after(model, optimizer, 11)
    np.testing.assert_allclose(ours, torch.stack(theirs).numpy(), rtol=1e-5)
    assert not np.allclose(ours[0], ours[-1], rtol=1e-4)  # it did move


def _closed(model: nn.Module, optimizer: torch.optim.LBFGS) -> list[Tensor]:
    norms = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = entropy(model, classes())
        loss.backward()
        return loss

    for _ in range(11):
        norms.append(torch.stack([p.detach().double().norm() for p in model.parameters()]))
        optimizer.step(closure)
    return norms


def test_the_note_says_which_optimizer_stood_in() -> None:
    model = small()
    said = "No optimizer was given: checked with SGD, learning rate 0.01."
    assert gm.check(model, classes(), entropy).note == said
    assert gm.check(model, classes(), entropy, torch.optim.Adam(model.parameters())).note == ""
    setup = gm.Setup(deep(nn.Sigmoid, 20), [classes()], entropy)
    judged = judge_setup(setup, check_setup(setup), ["activation-shrinks-error"])
    assert judged.note.endswith(said)
    assert judged.accepted


def test_the_optimizer_that_is_given_is_the_one_that_is_recorded() -> None:
    model = small()
    setup = gm.Setup(model, [classes()], entropy, torch.optim.Adam(model.parameters(), lr=0.003))
    (seen,) = check_setup(setup).optimizers
    assert (seen.cls, seen.settings["lr"]) == ("Adam", 0.003)
    (seen,) = check_setup(gm.Setup(model, [classes()], entropy)).optimizers
    assert (seen.cls, seen.settings["lr"]) == ("SGD", 0.01)


def batches_of(kind: str) -> Any:
    x, y = classes()
    pieces = [(x[i : i + 16], y[i : i + 16]) for i in range(0, 64, 16)]
    if kind == "generator":
        return (piece for piece in pieces)
    if kind == "endless generator":
        return (pieces[i % 4] for i in iter(int, 1))
    return pieces if kind == "list" else DataLoader(TensorDataset(x[:64], y[:64]), batch_size=16)


@pytest.mark.parametrize("kind", ["list", "generator", "DataLoader"])
def test_batches_come_in_turn_and_again_from_the_start(kind: str) -> None:
    seen: list[float] = []

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        seen.append(float(batch[0].sum()))
        return entropy(model, batch)

    run = check_setup(gm.Setup(small(), batches_of(kind), loss))
    expected = [float(x.sum()) for x, _ in batches_of("list")]
    assert seen == [expected[i % 4] for i in range(11)]
    assert len(run.frames) == 11


def test_an_endless_generator_is_read_eleven_times() -> None:
    drawn: list[int] = []
    batches = (drawn.append(1) or classes() for _ in iter(int, 1))
    assert len(check_setup(gm.Setup(small(), batches, entropy)).frames) == 11
    assert len(drawn) == 11


# ---- nothing changes ------------------------------------------------------------------------------------------------


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Bits of the model and its gradients, modes, hooks, the optimizer's settings and state, the global generators."""
    return {
        "state": {n: (x.data_ptr(), x.clone()) for n, x in model.state_dict(keep_vars=True).items()},
        "grads": {n: None if p.grad is None else (id(p.grad), p.grad.clone()) for n, p in model.named_parameters()},
        "flags": [(n, p.requires_grad, bool(p._backward_hooks)) for n, p in model.named_parameters()],
        "modes": [(n, m.training, len(m._forward_hooks), sorted(vars(m))) for n, m in model.named_modules()],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "held": [id(p) for group in optimizer.param_groups for p in group["params"]],
        "random": (torch.get_rng_state(), random.getstate(), repr(np.random.get_state())),
        "grad mode": torch.is_grad_enabled(),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def in_use() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network in the middle of its training: gradients, momentum, one part in eval mode, one frozen."""
    model = small()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(3):
        optimizer.zero_grad()
        entropy(model, classes()).backward()
        optimizer.step()
    model[1].eval()
    model[4].bias.requires_grad_(False)
    model[4].bias.grad = None
    return model, optimizer


class CarelessError(RuntimeError):
    pass


def drawing(fails_at: int) -> Callable[[nn.Module, Batch], Tensor]:
    """A loss that draws from every generator, changes modes of its model, and may raise."""
    calls = iter(range(100))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        model.train()
        noise = torch.rand(()) + random.random() + float(np.random.rand())
        value = entropy(model, batch) * noise
        if next(calls) == fails_at:
            raise CarelessError
        return value

    return loss


@pytest.mark.parametrize("fails_at", [99, 0, 5])
@pytest.mark.parametrize("given", [True, False])
def test_nothing_changes(fails_at: int, given: bool) -> None:
    model, optimizer = in_use()
    before = everything(model, optimizer)
    doors = [lambda *a: gm.check(*a), lambda *a: gm.assert_healthy(*a)]
    for door in doors:
        try:
            door(model, classes_kept, drawing(fails_at), *([optimizer] if given else []))
            assert fails_at == 99
        except CarelessError:
            assert fails_at < 99
        after = everything(model, optimizer)
        assert [key for key in before if not same(before[key], after[key])] == []


classes_kept = classes()


def test_the_test_above_sees_changes() -> None:
    model, optimizer = in_use()
    before = everything(model, optimizer)
    entropy(model, classes_kept)
    after = everything(model, optimizer)
    assert [key for key in before if not same(before[key], after[key])] == ["random"]  # dropout; the norm is in eval
    model.train()
    entropy(model, classes_kept).backward()
    optimizer.step()
    after = everything(model, optimizer)
    assert [key for key in before if not same(before[key], after[key])] == [
        "state",
        "grads",
        "modes",
        "optimizer",
        "random",
    ]


def test_a_check_within_no_grad_and_inference_mode() -> None:
    model = small()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert gm.check(model, classes_kept, entropy).healthy is True
            assert not torch.is_grad_enabled()


# ---- refused --------------------------------------------------------------------------------------------------------


def refused(kind: type[Exception], sentence: str, *arguments: Any) -> None:
    for door in (gm.check, gm.assert_healthy):
        with pytest.raises(kind) as caught:
            door(*arguments)
        assert type(caught.value) is kind
        assert str(caught.value) == sentence
    assert gm.check(small(), classes(), entropy).healthy is True  # and a right call still works


def frozen() -> nn.Module:
    return small().requires_grad_(False)


class Locked(nn.Linear):
    def __init__(self) -> None:
        super().__init__(32, 4)
        self.guard = threading.Lock()


@pytest.mark.parametrize(
    ("kind", "sentence", "arguments"),
    [
        (gm.UserError, "check() got a str as model. Pass a torch.nn.Module.", ("net", None, entropy)),
        (
            gm.UserError,
            "check() needs loss(model, batch) -> scalar; what was passed is not callable.",
            (small(), classes(), 0.3),
        ),
        (
            gm.ModelError,
            "ReLU has no parameters, so nothing in it can be trained or measured.",
            (nn.ReLU(), classes(), entropy),
        ),
        (
            gm.ModelError,
            "Linear has parameters on the meta device, without numbers. Move it with to_empty(device=...) and "
            "initialise it first.",
            (nn.Linear(32, 4, device="meta"), classes(), entropy),
        ),
        (
            gm.ModelError,
            "No parameter of Sequential requires grad, so nothing can be trained. Call model.requires_grad_(True) on "
            "the part that should train.",
            (frozen(), classes(), entropy),
        ),
        (
            gm.ModelError,
            "Locked cannot be copied (TypeError: cannot pickle '_thread.lock' object). check() works on a copy; call "
            "it before the first forward pass, or give the class a __deepcopy__.",
            (Locked(), classes(), entropy),
        ),
        (
            gm.UserError,
            "check() got a generator as optimizer. Pass a torch.optim.Optimizer, or none.",
            (small(), classes(), entropy, small().parameters()),
        ),
        (
            gm.UserError,
            "The SGD holds no parameter of this Sequential. Build it with model.parameters() of the same model.",
            (small(), classes(), entropy, torch.optim.SGD(small().parameters(), lr=0.1)),
        ),
        (
            gm.ModelError,
            "loss(model, batch) returned a tensor of shape (128,), not a scalar. Reduce it with .mean() or .sum().",
            (small(), classes(), lambda m, b: F.cross_entropy(m(b[0]), b[1], reduction="none")),
        ),
        (
            gm.ModelError,
            "loss(model, batch) returned a float. Return a scalar tensor.",
            (small(), classes(), lambda m, b: entropy(m, b).item()),
        ),
        (
            gm.ModelError,
            "The loss does not depend on any parameter that requires grad, so no error can go back. Look for "
            ".detach(), .item(), torch.no_grad(), argmax or numpy between the model's output and the loss.",
            (small(), classes(), lambda m, b: F.cross_entropy(m(b[0]).detach(), b[1])),
        ),
    ],
)
def test_what_a_check_refuses(kind: type[Exception], sentence: str, arguments: tuple[Any, ...]) -> None:
    refused(kind, sentence, *arguments)


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "check() got no batch: `batches` is empty. Pass at least one."),
        (iter(()), "check() got no batch: `batches` is empty. Pass at least one."),
        (8, "`batches` is a int, which cannot be iterated. Pass a DataLoader or a list."),
    ],
)
def test_a_setup_without_batches(batches: Any, sentence: str) -> None:
    with pytest.raises(gm.UserError) as caught:
        check_setup(gm.Setup(small(), batches, entropy))
    assert str(caught.value) == sentence


def test_a_loss_that_runs_the_original() -> None:
    """The usual slip: the loss closes over the network instead of taking its argument."""
    model, optimizer = in_use()
    x, y = classes_kept
    penalty = lambda: sum(p.square().sum() for p in model.parameters())  # noqa: E731
    wrong = [
        lambda m, b: F.cross_entropy(model(x), y),
        lambda m, b: F.cross_entropy(m(x), y) + model[0](x).mean(),
        lambda m, b: F.cross_entropy(m(x), y) + penalty(),
    ]
    before = everything(model, optimizer)
    for loss in wrong:
        with pytest.raises(gm.ModelError, match=r"used the original network instead of the `model` that it was given"):
            gm.check(model, classes_kept, loss, optimizer)
        after = everything(model, optimizer)
        assert [key for key in before if not same(before[key], after[key])] == []
    other = small().requires_grad_(False)  # a second network, as in distillation, is the loss's own affair
    assert gm.check(model, classes_kept, lambda m, b: F.mse_loss(m(b[0]), other(b[0])), optimizer).findings == ()


def test_a_loss_that_reaches_no_parameter_of_the_model() -> None:
    apart = torch.ones((), requires_grad=True)
    with pytest.raises(gm.ModelError, match=r"The loss has a gradient, but it reaches no parameter of Seq"):
        gm.check(small(), classes_kept, lambda m, b: apart * 2)


def test_an_error_of_ours_is_raised_and_not_called_health(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    with monkeypatch.context() as patch:
        patch.setattr(steprows, "record_epsilon", broken)
        with pytest.raises(gm.ModelError, match=r"Sequential could not be measured to the end.*ZeroDivisionError: of"):
            gm.check(small(), classes_kept, entropy)
    assert capfd.readouterr().err == ""  # said once, by the exception
    assert gm.check(small(), classes_kept, entropy).healthy is True


def test_no_check_within_a_watch() -> None:
    model = small()
    with gm.watch(model), pytest.raises(gm.UserError, match=r"This process is being watched already"):
        gm.check(model, classes_kept, entropy)


# ---- pytest ---------------------------------------------------------------------------------------------------------


TESTS = """
import sys

def test_nothing_heavy_is_loaded_by_the_plugin():
    assert "gradiometer.session.pytest_plugin" in sys.modules
    assert not {"torch", "numpy", "plotly"} & set(sys.modules)

def loss(model, batch):
    import torch
    return torch.nn.functional.cross_entropy(model(batch), batch[:, :4].argmax(dim=1))

def network(act, depth):
    import torch
    from torch import nn
    torch.manual_seed(0)
    layers = [m for _ in range(depth) for m in (nn.Linear(32, 32), act())]
    return nn.Sequential(*layers, nn.Linear(32, 4)), torch.randn(64, 32)

def test_shallow(assert_healthy):
    from torch import nn
    assert_healthy(*network(nn.Tanh, 2), loss)

def test_deep(assert_healthy):
    from torch import nn
    assert_healthy(*network(nn.Sigmoid, 20), loss)
"""


def test_the_fixture_in_a_test_run_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_networks.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "gradiometer.session.pytest_plugin", "-p", "no:cacheprovider", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout
    assert "AssertionError: vanishing activation-shrinks-error: " in done.stdout
    assert "FAILED test_networks.py::test_deep" in done.stdout
