"""The moment of a cure in a training that runs as it was written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.records import Prescription
from gradiometer.surgery.moment import FirstCall

CRITICAL = Prescription("critical")


@contextmanager
def waiting(*cures: Prescription) -> Iterator[FirstCall]:
    call, made = nn.Module.__call__, Optimizer.__init__
    moment = FirstCall(cures)
    moment.arm()
    try:
        yield moment
    finally:
        moment.disarm()
        assert nn.Module.__call__ is call
        assert Optimizer.__init__ is made


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(8, 2))


X = torch.linspace(-1, 1, 24).view(6, 4)


def test_not_before_an_optimizer_holds_the_network() -> None:
    with waiting(CRITICAL) as moment:
        model = network()
        model(X)
        assert not moment.receipts
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with torch.no_grad():
            model(X)
        assert not moment.receipts
        first = model[0].weight.detach().clone()
        model(X)
        assert [r.prescription.cure for r in moment.receipts] == ["critical"]
        assert moment.model == "Sequential"
        assert not torch.equal(model[0].weight, first)
        assert "test_surgery_moment.py, line " in moment.receipts[0].as_patch()
        second = model[0].weight.detach().clone()
        model(X)
        assert torch.equal(model[0].weight, second)
        assert len(moment.receipts) == 1
    moment.receipts[0].undo()
    assert torch.equal(model[0].weight, first)
    assert optimizer.param_groups[0]["params"][0] is model[0].weight


def test_the_first_call_itself_is_cured_and_random_numbers_are_the_scripts_own() -> None:
    torch.manual_seed(1)
    model = network()
    torch.optim.SGD(model.parameters(), lr=0.1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    held = torch.optim.SGD(model.parameters(), lr=0.1)
    with waiting(Prescription("tanh"), Prescription("orthogonal")) as moment:
        out = model(X)
    torch.set_rng_state(states[0])
    assert torch.equal(model(X), out)
    assert isinstance(model[1], nn.Tanh)
    assert len(moment.receipts) == 2
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
    assert held.param_groups[0]["params"][0] is model[0].weight


class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, *, x: Tensor, scale: float) -> Tensor:
        return self.b(torch.relu(self.a(x * scale)))


def test_named_arguments_and_functions_at_the_first_call() -> None:
    model = ByName()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with waiting(Prescription("prelu")) as moment:
        model(x=X, scale=2.0).sum().backward()
    assert not moment.problem
    assert model.gm_act_0.weight.grad is not None
    assert any(p is model.gm_act_0.weight for p in optimizer.param_groups[0]["params"])


def test_a_lazy_network_is_cured_when_it_has_its_shapes() -> None:
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2))
    held = torch.optim.SGD(model.parameters(), lr=0.1)
    with waiting(CRITICAL) as moment:
        model(X)
        assert not moment.receipts
        model(X)
        assert len(moment.receipts) == 1
    assert held.param_groups


def test_a_cure_that_cannot_be_done_leaves_all_as_it_was() -> None:
    model = network()
    held = torch.optim.SGD(model.parameters(), lr=0.1)
    before = [p.detach().clone() for p in model.parameters()]
    told: list[str] = []
    with waiting(CRITICAL, Prescription("true-fan")) as moment:
        moment.on_problem = lambda: told.append(moment.problem)
        model(X)
    assert "no grouped convolution" in told[0]
    assert not moment.receipts
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    assert held.param_groups
