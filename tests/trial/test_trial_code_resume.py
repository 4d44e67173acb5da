"""``gm.prove`` with a file: stopped, it goes on where it stood; finished, it is read; another trial is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import TrialResult, UserError
from gradiometer.store import TrialWriter, open_trial
from gradiometer.trial import prove_code


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def doubled(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return 2 * loss(model, batch)


class Sigmoids:
    """A training of six sigmoid layers; counts how often it was made."""

    def __init__(self, lr: float = 0.1, shift: float = 0.0, width: int = 16, judged: Callable[..., Tensor] = loss):
        self.lr, self.shift, self.width, self.judged = lr, shift, width, judged
        self.made = 0

    def __call__(self, seed: int) -> gm.Setup:
        self.made += 1
        x = torch.randn(128, 8)
        batches = list(zip((x + self.shift).split(32), x[:, :4].argmax(1).split(32), strict=True))
        layers = [m for k in range(6) for m in (nn.Linear(self.width if k else 8, self.width), nn.Sigmoid())]
        model = nn.Sequential(*layers, nn.Linear(self.width, 4))
        return gm.Setup(model, batches, self.judged, torch.optim.SGD(model.parameters(), lr=self.lr, momentum=0.9))


def proven(make: Sigmoids, path: Path | None, stop_at: float = 2.0, **more: object) -> TrialResult:
    """The trial, stopped by Ctrl-C where its share reaches ``stop_at``."""

    def tell(share: float, words: str) -> None:
        if share >= stop_at:
            raise KeyboardInterrupt

    asked = {"cures": ["relu"], "steps": 30, "seeds": 6, "lr_search": False} | more
    proof = gm.prove(make, path=path, progress=tell, **asked)  # type: ignore[arg-type]
    assert proof.result is not None and proof.diagnosis is not None
    return proof.result


def decided(result: TrialResult) -> list[tuple[object, ...]]:
    return [(v.arm, v.decision, v.effect, v.p_holm) for v in result.verdicts]


def test_a_stopped_trial_goes_on_where_it_stood_and_decides_as_one_that_was_not(tmp_path: Path) -> None:
    file = tmp_path / "t.gmr"
    whole = proven(Sigmoids(), None)
    assert whole.state == "finished" and {d[1] for d in decided(whole)} != {"invalid"}
    stopped = proven(Sigmoids(), file, stop_at=0.9)
    assert stopped.state == "interrupted" and not stopped.verdicts and stopped.notes
    assert 0 < len(stopped.outcomes) < len(whole.outcomes)
    again = Sigmoids()
    resumed = proven(again, file)
    assert resumed.state == "finished" and decided(resumed) == decided(whole)
    assert again.made < len(whole.outcomes)
    kept = {o.key: o.digest for o in stopped.outcomes}
    assert kept.items() <= {o.key: o.digest for o in resumed.outcomes}.items()
    assert set(stopped.notes) <= set(resumed.notes) and len(resumed.notes) > len(stopped.notes)


def test_a_finished_trial_is_read_and_nothing_is_trained_or_written(tmp_path: Path) -> None:
    file = tmp_path / "t.gmr"
    first = proven(Sigmoids(), file)
    before, make = file.read_bytes(), Sigmoids()
    second = proven(make, file)
    assert repr(second) == repr(first) and make.made == 2  # the diagnosis, and how it begins
    assert file.read_bytes() == before


def test_a_sham_that_is_missing_is_run_again_beside_its_partner(tmp_path: Path) -> None:
    """No cure was trained in a population, the sham would be by itself: another order of additions."""
    whole = proven(Sigmoids(), tmp_path / "whole.gmr")
    parted = [o for o in whole.outcomes if not (o.arm == "sham" and o.seed == 11)]
    assert len(parted) == len(whole.outcomes) - 1
    with TrialWriter.new(tmp_path / "cut.gmr", whole.spec) as writer:
        for outcome in parted:
            writer.put_outcome(outcome)
    resumed = proven(Sigmoids(), tmp_path / "cut.gmr")
    assert resumed.of("sham")[11].digest == resumed.of("none")[11].digest
    assert "repeat" not in {o.arm for o in resumed.outcomes}


@pytest.mark.parametrize(
    ("make", "asked", "said"),
    [
        (Sigmoids(lr=0.2), {}, "what make gives has changed"),
        (Sigmoids(shift=0.5), {}, "what make gives has changed"),
        (Sigmoids(width=17), {}, "what make gives has changed"),
        (Sigmoids(judged=doubled), {}, "what make gives has changed"),
        (Sigmoids(), {"steps": 31}, "its steps are 30, not 31"),
        (Sigmoids(), {"seeds": 5}, "its seeds are "),
        (Sigmoids(), {"lr_search": True}, "its screening seeds are "),
        (Sigmoids(), {"cures": ["tanh"]}, "its cures are relu, not tanh"),
        (Sigmoids(), {"cures": ["relu", "tanh"]}, "its cures are relu, not relu, tanh"),
    ],
)
def test_another_call_is_refused_and_the_file_stays(
    trial: Path, make: Sigmoids, asked: dict[str, object], said: str
) -> None:
    before = trial.read_bytes()
    with pytest.raises(UserError) as told:
        proven(make, trial, **asked)
    assert f"{trial} holds another trial: {said}" in str(told.value) and "Name another file" in str(told.value)
    assert trial.read_bytes() == before


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trial") / "t.gmr"
    proven(Sigmoids(), path)
    return path


def test_a_trial_that_fails_without_any_cure_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: Path
) -> None:
    watched = prove_code._watched(Sigmoids(), 30)
    monkeypatch.setattr(prove_code, "_watched", lambda make, steps: watched)
    monkeypatch.setattr(prove_code, "beginning", lambda make, seed: "")

    class Breaks(Sigmoids):
        """Its second batch is none."""

        def __call__(self, seed: int) -> gm.Setup:
            whole = super().__call__(seed)
            return replace(whole, batches=[next(iter(whole.batches)), None])

    with pytest.raises(UserError, match="Without any cure the script fails: TypeError"):
        proven(Breaks(), tmp_path / "t.gmr")
    assert not (tmp_path / "t.gmr").exists()
    spec = msgspec.structs.replace(open_trial(trial).spec, digest="")
    with TrialWriter.new(tmp_path / "t.gmr", spec):
        pass  # begun before: what is there stays
    with pytest.raises(UserError, match="Without any cure"):
        proven(Breaks(), tmp_path / "t.gmr")
    assert (tmp_path / "t.gmr").exists()
