"""Outputs, losses and data: against the same network written as it should be, bit for bit or to rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import inputs, lab
from surgery_outputs import Ended, assert_undone, data, gradients, loss_of, nothing, patched, softmax
from surgery_state import whole
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

BASES = [("plain", "relu"), ("residual", "tanh"), ("cnn", "sigmoid")]


def squeezed(x: Tensor) -> Tensor:
    return torch.sigmoid(x[:, :1]).squeeze(1)


@pytest.mark.parametrize(("network", "activation"), BASES)
@pytest.mark.parametrize("end", [softmax, nn.Softmax(dim=-1)], ids=["function", "module"])
def test_softmax_before_cross_entropy(network: str, activation: str, end: Any) -> None:
    model, plain = Ended(network, activation, end), Ended(network, activation, end).inner
    x, y = data(plain)
    untreated = gradients(model, F.cross_entropy(model(x), y))
    cure, loss = Prescription("logit-loss"), loss_of(nn.CrossEntropyLoss())
    receipt = apply(model, cure, None, (x, y), loss)
    right = F.cross_entropy(plain(x), y)
    value = loss(model, (x, y))
    assert torch.equal(value, right)
    mine, theirs = gradients(model, value), gradients(plain, right)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert sum(float(g.norm()) for g in mine) > 2 * sum(float(g.norm()) for g in untreated)
    out = model(x)
    assert torch.equal(out.sum(1).detach(), F.softmax(plain(x), 1).sum(1).detach())  # probabilities for the rest
    assert type(out.sum(1)) is Tensor
    assert torch.equal(F.nll_loss(out, y), F.nll_loss(F.log_softmax(plain(x), 1), y))
    by_hand = -(F.one_hot(y, 10) * torch.log(model(x))).sum(1).mean()
    assert torch.allclose(by_hand, right)
    with torch.no_grad():
        assert torch.equal(loss(patched(receipt, Ended(network, activation, end)), (x, y)), right)
    assert_undone(lambda: Ended(network, activation, end), cure, (x, y), None)


@pytest.mark.parametrize(("network", "activation"), BASES)
@pytest.mark.parametrize("criterion", [nn.BCELoss(), nn.BCEWithLogitsLoss(reduction="sum")])
def test_sigmoid_before_binary_cross_entropy(network: str, activation: str, criterion: nn.Module) -> None:
    model, plain = Ended(network, activation, nn.Sigmoid()), Ended(network, activation, nn.Identity()).inner
    x, y = data(plain, "binary")
    apply(model, Prescription("logit-loss"), None, (x, y), loss_of(criterion))
    right = F.binary_cross_entropy_with_logits(plain(x), y, reduction=criterion.reduction)
    value = criterion(model(x), y)
    assert torch.equal(value, right)
    pairs = zip(gradients(model, value), gradients(plain, right), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_shapes_between_the_sigmoid_and_the_loss() -> None:
    model = Ended("plain", "relu", squeezed)
    x, y = data(model.inner, "binary")
    apply(model, Prescription("logit-loss"), batch=x)
    logits = model.inner(x)[:, 0]
    assert torch.equal(F.binary_cross_entropy(model(x), y[:, 0]), F.binary_cross_entropy_with_logits(logits, y[:, 0]))
    view = model(x).view(-1, 1).float()
    right = F.binary_cross_entropy_with_logits(logits.view(-1, 1).float(), y[:, :1].float())
    assert torch.equal(F.binary_cross_entropy(view, y[:, :1].float()), right)


def test_a_changed_probability_is_taken_as_it_is() -> None:
    model = Ended("plain", "relu", softmax)
    x, y = data(model.inner)
    apply(model, Prescription("logit-loss"), batch=x)
    probabilities = F.softmax(model.inner(x), 1)
    halved = model(x)
    with torch.no_grad():
        halved.mul_(0.5)
    assert torch.equal(F.cross_entropy(halved, y), F.cross_entropy(probabilities * 0.5, y))
    assert torch.equal(F.cross_entropy(model(x) + 0.1, y), F.cross_entropy(probabilities + 0.1, y))
    assert torch.equal(model(x).T.contiguous(), probabilities.T)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_cross_entropy_gets_logits_whatever_the_softmax_runs_over(axis: int) -> None:
    model = Ended("plain", "relu", lambda x: F.softmax(x, axis))
    x, y = data(model.inner)
    apply(model, Prescription("logit-loss"), batch=x)
    right = F.cross_entropy(model.inner(x), y)
    assert torch.equal(F.cross_entropy(model(x), y), right) and torch.equal(F.nll_loss(model(x), y), right)
    assert torch.equal(torch.log(model(x)), F.log_softmax(model.inner(x), axis))


def normalised(p: Tensor, y: Tensor) -> Tensor:
    """A categorical cross-entropy as it is written by hand."""
    p = (p / p.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return F.nll_loss(p.log(), y)


def picked(p: Tensor, y: Tensor) -> Tensor:
    p = torch.clamp(p / p.sum(dim=-1, keepdim=True), 1e-7, 1 - 1e-7)
    return -torch.log(p.gather(1, y[:, None])).mean()


def binary(p: Tensor, y: Tensor) -> Tensor:
    p = p.clamp(1e-6, 1 - 1e-6)
    return -(y * p.log() + (1 - y) * (1 - p + 1e-9).log()).mean()


@pytest.mark.parametrize(
    ("end", "kind", "written"),
    [
        (softmax, "class", lambda p, y: F.nll_loss((p + 1e-8).log(), y)),
        (softmax, "class", normalised),
        (softmax, "class", picked),
        (softmax, "class", lambda p, y: -p[torch.arange(len(y)), y].log().mean()),
        (torch.sigmoid, "class", normalised),
        (torch.sigmoid, "class", picked),
        (torch.relu, "class", normalised),
        (torch.sigmoid, "class", nn.CrossEntropyLoss()),
        (torch.tanh, "class", nn.CrossEntropyLoss()),
        (torch.sigmoid, "binary", binary),
        (nothing, "class", lambda out, y: F.cross_entropy(torch.softmax(out, dim=1), y)),
        (nothing, "class", lambda out, y: normalised(nn.Sigmoid()(out), y)),
        (nothing, "binary", lambda out, y: F.binary_cross_entropy(out.view(-1).sigmoid(), y.view(-1))),
        (nothing, "binary", lambda out, y: binary(F.sigmoid(out), y)),
    ],
)
def test_losses_written_by_hand_get_logits(end: Any, kind: str, written: Any) -> None:
    """Whatever was squashed, divided by its sum, kept from 0 and picked: it is one cross-entropy of the logits."""
    model, plain = Ended("plain", "relu", end), Ended("plain", "relu", end).inner
    with torch.no_grad():
        for bias in (model.inner.head.bias, plain.head.bias):
            bias.add_(0.3)
    x, y = data(plain, kind)
    receipt = apply(model, Prescription("logit-loss"), None, (x, y), loss_of(written))
    right = F.cross_entropy(plain(x), y) if kind == "class" else F.binary_cross_entropy_with_logits(plain(x), y)
    value = written(model(x), y)
    assert torch.allclose(value, right, rtol=1e-12) and type(value) is Tensor
    pairs = zip(gradients(model, value), gradients(plain, right), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-15) for a, b in pairs)
    other = patched(receipt, Ended("plain", "relu", end))
    with torch.no_grad():
        other.inner.head.bias.add_(0.3)
        assert torch.equal(written(other(x), y), written(model(x), y))
    if kind == "class":
        assert torch.equal(model(x).argmax(1), end(plain(x)).argmax(1))


def hand_written(p: Tensor, y: Tensor) -> Tensor:
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


@pytest.mark.parametrize(
    ("kind", "written", "name", "end"),
    [
        ("class", nn.NLLLoss(), "log_softmax", lambda z: F.log_softmax(z, 1)),
        ("binary", hand_written, "sigmoid", torch.sigmoid),
        ("class", lambda p, y: F.nll_loss(p.log(), y), "softmax", softmax),
    ],
)
def test_a_raw_output_before_a_loss_of_probabilities(kind: str, written: Any, name: str, end: Any) -> None:
    model, plain = Ended("plain", "relu", nothing), Ended("plain", "relu", nothing).inner
    x, y = data(plain, kind)
    cure = Prescription("fitting-output", {"function": name} if name == "softmax" else {})
    receipt = apply(model, cure, None, (x, y), None if name == "softmax" else loss_of(written))
    right = written(end(plain(x)), y)
    pairs = zip(gradients(model, written(model(x), y)), gradients(plain, right), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(model.eval()(x), end(plain(x)))
    assert torch.equal(patched(receipt, Ended("plain", "relu", nothing))(x), end(plain(x)))
    assert_undone(lambda: Ended("plain", "relu", nothing), Prescription("fitting-output", {"function": name}), (x, y))


def test_an_output_that_fits_is_left() -> None:
    x, y = data(lab("plain", depth=3, width=8))
    cure, given = Prescription("fitting-output"), Prescription("fitting-output", {"function": "sigmoid"})
    with pytest.raises(ModelError, match="comes from log_softmax already"):
        apply(Ended("plain", "relu", nn.LogSoftmax(1)), cure, None, (x, y), loss_of(nn.NLLLoss()))
    with pytest.raises(ModelError, match="comes from sigmoid already"):
        apply(Ended("plain", "relu", nn.Sigmoid()), given, batch=x)
    with pytest.raises(ModelError, match="its loss is cross_entropy"):
        apply(Ended("plain", "relu", nothing), cure, None, (x, y), loss_of(F.cross_entropy))
    with pytest.raises(ModelError, match="Pass loss= or function="):
        apply(Ended("plain", "relu", nothing), cure, batch=x)
    with pytest.raises(ModelError, match="a softmax of one is constant"):
        apply(nn.Linear(8, 1).double(), Prescription("fitting-output", {"function": "softmax"}), batch=x[:, :8])


def test_the_scripts_own_function_on_the_output_is_left_out() -> None:
    model, plain = Ended("plain", "relu", nothing), Ended("plain", "relu", nothing).inner
    x, y = data(plain, "real")
    with pytest.raises(ModelError, match="outside=true"):
        apply(model, Prescription("linear-output"), batch=x)
    squashed = loss_of(lambda out, y: F.mse_loss(torch.tanh(out).float(), y.float()))
    for given in (
        (Prescription("linear-output"), (x, y), squashed),
        (Prescription("linear-output", {"outside": True}), x, None),
    ):
        receipt = apply(model, given[0], None, *given[1:])
        assert torch.equal(squashed(model, (x, y)), F.mse_loss(plain(x).float(), y.float()))
        assert torch.equal(F.relu(model(x)[:, :2]), plain(x)[:, :2])
        assert torch.equal(model(x) * 2, plain(x) * 2) and type(model(x) * 2) is Tensor
        receipt.undo()


@pytest.mark.parametrize(("network", "activation"), BASES)
@pytest.mark.parametrize("end", [torch.sigmoid, nn.Tanh()], ids=["function", "module"])
def test_a_raw_output_reaches_every_target(network: str, activation: str, end: Any) -> None:
    model, plain = Ended(network, activation, end), Ended(network, activation, end).inner
    x, y = data(plain, "real")
    cure, loss = Prescription("linear-output"), loss_of(F.mse_loss)
    receipt = apply(model, cure, None, (x, y), loss)
    assert torch.equal(model(x), plain(x))
    pairs = zip(gradients(model, loss(model, (x, y))), gradients(plain, F.mse_loss(plain(x), y)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    model.eval()
    plain.eval()
    assert torch.equal(model(x), plain(x))
    assert torch.equal(patched(receipt, Ended(network, activation, end).eval())(x), plain(x))
    assert_undone(lambda: Ended(network, activation, end), cure, (x, y), loss)


@pytest.mark.parametrize(("network", "activation"), BASES)
def test_the_error_of_a_sum_becomes_that_of_a_mean(network: str, activation: str) -> None:
    def make() -> nn.Module:
        return lab(network, activation=activation, depth=3, width=8)

    model, plain = make(), make()
    x, y = data(plain)
    summed, cure = nn.CrossEntropyLoss(reduction="sum"), Prescription("mean-reduction")
    receipt = apply(model, cure, None, (x, y), loss_of(summed))
    value = summed(model(x), y)
    assert torch.equal(value, summed(plain(x), y))  # as it is printed
    right = gradients(plain, F.cross_entropy(plain(x), y))
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(gradients(model, value), right, strict=True))
    few = gradients(model, summed(model(x[:7]), y[:7]))  # the number of each batch
    right = gradients(plain, F.cross_entropy(plain(x[:7]), y[:7]))
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(few, right, strict=True))
    other = patched(receipt, make())
    assert all(torch.equal(a, b) for a, b in zip(gradients(other, summed(other(x[:7]), y[:7])), few, strict=True))
    assert_undone(make, cure, (x, y), loss_of(summed))


class Both(NamedTuple):
    """Two outputs by name."""

    one: Tensor
    two: Tensor


class Several(nn.Module):
    """Two linear outputs, put out together."""

    def __init__(self, form: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.form = nn.Linear(5, 3), nn.Linear(5, 3), form

    def forward(self, x: Tensor) -> Any:
        return self.form(self.one(x), self.two(x))


@pytest.mark.parametrize("form", [Both, lambda a, b: {"one": a, "two": b}, lambda a, b: (a, b), lambda a, b: [a, b]])
def test_every_output_of_several_gets_the_error_of_a_mean(form: Any) -> None:
    model, plain, x = Several(form), Several(form), torch.randn(8, 5)
    apply(model, Prescription("mean-reduction"), batch=x)
    out = model(x)
    assert type(out) is type(plain(x))
    values = [list(o.values()) if isinstance(o, dict) else list(o) for o in (out, plain(x))]
    mine = gradients(model, values[0][0].square().sum() + values[0][1].exp().sum())
    right = gradients(plain, (values[1][0].square().sum() + values[1][1].exp().sum()) / 8)
    assert all(torch.allclose(a, b) for a, b in zip(mine, right, strict=True))


@pytest.mark.parametrize(("network", "activation"), BASES)
def test_inputs_are_standardised_with_the_numbers_of_the_batch(network: str, activation: str) -> None:
    def make() -> nn.Module:
        return lab(network, activation=activation, depth=3, width=8)

    model, plain = make(), make()
    x, y = data(plain)
    shape = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
    x = x * torch.linspace(1, 5, x.shape[1], dtype=x.dtype).view(shape) + 100.0
    cure = Prescription("standardise-inputs")
    receipt = apply(model, cure, batch=(x, y))
    seen: list[Tensor] = []
    model.stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    axes = (0, 2, 3) if x.dim() == 4 else (0,)
    std, mean = torch.std_mean(x, axes, correction=0, keepdim=True)
    model(x)
    assert torch.allclose(seen[0].mean(axes), torch.zeros(1, dtype=x.dtype), atol=1e-12)
    assert torch.allclose(seen[0].std(axes, correction=0), torch.ones(1, dtype=x.dtype), rtol=1e-12)
    assert torch.allclose(model(x[:5]), plain((x[:5] - mean) / std), rtol=1e-9)  # frozen, whatever comes later
    other = patched(receipt, make())
    assert torch.equal(other(x), model(x))
    other.load_state_dict(make().state_dict())  # from before: the numbers stay
    assert torch.equal(other(x), model(x))
    assert_undone(make, cure, (x, y))


def test_columns_that_hardly_vary_are_not_blown_up() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = torch.randn(50, 3) * torch.tensor([1.0, 1e-6, 0.0]) + 2.0
    receipt = apply(model, Prescription("standardise-inputs"), batch=x)
    assert "2 nearly constant ones" in receipt.changes[0].after
    seen: list[Tensor] = []
    model[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model(x + torch.tensor([0.0, 1.0, 1.0]))  # they vary after all
    assert float(seen[0].abs().max()) < 5


@pytest.mark.parametrize(("network", "activation"), BASES)
def test_targets_are_standardised_behind_the_loss(network: str, activation: str) -> None:
    def make() -> nn.Module:
        return lab(network, activation=activation, depth=3, width=8)

    model, plain = make(), make()
    x, y = data(plain, "real")
    std, mean = torch.std_mean(y, correction=0)
    cure = Prescription("standardise-targets")
    receipt = apply(model, cure, None, (x, y), loss_of(F.mse_loss))
    mine = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    theirs = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9)
    for _ in range(30):
        mine.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        mine.step()
        theirs.zero_grad()
        true = F.mse_loss(plain(x), (y - mean) / std)
        true.backward()
        theirs.step()
        assert float(loss.detach()) == pytest.approx(float(true.detach() * std**2), rel=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    other = patched(receipt, make())
    assert torch.allclose(other(x), make()(x) * std + mean)
    assert_undone(make, cure, (x, y), loss_of(F.mse_loss))
    given = Prescription("standardise-targets", {"mean": 3.0, "std": 2.0})
    other = make()
    apply(other, given, batch=x)
    assert torch.equal(other(x), make()(x) * 2.0 + 3.0)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_changes_nothing(reentrant: bool) -> None:
    for cure, end in (("linear-output", torch.sigmoid), ("logit-loss", softmax), ("mean-reduction", softmax)):
        grads = []
        for saved in (False, True):
            model = Ended("plain", "relu", end)
            x, y = data(model.inner)
            x.requires_grad_()
            apply(model, Prescription(cure), batch=x.detach())
            if saved:
                inside = model.inner.forward
                model.inner.forward = lambda x, f=inside: checkpoint(f, x, use_reentrant=reentrant)
            grads.append(gradients(model, F.cross_entropy(model(x), y)))
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_an_exception_inside_the_network_leaves_no_mode_behind() -> None:
    model = Ended("plain", "relu", softmax)
    x, y = data(model.inner)
    apply(model, Prescription("logit-loss"), batch=x)
    before = torch.overrides._get_current_function_mode_stack()
    with pytest.raises(RuntimeError):
        model(x[:, :3])
    assert torch.overrides._get_current_function_mode_stack() == before
    assert torch.equal(F.cross_entropy(model(x), y), F.cross_entropy(model.inner(x), y))


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # both are torch's own, while it traces
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize(
    "cure", ["linear-output", "logit-loss", "mean-reduction", "standardise-inputs", "standardise-targets"]
)
def test_a_network_compiled_after_the_cure_gives_the_same(cure: str) -> None:
    model = Ended("plain", "relu", torch.sigmoid).float()
    x = inputs(model.inner)
    apply(model, Prescription(cure, {"std": 2.0} if cure == "standardise-targets" else {}), batch=x)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(model), backend="eager")
    a, b = compiled(x), model(x)
    assert torch.allclose(a, b, atol=1e-6)
    a.square().sum().backward()


def test_what_is_refused() -> None:
    base = lab("plain", depth=3, width=8)
    x, y = data(base)
    with pytest.raises(ModelError, match="comes from no sigmoid, softmax"):
        apply(base, Prescription("linear-output"), batch=x)
    with pytest.raises(ModelError, match="does not take the output of the tanh"):
        squared = loss_of(lambda out, y: out.square().mean())
        apply(Ended("plain", "relu", torch.tanh), Prescription("logit-loss"), None, (x, y), squared)
    with pytest.raises(ModelError, match="neither it nor its loss puts a sigmoid"):
        one = loss_of(lambda out, y: F.mse_loss(out[:, 0], y.double()))
        apply(base, Prescription("linear-output"), None, (x, y), one)
    clamped = loss_of(lambda p, y: F.nll_loss(torch.log(p.clamp(min=0.1)), y))
    model = Ended("plain", "relu", softmax)
    before = whole(model)
    with pytest.raises(ModelError, match="something stands between"):
        apply(model, Prescription("logit-loss"), None, (x, y), clamped)
    assert whole(model) == before
    _, real = data(base, "binary")
    with pytest.raises(ModelError, match=r"\(bce\) is one of probabilities"):
        binary = loss_of(nn.BCELoss())
        apply(Ended("plain", "relu", torch.sigmoid), Prescription("linear-output"), None, (x, real), binary)
    with pytest.raises(ModelError, match="is a mean over the examples already"):
        apply(base, Prescription("mean-reduction"), None, (x, y), loss_of(F.cross_entropy))
    with pytest.raises(ModelError, match="its loss is cross_entropy"):
        apply(base, Prescription("standardise-targets"), None, (x, y), loss_of(F.cross_entropy))
    with pytest.raises(ModelError, match="Pass loss=, or mean= and std="):
        apply(base, Prescription("standardise-targets"), batch=x)
    with pytest.raises(ModelError, match="does not vary"):
        apply(base, Prescription("standardise-inputs"), batch=torch.ones_like(x))
    words = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"reads a torch\.int64"):
        apply(words, Prescription("standardise-inputs"), batch=torch.randint(0, 5, (3, 2)))


@pytest.mark.parametrize("order", [("mean-reduction", "logit-loss"), ("logit-loss", "mean-reduction")])
def test_two_cures_of_one_output_do_both(order: tuple[str, str]) -> None:
    model = Ended("plain", "relu", softmax)
    plain = Ended("plain", "relu", softmax).inner
    x, y = data(plain)
    for cure in order:
        apply(model, Prescription(cure), batch=x)
    summed = nn.CrossEntropyLoss(reduction="sum")
    pairs = zip(gradients(model, summed(model(x), y)), gradients(plain, F.cross_entropy(plain(x), y)), strict=True)
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in pairs)


@pytest.mark.parametrize("order", [("linear-output", "standardise-targets"), ("standardise-targets", "linear-output")])
def test_a_raw_output_is_scaled_in_either_order(order: tuple[str, str]) -> None:
    model = Ended("plain", "relu", torch.sigmoid)
    x, _ = data(model.inner)
    for cure in order:
        apply(model, Prescription(cure, {"mean": 3.0, "std": 2.0} if "targets" in cure else {}), batch=x)
    assert torch.equal(model(x), model.inner(x) * 2.0 + 3.0)
