"""The change that a trial prints is the one that its arm was trained with, to the last bit of every weight drawn."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from trial_scripts import SIGMOID, job, run, work

from gradiometer.records import Prescription
from gradiometer.surgery import apply
from gradiometer.trial import seeding
from gradiometer.trial.arms import cure_arm


@pytest.mark.parametrize("name", ["relu", "orthogonal", "skip"])
def test_a_cure_draws_in_a_trial_what_its_patch_draws_in_the_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [m for k in range(4) for m in (nn.Linear(8 if k == 0 else 12, 12), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(12, 3))
    twin, x = copy.deepcopy(model), torch.randn(16, 8)
    with monkeypatch.context() as trial:
        trial.setattr(torch, "Generator", seeding._generator_class(5))
        assert torch.Generator().manual_seed(1).initial_seed() != 1
        receipt = apply(model, Prescription(name, {"seed": 7}), batch=x)
    names: dict[str, object] = {"__name__": "patch"}
    exec(receipt.as_patch(), names)
    names["cure"](twin)  # type: ignore[operator]
    ours, theirs = model.state_dict(), twin.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[k], theirs[k]) for k in ours)


UNMIXED = "import torch\ntorch.Generator = torch._C.Generator  # as in a run of its own, where no seed is mixed\n"


def patched(script: str, patch: str) -> str:
    """The script with the patch before its optimizer is built, as the patch says."""
    assert "before the optimizer is built" in " ".join(patch.split("\n# "))
    head, optimizer, tail = script.partition("opt = ")
    return f"{UNMIXED}{head}\n{patch}\ncure(model)\n{optimizer}{tail}"


def test_the_patch_in_the_script_is_the_training_of_its_arm_bit_for_bit(tmp_path: Path) -> None:
    script = work(tmp_path / "a" / "user", SIGMOID)
    none = run(script, job())
    for name in ("critical", "skip"):  # one draws weights; the other keeps them, and changes the structure
        cured = run(script, job(cure_arm(name, name)), "use")
        written = run(work(tmp_path / name / "user", patched(SIGMOID, cured.patch)), job())
        assert cured.state == written.state == "finished"
        assert [v for _, v in cured.curve] == [v for _, v in written.curve] != [v for _, v in none.curve]
        assert cured.digest == written.digest != none.digest
