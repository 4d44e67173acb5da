"""What cannot be a population is refused by name, before a step; what differs is never trained as if it were equal."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from population_nets import CLASSES, INPUTS, NETWORKS, TARGETS, by_itself, cross_entropy, dense, furthest, setup
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from gradiometer.records import ModelError
from gradiometer.session import Setup
from gradiometer.trial import population_groups
from gradiometer.trial.population import Population
from gradiometer.trial.population_groups import grouped
from gradiometer.trial.population_jobs import train_together
from gradiometer.trial.population_refusals import PopulationError, network_refusal, refusal
from gradiometer.trial.population_structure import difference


class Layer(nn.Module):
    """A layer whose forward pass is a function of itself and its input."""

    def __init__(self, turn: Callable[[nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.turn = nn.Linear(8, 8), turn

    def forward(self, x: Tensor) -> Tensor:
        return self.turn(self.inner, x)


def reads_a_value(inner: nn.Linear, x: Tensor) -> Tensor:
    return inner(x) * float(x.mean().item())


def branches(inner: nn.Linear, x: Tensor) -> Tensor:
    return inner(x) if x.mean() > 0 else x


def writes_into_zeros(inner: nn.Linear, x: Tensor) -> Tensor:
    out = torch.zeros(x.shape)
    out[:] = inner(x)
    return out


def drops(inner: nn.Linear, x: Tensor) -> Tensor:
    return F.dropout(inner(x), 0.5)


def forgets(inner: nn.Linear, x: Tensor) -> Tensor:
    return checkpoint(inner, x, use_reentrant=False)


def forgets_as_of_old(inner: nn.Linear, x: Tensor) -> Tensor:
    return checkpoint(inner, x, use_reentrant=True)


_SECRET: weakref.WeakKeyDictionary[nn.Module, Tensor] = weakref.WeakKeyDictionary()


def looks_elsewhere(inner: nn.Linear, x: Tensor) -> Tensor:
    """What it multiplies with is neither parameter, buffer nor attribute, and differs from network to network."""
    return inner(x) * _SECRET.setdefault(inner, 1 + inner.weight.detach().mean())


def holding(layer: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The layer as ``body.deep`` of a network."""

    def build() -> nn.Module:
        body = nn.Sequential(nn.Linear(16, 8))
        body.add_module("deep", layer())
        whole = nn.Sequential()
        whole.add_module("body", body)
        whole.add_module("head", nn.Linear(8, CLASSES))
        return whole

    return build


KNOWN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "dropout": (lambda: nn.Dropout(0.1), "random numbers"),
    "random slopes": (nn.RReLU, "random numbers"),
    "dropout in attention": (lambda: nn.MultiheadAttention(8, 2, dropout=0.1), "random numbers"),
    "dropout in an LSTM": (lambda: nn.LSTM(8, 8, 2, dropout=0.1), "random numbers"),
    "batch norm by counting": (lambda: nn.BatchNorm1d(8, momentum=None), "momentum=None"),
    "lazy": (lambda: nn.LazyLinear(8), "lazy"),
    "script": (lambda: torch.jit.trace(nn.Linear(8, 8), torch.ones(1, 8)), "TorchScript"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", KNOWN)
def test_what_is_known_is_named_before_anything_runs(case: str) -> None:
    layer, words = KNOWN[case]
    told = refusal([holding(layer)()])
    assert told is not None and told.module.startswith("body.deep") and words in told.reason
    assert isinstance(told, ModelError) and str(told).startswith("body.deep") and "one by one" in str(told)


def test_spectral_norm_is_refused_at_its_place_and_weight_norm_is_not() -> None:
    for normed in (nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm):
        told = refusal([holding(lambda normed=normed: normed(nn.Linear(8, 8)))()])
        assert told is not None and told.module.startswith("body.deep") and "spectral_norm" in told.reason
    assert refusal([NETWORKS["weight norm"](), NETWORKS["weight norm"]()]) is None


def test_dropout_in_eval_mode_or_with_a_share_of_0_is_no_obstacle() -> None:
    assert refusal([holding(lambda: nn.Dropout(0.0))()]) is None
    assert refusal([holding(lambda: nn.Dropout(0.3))().eval()]) is None
    assert refusal([holding(lambda: nn.BatchNorm1d(8, momentum=None))().eval()]) is None


def test_hooks_that_would_see_all_members_in_one_are_refused() -> None:
    model = dense()
    handle = model[0].register_full_backward_hook(lambda *_: None)
    told = network_refusal(model)
    assert told is not None and told.module == "0" and "backward hook" in told.reason
    handle.remove()
    assert network_refusal(model) is None
    everywhere = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        told = network_refusal(model)
        assert told is not None and told.module == "" and "watch" in told.reason
    finally:
        everywhere.remove()
    model[0].forward = functools.partial(F.linear, weight=model[0].weight)
    told = network_refusal(model)
    assert told is not None and told.module == "0" and "replaced" in told.reason


REHEARSED = {
    "a value": (reads_a_value, "body.deep"),
    "a branch": (branches, "body.deep"),
    "zeros": (writes_into_zeros, "body.deep"),
    "functional dropout": (drops, "body.deep"),
    "checkpoint": (forgets, ""),
    "old checkpoint": (forgets_as_of_old, ""),
    "a secret": (looks_elsewhere, ""),
}


@pytest.mark.parametrize("case", REHEARSED)
def test_what_only_a_pass_can_show_is_found_in_the_rehearsal(case: str) -> None:
    turn, path = REHEARSED[case]
    setups = [setup(seed, holding(lambda: Layer(turn))) for seed in range(4)]
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with pytest.raises(PopulationError) as caught:
        Population(setups)
    assert caught.value.module == path, caught.value
    assert "\n" not in str(caught.value)
    assert torch.equal(torch.get_rng_state(), before)
    for seed, one in enumerate(setups):
        fresh = setup(seed, holding(lambda: Layer(turn)))
        assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), fresh.model.parameters(), strict=True))
        assert not any(p.is_leaf is False or p.grad is not None for p in one.model.parameters())
        assert not one.model.body.deep._forward_hooks and not one.model.body.deep._forward_pre_hooks


def test_the_same_layer_without_the_trap_is_taken() -> None:
    Population([setup(seed, holding(lambda: Layer(lambda inner, x: inner(x).relu()))) for seed in range(4)])


OPTIMIZERS: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "none": (lambda m: None, "there is none"),
    "LBFGS": (lambda m: torch.optim.LBFGS(m.parameters()), "LBFGS"),
    "a class of its own": (lambda m: type("Mine", (torch.optim.SGD,), {})(m.parameters(), lr=0.1), "Mine"),
    "scheduled": (lambda m: _scheduled(m), "wrapped"),
    "hooked": (lambda m: _hooked(m), "hook"),
    "not new": (lambda m: _stepped(m), "made steps"),
    "foreign": (lambda m: torch.optim.SGD([*m.parameters(), nn.Parameter(torch.ones(1))], lr=0.1), "not the model's"),
}


def _scheduled(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    return optimizer


def _hooked(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: None)
    return optimizer


def _stepped(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(model.parameters())
    cross_entropy(model, (INPUTS, TARGETS)).backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizers_that_cannot_be_taken_over(case: str) -> None:
    make, words = OPTIMIZERS[case]
    models = [dense() for _ in range(4)]
    told = refusal(models, [make(model) for model in models])
    assert told is not None and told.module == "optimizer" and words in told.reason


def test_optimizers_of_different_parameters_are_refused() -> None:
    setups = [setup(seed) for seed in range(4)]
    setups[2] = Setup(
        setups[2].model, setups[2].batches, cross_entropy, torch.optim.SGD(setups[2].model[0].parameters(), lr=0.1)
    )
    with pytest.raises(PopulationError, match="own different parameters"):
        Population(setups)


def test_a_loss_that_is_no_scalar_and_an_error_of_the_users_own_come_through() -> None:
    def of_all(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(model(batch[0]), batch[1], reduction="none")

    def broken(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        raise KeyError("labels")

    for loss, error in ((of_all, ModelError), (broken, KeyError)):
        with pytest.raises(error) as caught:
            Population([Setup(s.model, s.batches, loss, s.optimizer) for s in map(setup, range(4))])
        assert not isinstance(caught.value, PopulationError)


def test_batches_that_do_not_fit_side_by_side_are_refused() -> None:
    small = [(INPUTS[:6], TARGETS[:6])], [(INPUTS[:7], TARGETS[:7])]
    other = [(INPUTS[:6], TARGETS[:6])], [[INPUTS[:6], TARGETS[:6]]]
    word = [(INPUTS[:6], "a")], [(INPUTS[:6], "b")]
    for streams in (small, other, word):
        setups = [Setup(s.model, streams[i], cross_entropy, s.optimizer) for i, s in enumerate(map(setup, range(2)))]
        with pytest.raises(PopulationError) as caught:
            Population(setups)
        assert caught.value.module == "batches"


# -- structure --------------------------------------------------------------------------------------------------------


def scaled(by: float) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda module, args, out: out * by


class Scale:
    """A hook with a number."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, module: nn.Module, args: Any, out: Tensor) -> Tensor:
        return out * self.by


def with_hook(hook: Callable[..., Any]) -> nn.Module:
    model = dense()
    model[0].register_forward_hook(hook)
    return model


def with_attribute(value: object, at: int = 0) -> nn.Module:
    model = dense()
    model[at].extra = value
    return model


def tied(here: bool) -> nn.Module:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    if here:
        model[1].weight = model[0].weight
    return model


def frozen() -> nn.Module:
    model = dense()
    model[0].weight.requires_grad_(False)
    return model


def outside() -> nn.Module:
    """A parameter that is reached past the registered one too."""
    model = dense()
    model[0].extra = [model[0].weight]
    return model


def relu_of(x: Tensor) -> Tensor:
    return x.relu()


PAIRS_APART: dict[str, tuple[nn.Module, nn.Module, str]] = {
    "activation": (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), "1: ReLU"),
    "slope": (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2), "negative_slope"),
    "epsilon": (nn.LayerNorm(8), nn.LayerNorm(8, eps=1e-3), "eps is 1e-05 here, 0.001 there"),
    "width": (nn.Linear(2, 3), nn.Linear(2, 4), "(3, 2)"),
    "bias": (nn.Linear(2, 3), nn.Linear(2, 3, bias=False), "there in one of them only"),
    "depth": (dense(), dense(depth=3), "only one of them has the module"),
    "type": (nn.Linear(2, 3), nn.Linear(2, 3).double(), "float64"),
    "mode": (dense(), dense().eval(), "training is True here, False there"),
    "frozen": (dense(), frozen(), "frozen"),
    "ties": (tied(True), tied(False), "tied in another way"),
    "ties, the other way": (tied(False), tied(True), "tied in another way"),
    "function": (with_attribute(torch.relu), with_attribute(torch.tanh), "extra"),
    "closure": (with_hook(scaled(1.0)), with_hook(scaled(2.0)), "_forward_hooks"),
    "hook of one": (dense(), with_hook(scaled(1.0)), "_forward_hooks"),
    "object": (with_hook(Scale(1.0)), with_hook(Scale(2.0)), "_forward_hooks"),
    "list": (with_attribute([1, 2]), with_attribute([1, 3]), "extra"),
    "tensor": (with_attribute(torch.ones(2)), with_attribute(torch.zeros(2)), "extra"),
    "parameter held twice": (outside(), outside(), "extra"),
    "free parameter": (
        with_attribute([nn.Parameter(torch.ones(2))]), with_attribute([nn.Parameter(torch.ones(2))]), "extra",
    ),
    "generator": (with_attribute(torch.Generator()), with_attribute(torch.Generator()), "extra"),
    "partial": (
        with_attribute(functools.partial(torch.sum, dim=0)), with_attribute(functools.partial(torch.sum, dim=1)),
        "extra",
    ),
    "padding": (nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular"), "padding_mode"),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS_APART)
def test_structures_that_differ_are_told_apart(case: str) -> None:
    first, second, words = PAIRS_APART[case]
    told = difference(first, second)
    assert told is not None and words in told, told


PAIRS_ALIKE: dict[str, Callable[[], nn.Module]] = {
    **NETWORKS,
    "closure": lambda: with_hook(scaled(2.0)),
    "object": lambda: with_hook(Scale(2.0)),
    "function": lambda: with_attribute(relu_of),
    "values": lambda: with_attribute([1, {"a": (None, float("nan"))}, torch.ones(2), functools.partial(F.relu)]),
    "ties": lambda: tied(True),
    "frozen": frozen,
}


@pytest.mark.parametrize("case", PAIRS_ALIKE)
def test_structures_that_are_equal_are_not_told_apart(case: str) -> None:
    first, second = PAIRS_ALIKE[case](), PAIRS_ALIKE[case]()
    assert difference(first, second) is None


def test_a_module_that_knows_another_module_knows_its_partner() -> None:
    def looped(at: int) -> nn.Module:
        model = dense()
        model[0].friend = [model[at]]
        return model

    assert difference(looped(2), looped(2)) is None
    assert difference(looped(2), looped(5)) is not None
    model = looped(2)
    told = difference(model, model)
    assert told is not None and "the same" in told


# -- groups -----------------------------------------------------------------------------------------------------------


def test_jobs_are_grouped_by_structure_whatever_their_optimizer_and_order() -> None:
    def adam(params: Any, seed: int) -> torch.optim.Optimizer:
        return torch.optim.Adam(params)

    kinds = [dense, lambda: dense(lambda: nn.LayerNorm(8)), lambda: dense(nn.Dropout)]
    setups = [setup(job, kinds[job % 3]) for job in range(12)]
    setups += [setup(job, dense, adam) for job in (12, 13)]
    setups += [setup(14, NETWORKS["gru"])]
    told = grouped(setups)
    assert told.together == ((0, 3, 6, 9, 12, 13), (1, 4, 7, 10))
    reasons = {job: error.reason for job, error in told.alone}
    assert set(reasons) == {2, 5, 8, 11, 14}
    assert "random numbers" in reasons[2] and "only 1 training has" in reasons[14]
    for group in told.together:
        Population([setups[job] for job in group])


def test_groups_are_cut_into_equal_parts_and_large_networks_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    setups = [setup(seed) for seed in range(11)]
    assert grouped(setups).together == (tuple(range(11)),)
    monkeypatch.setattr(population_groups, "MOST_MEMBERS", 6)
    assert grouped(setups).together == (tuple(range(6)), tuple(range(6, 11)))
    numbers = sum(p.numel() for p in setups[0].model.parameters())
    monkeypatch.setattr(population_groups, "MOST_NUMBERS", 5 * numbers)
    assert [len(group) for group in grouped(setups).together] == [6, 5]  # a third part would have fewer than 4
    monkeypatch.setattr(population_groups, "LARGEST_NUMBERS", numbers - 1)
    told = grouped(setups)
    assert not told.together and "too many to gain" in told.alone[0][1].reason


def test_jobs_are_trained_where_they_can_be_and_named_where_they_cannot() -> None:
    """Two structures, one that refuses in the rehearsal, one that is alone; each member as by itself."""
    builds = [dense, NETWORKS["layer norm"], holding(lambda: Layer(reads_a_value)), lambda: dense(nn.Dropout)]
    setups = [setup(job, builds[job % 4]) for job in range(16)]
    shares: list[float] = []
    told: list[tuple[int, ...]] = []

    def ended(population: Population, jobs: tuple[int, ...]) -> None:
        assert population.steps == 5
        told.append(jobs)

    together = train_together(setups, 5, ended=ended, moved=shares.append)
    assert told == [(0, 4, 8, 12), (1, 5, 9, 13)]
    assert {job: error.module for job, error in together.alone.items()} == {
        **dict.fromkeys((2, 6, 10, 14), "body.deep"),
        **dict.fromkeys((3, 7, 11, 15), "1"),
    }
    assert shares == sorted(shares) and len(shares) == 10 and shares[-1] == 0.5
    for job in range(16):
        alone = setup(job, builds[job % 4])
        if job in together.alone:
            assert np.isnan(together.losses[job]).all()
            assert furthest(setups[job].model, alone.model) == 0
        else:
            assert together.losses[job].tolist() == pytest.approx(by_itself(alone, 5), rel=1e-5)
            assert furthest(setups[job].model, alone.model) < 2e-6


def test_an_interruption_leaves_whole_populations_behind() -> None:
    setups = [setup(job, [dense, NETWORKS["layer norm"]][job % 2]) for job in range(8)]

    def moved(share: float) -> None:
        if share > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_together(setups, 5, moved=moved)
    for job in range(8):
        fresh = setup(job, [dense, NETWORKS["layer norm"]][job % 2])
        assert (furthest(setups[job].model, fresh.model) > 0) == (job % 2 == 0)
