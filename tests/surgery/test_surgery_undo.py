"""Undoing: whatever was done to a network and its optimizer, the same bits come back in the same objects."""

from __future__ import annotations

import pytest
import torch
from surgery_state import whole
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import Operation, Patient, apply, operations
from gradiometer.surgery.snapshot import Snapshot


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 2))


X = torch.linspace(-1.5, 2.0, 32).view(8, 4)


def train(model: nn.Module, optimizer: Optimizer, steps: int = 1) -> None:
    for seed in range(steps):
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def trained() -> tuple[nn.Sequential, Optimizer]:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    train(model, optimizer, 2)
    return model, optimizer


def doubled(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
    return out * 2


class Wide(nn.Linear):
    pass


def operate(model: nn.Sequential, optimizer: Optimizer) -> None:
    """Every kind of surgery at once."""
    model[0].register_forward_hook(doubled, prepend=True)
    model[1] = nn.PReLU()
    model[3].__class__ = Wide
    model[3].gm_scale = nn.Parameter(torch.ones(()))
    model[0].gm_norm = nn.LayerNorm(5)
    model[0].note, model[0].in_features = "new", 9
    optimizer.note = "new"
    model[5].weight = nn.Parameter(torch.zeros(2, 5))
    del model[2]._buffers["num_batches_tracked"]
    model[2]._non_persistent_buffers_set.add("running_mean")
    with torch.no_grad():
        model[0].weight.fill_(3.0)
        model[2].running_var.fill_(9.0)
    group = optimizer.param_groups[0]
    group["params"] += [model[1].weight, model[3].gm_scale]
    group["momentum"] = 0.9
    group["lr"] = 0.5
    optimizer.param_groups.append({"params": [], "lr": 1.0})
    optimizer.__class__ = torch.optim.SGD
    optimizer.register_step_pre_hook(lambda *_: None)
    optimizer.state.pop(model[0].weight)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.SGD, torch.optim.LBFGS, torch.optim.Adagrad])
def test_every_kind_of_surgery_is_taken_back_bit_for_bit(make: type[Optimizer]) -> None:
    model = network()
    optimizer = make(model.parameters(), **({"momentum": 0.9} if make is torch.optim.SGD else {}))
    if make is torch.optim.LBFGS:
        x = torch.randn(8, 4)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)
    else:
        train(model, optimizer, 2)
    before = whole(model, optimizer)
    snapshot = Snapshot(model, [optimizer])
    operate(model, optimizer)
    assert whole(model, optimizer) != before
    snapshot.close()
    snapshot.restore()
    assert whole(model, optimizer) == before


def test_what_others_add_afterwards_stays() -> None:
    model, optimizer = trained()
    snapshot = Snapshot(model, [optimizer])
    operate(model, optimizer)
    snapshot.close()
    handle = model[0].register_forward_pre_hook(lambda *_: None)
    model[0].mine = "kept"
    model.eval()
    snapshot.restore()
    assert handle.id in model[0]._forward_pre_hooks
    assert model[0].mine == "kept"
    assert not model[0].training


@pytest.fixture
def orthogonal() -> Prescription:
    return Prescription("orthogonal", {"seed": 3})


def test_a_cure_is_undone_and_the_training_goes_on_as_if_nothing_had_been(orthogonal: Prescription) -> None:
    model, optimizer = trained()
    twin, other = trained()
    before = whole(model, optimizer)
    receipt = apply(model, orthogonal, optimizer, X)
    assert whole(model, optimizer) != before
    receipt.undo()
    assert whole(model, optimizer) == before
    train(model, optimizer, 3)
    train(twin, other, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))


def test_moments_of_the_old_weights_are_forgotten_and_others_kept() -> None:
    model, optimizer = trained()
    apply(model, Prescription("orthogonal", targets=("3",)), optimizer, X)
    assert model[3].weight not in optimizer.state
    assert model[3].bias in optimizer.state
    assert model[0].weight in optimizer.state
    train(model, optimizer)
    assert int(optimizer.state[model[3].weight]["step"]) == 1
    assert int(optimizer.state[model[0].weight]["step"]) == 3


def test_training_is_not_thrown_away_unasked(orthogonal: Prescription) -> None:
    model, optimizer = trained()
    before = whole(model, optimizer)
    receipt = apply(model, orthogonal, optimizer, X)
    model(torch.randn(8, 4))  # running statistics are no training
    train(model, optimizer)
    now = whole(model, optimizer)
    with pytest.raises(UserError, match=r"trained since .*discard_training=True"):
        receipt.undo()
    assert whole(model, optimizer) == now
    optimizer.zero_grad()
    receipt.undo(discard_training=True)
    assert whole(model, optimizer) == before
    with pytest.raises(UserError, match="undone already"):
        receipt.undo()


def test_the_optimizer_a_script_holds_and_its_scheduler_go_on() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=20)
    group, state = optimizer.param_groups[0], optimizer.state
    train(model, optimizer)
    scheduler.step()
    receipt = apply(model, Prescription("orthogonal"), optimizer, X)
    train(model, optimizer)
    scheduler.step()
    receipt.undo(discard_training=True)
    assert optimizer.param_groups[0] is group
    assert optimizer.state is state
    scheduler.step()
    assert group["lr"] == scheduler.get_last_lr()[0]


def test_cures_are_undone_in_reverse_order(orthogonal: Prescription) -> None:
    model = network()
    before = whole(model)
    first = apply(model, orthogonal, batch=X)
    middle = whole(model)
    second = apply(model, Prescription("orthogonal", {"seed": 4}), batch=X)
    with pytest.raises(UserError, match="was applied after it"):
        first.undo()
    second.undo()
    assert whole(model) == middle
    first.undo()
    assert whole(model) == before


def test_a_failure_inside_leaves_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(patient: Patient) -> None:
        assert isinstance(patient.model, nn.Sequential)
        operate(patient.model, patient.optimizers[0])
        raise ModelError("no")

    monkeypatch.setitem(operations(), "orthogonal", Operation("orthogonal", broken))
    model, optimizer = trained()
    before = whole(model, optimizer)
    with pytest.raises(ModelError, match="no"):
        apply(model, Prescription("orthogonal"), optimizer, X)
    assert whole(model, optimizer) == before


def test_the_global_generators_are_not_touched(orthogonal: Prescription) -> None:
    model = network()
    state = torch.get_rng_state()
    apply(model, orthogonal, batch=X)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    ways = [network() for _ in range(3)]
    for model, seed in zip(ways, (1, 1, 2), strict=True):
        apply(model, Prescription("orthogonal", {"seed": seed}), batch=X)
    assert torch.equal(ways[0][0].weight, ways[1][0].weight)
    assert not torch.equal(ways[0][0].weight, ways[2][0].weight)


def test_targets_confine_a_cure() -> None:
    model = network()
    kept = model[0].weight.clone()
    receipt = apply(model, Prescription("orthogonal", targets=("3",)), batch=X)
    assert torch.equal(model[0].weight, kept)
    assert [c.site for c in receipt.changes] == ["3.weight"]
    with pytest.raises(UserError, match="no module 'nowhere'"):
        apply(model, Prescription("orthogonal", targets=("nowhere",)), batch=X)
