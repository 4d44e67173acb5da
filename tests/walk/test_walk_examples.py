"""The walk of the models of the example scripts: none of them was written for it."""

from __future__ import annotations

import contextlib
import io
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from walk_claims import check_forks, check_formulas, check_hops, every

from gradiometer.records import Focus, Walk
from gradiometer.reproduction.measure import FirstPass, first_pass
from gradiometer.walk.explain import explain

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Names = Mapping[str, Any]
Loss = Callable[[nn.Module, Any], Tensor]


class Reached(Exception):  # noqa: N818
    """A script has come to its first optimizer step."""


def at_first_step(script: Path) -> tuple[dict[str, Any], Optimizer]:
    """Every name of a script when its first optimizer step would be taken, and that optimizer.

    The script runs as it is, with its own defaults. Gradients of the first batch stand in its parameters.
    """
    reached: list[Optimizer] = []

    def stop(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        reached.append(optimizer)
        raise Reached

    names: dict[str, Any] = {}
    module = ModuleType("__main__")
    module.__file__ = str(script)
    argv, sys.argv = sys.argv, [str(script)]
    handle = register_optimizer_step_pre_hook(stop)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # those of the script and of what it imports
            exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), vars(module))
    except Reached as stopped:
        names.update(vars(module))
        trace = stopped.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(script):
                names.update(trace.tb_frame.f_locals)
            trace = trace.tb_next
    finally:
        handle.remove()
        sys.argv = argv
    assert reached, f"{script.name} takes no optimizer step"
    return names, reached[0]


@dataclass(frozen=True, slots=True)
class Asks:
    """How a script's names make the arguments of explain(). loss: (names, model, batch) -> scalar."""

    model: Callable[[Names], nn.Module]
    batch: Callable[[Names], Any]
    loss: Callable[[Names, nn.Module, Any], Tensor]


def supervised(model: str, inputs: str, targets: str, rows: str = "", criterion: str = "") -> Asks:
    """The usual script: ``criterion(model(x[rows]), y[rows])`` with its own names for them."""

    def batch(n: Names) -> tuple[Tensor, Tensor]:
        return (n[inputs][n[rows]], n[targets][n[rows]]) if rows else (n[inputs], n[targets])

    def loss(n: Names, m: nn.Module, b: tuple[Tensor, Tensor]) -> Tensor:
        value: Tensor = (n[criterion] if criterion else F.cross_entropy)(m(b[0]), b[1])
        return value

    return Asks(lambda n: n[model], batch, loss)


def policy_loss(n: Names, m: nn.Module, b: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Reward and entropy of masked_policy."""
    p = m(b[0], b[1])
    return -(p * b[2]).sum(-1).mean() + n["args"].entropy * (p * p.log()).sum(-1).mean()


def half_precision(n: Names, m: nn.Module, b: tuple[Tensor, Tensor]) -> Tensor:
    """One accumulated batch of gru_counting."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return F.cross_entropy(m(b[0]), b[1]) / n["args"].accumulate


ASKS: dict[str, Asks] = {
    "digits_autoencoder": Asks(
        lambda n: n["model"], lambda n: (n["noisy"], n["clean"]), lambda n, m, b: F.mse_loss(m(b[0])[0], b[1])
    ),
    "digits_batchnorm_mlp": supervised("net", "x", "y", "batch"),
    "digits_cnn": supervised("model", "x", "y", criterion="criterion"),
    "digits_cosine_mlp": supervised("model", "xb", "yb", criterion="loss_fn"),
    "digits_deep_mlp": supervised("model", "x_train", "y_train", "batch", "criterion"),
    "digits_finetune": supervised("model", "x", "y", "batch", "criterion"),
    "digits_skip_mlp": supervised("net", "images", "labels", "idx", "loss_fn"),
    "digits_tanh_adam": supervised("model", "x", "y", "batch"),
    "digits_tanh_mlp": supervised("model", "features", "target", "sel", "ce"),
    "digits_thirty_layers": supervised("model", "x", "y"),
    "digits_two_stage": Asks(
        lambda n: n["classifier"],
        lambda n: (n["z"], n["y_all"][n["pick"]]),
        lambda n, m, b: n["criterion"](m(b[0]), b[1]),
    ),
    "digits_vae": Asks(
        lambda n: n["vae"], lambda n: n["x"], lambda n, m, x: n["negative_elbo"](*n["_forward"](m, x))[0]
    ),
    "digits_xavier_mlp": supervised("net", "x", "y", "k", "lossf"),
    "friedman_regression": supervised("model", "x", "y", "batch", "loss_fn"),
    "gru_counting": Asks(lambda n: n["model"], lambda n: (n["x"], n["y"]), half_precision),
    "lstm_recall": Asks(lambda n: n["reader"], lambda n: n["symbols"], lambda n, m, s: n["loss_fn"](m(s), s[:, 0])),
    "masked_policy": Asks(lambda n: n["policy"], lambda n: (n["context"], n["allowed"], n["rewards"]), policy_loss),
    "moons_classifier": supervised("model", "x", "y", criterion="criterion"),
    "ring_gan": Asks(
        lambda n: n["disc"],
        lambda n: (n["real"], n["fake"].detach()),
        lambda n, m, b: F.softplus(-m(b[0])).mean() + F.softplus(m(b[1])).mean(),
    ),
    "sensor_regression": supervised("model", "x", "y", criterion="loss_fn"),
    "sequence_transformer": Asks(
        lambda n: n["model"],
        lambda n: n["ids"],
        lambda n, m, ids: F.cross_entropy(m(ids).reshape(-1, n["VOCAB"]), ids.flip(1).reshape(-1)),
    ),
    "set_regression": Asks(
        lambda n: n["net"],
        lambda n: (n["items"], n["present"], n["target"]),
        lambda n, m, b: n["criterion"](m(b[0], b[1]), b[2]),
    ),
    "spirals_mlp": Asks(
        lambda n: n["self"].model, lambda n: (n["x"], n["y"]), lambda n, m, b: n["self"].criterion(m(b[0]), b[1])
    ),
    "waves_regression": supervised("model", "x", "y", "i", "loss_fn"),
}

WITHOUT_LAW: dict[str, tuple[str, ...]] = {}
"""Operations that no law is written for, by script."""
NO_INPUT = {
    "lstm_recall": "The walk ends at embed: its input holds no real numbers.",
    "sequence_transformer": "The walk ends at tokens: its input holds no real numbers.",
    "digits_autoencoder": "The walk ends at decoder.net.0: no error reaches its input.",
}
NOTES = {
    **NO_INPUT,
    "gru_counting": "The training calculates in bfloat16 in part, the walk in float64: gains differ by its rounding.",
}
DRAWS = frozenset({"digits_cnn", "digits_vae"})
"""Scripts whose forward pass draws random numbers, so that another pass has another loss."""
OTHER_GRADIENTS = frozenset({"gru_counting", "digits_cosine_mlp", "digits_batchnorm_mlp"})
"""Scripts that add four batches up, that clip, and whose float32 is chaotic: theirs is not the gradient of the loss."""
BORN_DEAD = frozenset({"moons_classifier", "masked_policy"})
"""Scripts whose first error is zero or nan: that is their fault."""
ESTIMATED = 1e-17
"""Size of an error whose squares float32 does not carry: the watch estimates it in its first frame."""
FLOAT32 = {
    "digits_batchnorm_mlp": 0.03,  # fifty batch norms make the rounding of the forward pass grow
    "digits_tanh_mlp": 1e-3,  # weights of std 1 are chaotic
    "gru_counting": 1e-3,  # bfloat16
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A script's first step: what explain makes of it, what the watch does, and what the script itself had."""

    walk: Walk
    watched: FirstPass
    loss: float
    model: nn.Module
    gradients: dict[str, Tensor]


@cache
def seen(name: str) -> Seen:
    names, optimizer = at_first_step(EXAMPLES / f"{name}.py")
    asks = ASKS[name]
    model, batch = asks.model(names), asks.batch(names)
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    def loss(m: nn.Module, b: Any) -> Tensor:
        return asks.loss(names, m, b)

    torch.manual_seed(0)
    walk = explain(model, batch, loss, optimizer)
    torch.manual_seed(0)
    watched = first_pass(model, batch, loss)
    own = names["loss"] if "loss" in names else names["disc_loss"]
    return Seen(walk, watched, float(own.detach()), model, gradients)


every_example = pytest.mark.parametrize("name", sorted(ASKS))


def test_every_example_is_walked() -> None:
    assert sorted(ASKS) == sorted(p.stem for p in EXAMPLES.glob("*.py"))


@every_example
def test_it_is_the_pass_that_the_script_makes(name: str) -> None:
    found = seen(name)
    if name not in DRAWS:
        rough = name in {"gru_counting", "digits_batchnorm_mlp"}
        assert found.walk.loss == pytest.approx(found.loss, rel=1e-3 if rough else 1e-5, nan_ok=True)
    assert found.walk.cls == type(found.model).__name__
    assert found.walk.dtype == "float64"


@every_example
def test_hops_are_whole(name: str) -> None:
    walk = seen(name).walk
    assert len(walk.hops) >= 2
    if name == "masked_policy":
        assert all(math.isnan(x) for x in walk.errors)
        assert all(math.isnan(hop.gain) for hop in walk.hops)
        return
    check_hops(walk)


@every_example
def test_forks_and_formulas_are_whole(name: str) -> None:
    walk = seen(name).walk
    check_formulas(walk)
    check_forks(walk)


@every_example
def test_laws_cover_it(name: str) -> None:
    walk = seen(name).walk
    assert tuple(op for op, _ in walk.without_law) == WITHOUT_LAW.get(name, ())
    assert all(f.by_law == (f.role != "unknown") for hop in walk.hops for f in every(hop.factors) if not f.arms)


@every_example
def test_the_last_station_is_the_input_or_it_is_said_why_not(name: str) -> None:
    walk = seen(name).walk
    assert walk.notes == ((NOTES[name],) if name in NOTES else ())
    assert (walk.stations[-1] == "input") == (name not in NO_INPUT)


@every_example
def test_errors_join_only_where_there_is_another(name: str) -> None:
    found = [hop.lower for hop in seen(name).walk.hops for f in every(hop.factors) if f.law == "join"]
    assert found == (["enc2", "input"] if name == "digits_vae" else [])


@every_example
def test_gains_are_those_of_the_watch(name: str) -> None:
    found = seen(name)
    watched = found.watched.profile
    hops = [h for h in found.walk.hops if h.lower != "input"]
    if name == "masked_policy":
        assert watched.stations == ()  # nothing of a nan pass is a profile
        return
    assert tuple(h.lower for h in hops) == watched.stations[1:]
    for hop, gain in zip(hops, watched.gain, strict=True):
        if hop.error_out < ESTIMATED:
            continue
        assert hop.gain_autograd == pytest.approx(gain, rel=1e-5, nan_ok=True)
        assert hop.gain == pytest.approx(gain, rel=FLOAT32.get(name, 1e-5), nan_ok=True)


def own_gradient(found: Seen, focus: Focus) -> float:
    return float(found.gradients[focus.parameter][focus.index])


@every_example
def test_the_focused_gradient_is_the_scripts_own(name: str) -> None:
    found = seen(name)
    focus = found.walk.focus
    if name in BORN_DEAD:
        assert focus is None
        return
    assert focus is not None
    assert focus.why
    assert focus.count > 1 or name == "sensor_regression"  # its next layer is one unit
    if name not in DRAWS | OTHER_GRADIENTS:
        assert focus.gradient == pytest.approx(own_gradient(found, focus), rel=2e-3)
    update = focus.update
    assert update is not None
    assert found.walk.optimizer == update.optimizer
    if name == "spirals_mlp":  # its optimizer holds the parameters of another copy
        assert update.change == 0
        assert "not in this Adam" in update.note
    else:
        assert update.change != 0
