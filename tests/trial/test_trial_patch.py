"""The printed patch of a cure, written into the script: the same training, bit for bit, and the same gain afresh."""

from __future__ import annotations

from pathlib import Path

from trial_scripts import SIGMOID, job, run, work

from gradiometer.trial.arms import cure_arm

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
