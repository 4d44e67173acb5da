"""Hidden activations exchanged in live networks, as modules and as functions: gain, forms, refusals."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_gain import BAND, DEPTH, WIDTH, Functional, batch_for, check_surgery, lab, mean_gain
from surgery_state import whole
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer import theory
from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import apply

CURES = ["tanh", "relu", "leaky", "prelu", "elu", "selu", "gelu", "centred-sigmoid", "tailored"]


@pytest.mark.parametrize("cure", CURES)
def test_an_exchange_with_its_variance_brings_the_gain_to_one(cure: str) -> None:
    for make in (lambda seed: lab("plain", "sigmoid", seed), lambda seed: Functional("sigmoid")):
        before, after = mean_gain(make, cure)
        assert before < 0.15
        assert BAND[0] < after < BAND[1]
    check_surgery(lab("plain", "sigmoid"), cure)
    check_surgery(lab("cnn", "silu"), cure)
    check_surgery(Functional("sigmoid"), cure)


@pytest.mark.parametrize("cure", ["tanh", "gelu", "prelu"])
def test_also_between_convolutions(cure: str) -> None:
    before, after = mean_gain(lambda seed: lab("cnn", "sigmoid", seed), cure)
    assert before < 0.15
    assert BAND[0] < after < BAND[1]


@pytest.mark.parametrize(("cure", "slope"), [("relu-bare", 0.0), ("leaky-bare", 0.2), ("prelu-bare", 0.25)])
def test_a_bare_exchange_cures_nothing_and_leaves_the_weights(cure: str, slope: float) -> None:
    before, after = mean_gain(lambda seed: lab("plain", "sigmoid", seed), cure)
    assert before < 0.15
    # √(σw² (1 + a²)/2), σw² = 1/3 as torch draws it
    assert after == pytest.approx(math.sqrt((1 + slope**2) / 6), rel=0.06)
    for model in (lab("plain", "sigmoid"), lab("cnn", "tanh"), Functional("sigmoid")):
        kept = {n: p.detach().clone() for n, p in model.named_parameters()}
        apply(model, Prescription(cure), batch=batch_for(model))
        fresh = dict(model.named_parameters())
        assert all(torch.equal(fresh[n], p) for n, p in kept.items())
        assert all(torch.all(p == slope) for n, p in fresh.items() if n not in kept)  # learned slopes
    model = lab("plain", "sigmoid")
    check_surgery(model, cure)


@pytest.mark.parametrize("make", [lambda: lab("plain", "sigmoid"), lambda: Functional("sigmoid")])
def test_the_function_is_what_it_would_be_if_it_had_been_written_so(make: Any) -> None:
    model = make()
    x = batch_for(model)
    layers = [block if isinstance(block, nn.Linear) else block.linear for block in model.blocks]
    apply(model, Prescription("leaky", {"slope": 0.3, "weights": "keep"}), batch=x)
    wanted = x
    for layer in layers:
        wanted = F.leaky_relu(F.linear(wanted, layer.weight, layer.bias), 0.3)
    wanted = F.linear(wanted, model.head.weight, model.head.bias)
    assert torch.equal(model(x), wanted)
    model(x).sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    wanted.sum().backward()
    assert all(torch.allclose(g, p.grad, rtol=1e-5, atol=1e-9) for g, p in zip(grads, model.parameters(), strict=True))


def test_the_tailored_slope_takes_orthogonal_inputs_to_the_wanted_cosine() -> None:
    cosines = []
    for seed in range(8):
        torch.manual_seed(seed)
        layers = [nn.Linear(512, 512) for _ in range(DEPTH)]
        model = nn.Sequential(*(m for layer in layers for m in (layer, nn.Sigmoid())), nn.Linear(512, 2))
        x = torch.eye(512)[:2] * math.sqrt(512)
        apply(model, Prescription("tailored", {"correlation": 0.8, "seed": seed}), batch=x)
        a, b = model[:-1](x)
        cosines.append(float(F.cosine_similarity(a.detach(), b.detach(), dim=0)))
    assert sum(cosines) / len(cosines) == pytest.approx(0.8, abs=0.04)
    assert model[1].negative_slope == pytest.approx(theory.tailored_slope(DEPTH, 0.8))


class Mixed(nn.Module):
    """A gate, a shared activation module, an output activation, a function on a parameter, a custom activation."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.gate, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.act = nn.ReLU()
        self.same = self.act
        self.beta = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        scale = F.softplus(self.beta)
        x = self.act(self.a(x)) * scale
        x = self.same(self.b(x))
        g = torch.sigmoid(self.gate(x))
        x = x + g * torch.tanh(self.c(x))
        return torch.sigmoid(self.out(x))


def test_gates_and_outputs_stay_and_a_shared_module_is_exchanged_everywhere() -> None:
    torch.manual_seed(0)
    model = Mixed()
    x = batch_for(model)
    gate = model.gate.weight.detach().clone()
    receipt = apply(model, Prescription("gelu"), batch=x)
    assert model.act is model.same
    assert isinstance(model.act, nn.GELU)
    told = {c.site: (c.what, c.after) for c in receipt.changes}
    assert told["act"] == ("activation", "gelu")
    assert told[":sigmoid#0"] == ("kept", "gates another signal")
    assert told[":sigmoid#1"] == ("kept", "no layer of weights reads it")
    assert torch.equal(model.gate.weight, gate)
    assert [n for n, _ in model.named_modules() if "gm_" in n] == ["gm_act_2"]  # what the gate lets through
    check_surgery(Mixed(), "prelu", x)


def test_targets_confine_an_exchange() -> None:
    model = lab("plain", "sigmoid")
    x = batch_for(model)
    far = model.blocks[9].linear.weight.detach().clone()
    receipt = apply(model, Prescription("relu", targets=("blocks.2", "blocks.3.act")), batch=x)
    assert [b for b in range(DEPTH) if isinstance(model.blocks[b].act, nn.ReLU)] == [2, 3]
    assert torch.equal(model.blocks[9].linear.weight, far)
    assert {c.site for c in receipt.changes if c.what == "std"} == {f"blocks.{b}.linear.weight" for b in (2, 3, 4)}


@pytest.mark.parametrize("cure", ["relu", "prelu"])
def test_a_cured_network_is_copied_pickled_and_takes_old_checkpoints(cure: str) -> None:
    model = Functional("sigmoid")
    old = copy.deepcopy(model.state_dict())
    x = batch_for(model)
    receipt = apply(model, Prescription(cure), batch=x)
    now = model(x)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x), now)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), now)
    twin.load_state_dict(old)
    with torch.no_grad():
        twin.blocks[0].weight.zero_()
    assert torch.equal(model(x), now)
    receipt.undo()
    assert list(model.state_dict()) == list(old)
    model.load_state_dict(old)
    assert not model._load_state_dict_pre_hooks


def test_an_exception_inside_the_network_leaves_nothing_behind() -> None:
    model = Functional("sigmoid")
    x = batch_for(model)
    apply(model, Prescription("relu"), batch=x)
    with pytest.raises(RuntimeError, match="shapes"):
        model(x[:, :3])
    assert torch._C._len_torch_function_stack() == 0
    assert model(x).shape == (len(x), 10)


class Overwritten(nn.Module):
    """Uses the tensor that it has changed in place, not what the function gave back."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        self.act(z)
        return self.head(z)


@pytest.mark.parametrize(
    "act", [torch.sigmoid_, lambda z: F.elu(z, 1.0, True), lambda z: F.relu(z, inplace=True), lambda z: z.relu_()]
)
def test_what_was_changed_in_place_is_what_the_exchange_gives(act: Any) -> None:
    model = Overwritten(act)
    x = batch_for(model)
    apply(model, Prescription("tanh", {"weights": "keep"}), batch=x)
    z = torch.tanh(F.linear(x, model.layer.weight, model.layer.bias))
    wanted = F.linear(z, model.head.weight, model.head.bias)
    assert torch.equal(model(x), wanted)
    (got,) = torch.autograd.grad(model(x).sum(), model.layer.weight)
    assert torch.allclose(got, torch.autograd.grad(wanted.sum(), model.layer.weight)[0], rtol=1e-5)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.inner, self.act, self.head = nn.Linear(WIDTH, WIDTH), nn.Sigmoid(), nn.Linear(WIDTH, 3)
        self.reentrant, self.functional = reentrant, True

    def part(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.inner(x)) if self.functional else self.act(self.inner(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.part, x + 0 * self.inner.bias, use_reentrant=self.reentrant))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
@pytest.mark.parametrize("reentrant", [True, False])
def test_functions_under_a_checkpoint_are_refused_and_modules_are_not(reentrant: bool) -> None:
    model = Checkpointed(reentrant)
    x = batch_for(model)
    before = whole(model)
    with pytest.raises(ModelError, match=r"checkpoint.*Write the activations as modules"):
        apply(model, Prescription("relu"), batch=x)
    assert whole(model) == before
    model.functional = False
    check_surgery(model, "relu", x)


def test_a_checkpoint_that_comes_later_fails_loudly() -> None:
    model = Checkpointed(False)
    x = batch_for(model)
    forward = type(model).forward
    try:
        type(model).forward = lambda self, x: self.head(self.part(x))
        apply(model, Prescription("relu"), batch=x)
    finally:
        type(model).forward = forward
    with pytest.raises(RuntimeError, match="computes this part again"):
        model(x).sum().backward()


def test_what_cannot_be_exchanged_is_refused_with_the_reason() -> None:
    relus = lab("plain", "relu")
    x = batch_for(relus)
    with pytest.raises(ModelError, match="every hidden activation is relu already"):
        apply(relus, Prescription("relu"), batch=x)
    highway = lab("highway", "sigmoid")
    with pytest.raises(ModelError, match=r"blocks.0.branch.act stays \(gates another signal\)"):
        apply(highway, Prescription("relu"), batch=x)
    linear = nn.Sequential(nn.Linear(WIDTH, 4), nn.Linear(4, 4), nn.Sigmoid())
    with pytest.raises(
        ModelError, match=r"no activation stands between its layers as their signal: 2 stays \(no layer of weights"
    ):
        apply(linear, Prescription("relu"), batch=x)
    with pytest.raises(UserError, match=r"weights='new'.*critical or keep"):
        apply(relus, Prescription("gelu", {"weights": "new"}), batch=x)


class Repeated(nn.Module):
    """One block, called twice: relu in the first call, tanh in the second."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.head = Block(), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.block(x, torch.relu), torch.tanh))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, act: Any) -> Tensor:
        return act(self.layer(x))


def test_an_activation_that_depends_on_the_call_is_refused() -> None:
    model = Repeated()
    with pytest.raises(ModelError, match=r"block:relu#0 is relu in one call and tanh in another"):
        apply(model, Prescription("gelu"), batch=batch_for(model))
