"""Populations behind the seam of executors: what one-by-one training gives, and why what is left goes one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import gradiometer as gm
from gradiometer.records import Job, Outcome, Scalar, TrialArm
from gradiometer.trial import population_executor, population_groups, prove_code
from gradiometer.trial.arms import NONE, cure_arm, sham_arm
from gradiometer.trial.executor import Executor
from gradiometer.trial.local import LocalExecutor, Make, train_here
from gradiometer.trial.mechanism import mechanism_of_setup
from gradiometer.trial.population_executor import PopulationExecutor
from gradiometer.trial.treating import Moment
from gradiometer.views import Style, trial_page

RELU, ORTHOGONAL, CLIPPED = (cure_arm(name, name) for name in ("relu", "orthogonal", "clip"))
SHAM = sham_arm(RELU)
AGREE = 1e-5
"""Relative, of losses within 20 steps: single precision leaves 1e-7 in a step, and these trainings are not chaotic."""


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def data(seed: int) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(128, 12, generator=torch.Generator().manual_seed(seed))
    return inputs, inputs[:, :4].argmax(1)


def setup_of(model: nn.Module, seed: int, momentum: float = 0.9) -> gm.Setup:
    X, y = data(seed)
    batches = [(X[i : i + 32], y[i : i + 32]) for i in range(0, 128, 32)]
    return gm.Setup(model, batches, loss, torch.optim.SGD(model.parameters(), lr=0.05, momentum=momentum))


def sigmoid(seed: int) -> gm.Setup:
    layers = [m for k in range(4) for m in (nn.Linear(12 if k == 0 else 16, 16), nn.Sigmoid())]
    return setup_of(nn.Sequential(*layers, nn.Linear(16, 4)), seed)


def shallow(seed: int) -> gm.Setup:
    return setup_of(nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)), seed)


def shuffled(seed: int) -> gm.Setup:
    setup = sigmoid(seed)
    loader = DataLoader(TensorDataset(*data(seed)), batch_size=32, shuffle=True)
    return gm.Setup(setup.model, loader, loss, setup.optimizer)


def normed(seed: int) -> gm.Setup:
    return setup_of(nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4)), seed)


def dropping(seed: int) -> gm.Setup:
    return setup_of(nn.Sequential(nn.Linear(12, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 4)), seed)


def scheduled(seed: int) -> gm.Setup:
    setup = sigmoid(seed)
    torch.optim.lr_scheduler.StepLR(setup.optimizer, 5)
    return setup


def jobs_of(
    arms: Sequence[TrialArm] = (NONE,), seeds: Sequence[int] = range(4), factors: Sequence[float] = (1.0,)
) -> list[Job]:
    return [Job(arm, seed, factor, 20, "trial") for seed in seeds for arm in arms for factor in factors]


def outcomes_of(executor: Executor, jobs: Sequence[Job]) -> dict[str, Outcome]:
    """By key. Each job is told once, and the share that is done never falls and ends at 1."""
    heard: list[Outcome] = []
    shares: list[float] = []
    executor.run(jobs, heard.append, shares.append)
    assert sorted(o.key for o in heard) == sorted(job.key for job in jobs)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    return {o.key: o for o in heard}


def agree(ours: Mapping[str, Outcome], theirs: Mapping[str, Outcome]) -> None:
    for key, one in ours.items():
        other = theirs[key]
        assert (one.state, one.steps, one.patch) == (other.state, other.steps, other.patch)
        assert one.mechanism == other.mechanism
        assert [v for _, v in one.curve] == pytest.approx([v for _, v in other.curve], rel=AGREE)
        assert one.value == pytest.approx(other.value, rel=AGREE)


@pytest.mark.parametrize("make", [sigmoid, shuffled, normed])
def test_outcomes_are_those_of_trainings_one_by_one(make: Make) -> None:
    arms = (NONE, ORTHOGONAL, SHAM if make is not normed else sham_arm(ORTHOGONAL))
    jobs = jobs_of(arms, factors=(1.0, 2.0))
    executor = PopulationExecutor(make, measured=(0, 1))
    ours, theirs = outcomes_of(executor, jobs), outcomes_of(LocalExecutor(make, (0, 1)), jobs)
    agree(ours, theirs)
    assert executor.notes() == (
        "24 trainings were made side by side, in one population of networks of equal structure; these have no cost of "
        "their own.",
    )
    assert all(math.isnan(o.seconds) for o in ours.values()) and not any(
        o.digest == theirs[o.key].digest for o in ours.values() if o.arm == "orthogonal"
    )  # it was not the same loop
    assert len({o.value for o in ours.values() if o.arm == "none"}) == 8


def test_a_sham_beside_no_cure_is_equal_to_the_last_bit() -> None:
    executor = PopulationExecutor(sigmoid)
    told = outcomes_of(executor, jobs_of((NONE, RELU, SHAM), seeds=range(6)))
    for seed in range(6):
        none, sham = (told[f"trial/{arm}/{seed}/1/20"] for arm in ("none", "sham"))
        assert none.digest == sham.digest and none.value == sham.value
        assert none.digest != told[f"trial/relu/{seed}/1/20"].digest
    assert executor.populations == 2 and not executor.reasons


def leaky(moment: Moment, params: Mapping[str, Scalar]) -> None:
    """Undoes all but a trace, on the seeds of even numbers."""
    if moment.seed % 2 == 0:
        next(moment.model.parameters()).data.mul_(1.0001)


def test_a_sham_that_differs_is_judged_one_by_one_with_its_partner() -> None:
    sham = TrialArm("sham", "sham", f"{__name__}:leaky", of="relu")
    jobs = jobs_of((NONE, sham), seeds=range(8))
    executor = PopulationExecutor(sigmoid)
    told = outcomes_of(executor, jobs)
    alone = outcomes_of(LocalExecutor(sigmoid), jobs)
    apart = [s for s in range(8) if told[f"trial/sham/{s}/1/20"].digest != told[f"trial/none/{s}/1/20"].digest]
    assert 0 < len(apart) < 8
    for seed in apart:
        for arm in ("none", "sham"):
            key = f"trial/{arm}/{seed}/1/20"
            assert told[key].digest == alone[key].digest
    assert sum(executor.reasons.values()) == 2 * len(apart) and "a sham and its partner" in executor.notes()[1]


def test_a_pair_is_never_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a cut of the population, by what is held in memory, or by a call: then both go one by one."""
    jobs = jobs_of((NONE, SHAM), seeds=range(5))
    jobs = [*(j for j in jobs if j.arm.role == "none"), *(j for j in jobs if j.arm.role == "sham")]
    monkeypatch.setattr(population_groups, "MOST_MEMBERS", 5)
    cut = PopulationExecutor(sigmoid)
    told = outcomes_of(cut, jobs)
    assert all(told[f"trial/none/{s}/1/20"].digest == told[f"trial/sham/{s}/1/20"].digest for s in range(5))
    assert cut.populations == 2 and sum(cut.reasons.values()) == 2  # the pair in the middle
    monkeypatch.setattr(population_executor, "MOST_HELD_BYTES", 25_000)  # a pair in the first wave holds about 18 000
    waves = PopulationExecutor(sigmoid)
    told = outcomes_of(waves, jobs)
    assert all(told[f"trial/none/{s}/1/20"].digest == told[f"trial/sham/{s}/1/20"].digest for s in range(5))
    assert waves.populations == 2
    later = PopulationExecutor(sigmoid)
    first = outcomes_of(later, jobs_of((NONE,), seeds=(0,)))
    rest = outcomes_of(later, [j for j in jobs if j.key not in first])
    assert rest["trial/sham/0/1/20"].digest == first["trial/none/0/1/20"].digest


@pytest.mark.parametrize(("make", "words"), [(dropping, "random numbers"), (scheduled, "scheduler")])
def test_what_no_population_takes_goes_one_by_one_and_is_named(make: Make, words: str) -> None:
    executor = PopulationExecutor(make)
    told = outcomes_of(executor, jobs_of())
    assert told == {j.key: told[j.key] for j in jobs_of()} and not executor.populations
    assert all(o.digest == train_here(make, j).digest for j, o in zip(jobs_of(), told.values(), strict=True))
    (note,) = executor.notes()
    assert note.startswith("Made one by one: 4 (") and words in note


def test_a_cure_that_needs_its_own_steps_leaves_the_others_together() -> None:
    executor = PopulationExecutor(sigmoid)
    jobs = jobs_of((NONE, CLIPPED), seeds=range(5))
    agree(outcomes_of(executor, jobs), outcomes_of(LocalExecutor(sigmoid), jobs))
    assert executor.together == 5 and list(executor.reasons.values()) == [5]
    assert "a hook is registered on its step" in executor.notes()[1]


def reads_a_value(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A loss that no vectorised pass can follow."""
    value = loss(model, batch)
    return value * 2 if value.item() > 0 else value


def fails_on(seeds: Sequence[int]) -> Make:
    def make(seed: int) -> gm.Setup:
        setup = sigmoid(seed)

        def raising(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            return loss(model, batch) if seed not in seeds else loss(model, batch) / 0 * [][0]

        return gm.Setup(setup.model, setup.batches, raising, setup.optimizer)

    return make


def test_a_loss_that_cannot_be_shared_and_one_that_fails() -> None:
    def reading(seed: int) -> gm.Setup:
        setup = sigmoid(seed)
        return gm.Setup(setup.model, setup.batches, reads_a_value, setup.optimizer)

    executor = PopulationExecutor(reading)
    agree(outcomes_of(executor, jobs_of()), outcomes_of(LocalExecutor(reading), jobs_of()))
    assert not executor.together and "vmap cannot take it" in executor.notes()[0]
    told = outcomes_of(PopulationExecutor(fails_on([2])), jobs_of())
    assert [o.state for o in told.values()].count("finished") == 3
    assert told["trial/none/2/1/20"].state == "failed" and "IndexError" in told["trial/none/2/1/20"].note


def test_a_member_that_diverges_and_a_cure_that_is_refused_touch_no_other() -> None:
    jobs = [*jobs_of(seeds=range(5)), *jobs_of(factors=(1e30,)), *jobs_of((cure_arm("true-fan", "true-fan"),))]
    executor = PopulationExecutor(shallow)
    told, alone = outcomes_of(executor, jobs), outcomes_of(LocalExecutor(shallow), jobs)
    for key, outcome in told.items():
        assert (outcome.state, outcome.steps, outcome.note) == (alone[key].state, alone[key].steps, alone[key].note)
        assert outcome.state != "finished" or outcome.value == pytest.approx(alone[key].value, rel=AGREE)
    states = [o.state for o in told.values()]
    assert [states.count(s) for s in ("finished", "diverged", "refused")] == [5, 4, 4] and executor.together == 9


def test_an_interruption_comes_through_and_what_was_heard_stands() -> None:
    heard: list[Outcome] = []

    def stop(outcome: Outcome) -> None:
        heard.append(outcome)
        if len(heard) == 3:
            raise KeyboardInterrupt

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        PopulationExecutor(shuffled).run(jobs_of(), stop, lambda share: None)
    assert len(heard) == 3 and torch.equal(before, torch.get_rng_state())
    rest = [j for j in jobs_of() if j.key not in {o.key for o in heard}]
    assert [o.state for o in outcomes_of(PopulationExecutor(shuffled), rest).values()] == ["finished"]


def proven(monkeypatch: pytest.MonkeyPatch, executor: Callable[..., Executor]) -> gm.Proof:
    monkeypatch.setattr(prove_code, "PopulationExecutor", executor)
    return gm.prove(sigmoid, ["tanh"], steps=60, lr_search=False)


def test_a_proof_says_the_same_and_tells_the_mechanism_and_how_it_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = (proven(monkeypatch, e).result for e in (PopulationExecutor, LocalExecutor))
    assert ours is not None and theirs is not None and ours.verdicts
    for one, other in zip(ours.verdicts, theirs.verdicts, strict=True):
        assert (one.arm, one.decision, one.won) == (other.arm, other.decision, other.won)
        assert one.effect == pytest.approx(other.effect, rel=1e-4)
        assert one.interval == pytest.approx(other.interval, rel=1e-4)
    assert ours.verdicts[0].decision == "helps"
    assert "side by side" in ours.notes[0] and theirs.notes == ()
    before, after = (
        [o.mechanism["gain"] for o in ours.outcomes if o.arm == arm and o.mechanism] for arm in ("sham", "tanh")
    )
    assert len(before) == len(after) == 2 and max(before) < 0.3 < 0.8 < min(after)
    page = " ".join(trial_page(ours, style=Style(80, False, True)).split())
    assert "decades without a cure" in page and "right after tanh." in page and "side by side" in page


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_mechanism_is_the_gain_and_measuring_it_leaves_no_trace(gain: float) -> None:
    """Square orthogonal layers times ``gain``: each hop back multiplies every error by it, exactly."""
    layers = [nn.Linear(8, 8, bias=False) for _ in range(6)]
    for layer in layers:
        nn.init.orthogonal_(layer.weight, gain=gain)
    norm = nn.BatchNorm1d(8)
    model = nn.Sequential(norm, *layers)
    setup = gm.Setup(model, [], lambda m, batch: m(batch).square().mul(torch.rand(())).sum())
    norm.weight.grad = torch.full((8,), 7.0)
    before, state = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    told = mechanism_of_setup(setup, torch.randn(32, 8, generator=torch.Generator().manual_seed(0)))
    assert told["gain"] == pytest.approx(gain, rel=1e-4) and told["hops"] == 6
    assert told["total_decades"] == pytest.approx(6 * math.log10(gain), rel=1e-4)
    assert torch.equal(before, torch.get_rng_state()) and torch.equal(norm.weight.grad, torch.full((8,), 7.0))
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items()) and layers[0].weight.grad is None
    closed = gm.Setup(model, [], lambda m, batch: model(batch).sum())
    assert mechanism_of_setup(closed, torch.randn(4, 8, generator=torch.Generator().manual_seed(0))) == {}
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items()) and layers[0].weight.grad is None
    assert mechanism_of_setup(gm.Setup(model, [], lambda m, batch: [][0]), None) == {}
