"""Every example, unmodified, under the watch: what the table says is found, and nothing in the healthy ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from examples_tools import EXAMPLES, STEPS, Expected, disagreement, table, trained, watched
from test_examples_widths import DEEP

from gradiometer.diagnosis import diagnose
from gradiometer.diagnosis.reading import read
from gradiometer.records import ALL_CAUSES, Diagnosis, Finding
from gradiometer.store import open_run

pytestmark = [pytest.mark.torch, pytest.mark.slow]

SOURCE = EXAMPLES.parent / "src"
TABLE = table()
PLAYS = {"ring_gan"}  # two losses against each other: neither is meant to fall


def test_the_table_names_every_script_and_known_causes() -> None:
    assert sorted(TABLE) == sorted(p.stem for p in EXAMPLES.glob("*.py"))
    assert {e.cause for e in TABLE.values()} <= {*ALL_CAUSES, "none"}
    assert set(STEPS) | {"digits_cosine_mlp"} == set(TABLE)


def test_a_wrong_verdict_is_noticed() -> None:
    """The comparison itself can fail, in each of its parts."""
    finding = Finding("m", "vanishing", "init-too-small", "fail", ("0",), (0, 1), "")
    faulty = Diagnosis(1, "r", False, 1.0, (), (), 0.0, (finding,))
    right = Expected("x", "vanishing", "init-too-small")
    assert disagreement(right, faulty) == ""
    for changed in ({"symptom": "exploding"}, {"cause": "init-too-large"}, {"severity": "warn"}):
        other = msgspec.structs.replace(faulty, findings=(msgspec.structs.replace(finding, **changed),))
        assert disagreement(right, other) != ""
    healthy = Expected("x", "none", "none")
    clean = msgspec.structs.replace(faulty, findings=(), healthy=True)
    assert disagreement(healthy, clean) == ""
    assert disagreement(healthy, faulty) != ""
    assert disagreement(healthy, msgspec.structs.replace(clean, healthy=None, coverage=0.5)) != ""
    assert disagreement(right, clean) != ""


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(set(TABLE) - set(DEEP)))
def test_every_example_gets_the_verdict_of_the_table(name: str, seed: int) -> None:
    run, diagnosis = trained(TABLE[name], seed)
    assert disagreement(TABLE[name], diagnosis) == ""
    if TABLE[name].cause == "none" and name not in PLAYS:
        assert read(run).level in ("learned", "partly")  # it is silent about a network that learns


HE = '[nn.init.kaiming_normal_(p, nonlinearity="relu") for p in model.parameters() if p.dim() > 1]'
SKIP = "x + layer(x) / 7 if x.shape[1] == 64 and layer is not self.layers[0] else layer(x)"
CURES = {
    "digits_xavier_mlp": ("ACTIVATION = nn.Sigmoid", "ACTIVATION = nn.Tanh"),
    "digits_thirty_layers": ("    optimizer =", f"    {HE}\n    optimizer ="),
    "digits_tanh_mlp": (
        "nn.init.normal_(module.weight, mean=0.0, std=WEIGHT_STD)",
        "nn.init.xavier_normal_(module.weight)",
    ),
    "digits_batchnorm_mlp": ("            x = layer(x)", f"            x = {SKIP}"),
    "digits_cosine_mlp": ("args.lr * args.warmup / (step + 1)", "args.lr * (step + 1) / args.warmup"),
    "digits_autoencoder": ("code.detach()", "code"),
    "spirals_mlp": ("copy.deepcopy(self.untrained)", "self.untrained"),
    "moons_classifier": ("torch.softmax(self.fc3(x), dim=1)", "torch.sigmoid(self.fc3(x))"),
    "set_regression": ("present.sum(1, keepdim=True)", "present.sum(1, keepdim=True).clamp(min=1)"),
    "sensor_regression": ("    power = (", "    inputs = (inputs - inputs.mean(0)) / inputs.std(0)\n    power = ("),
}
"""The one change that takes the fault out of a script."""


@pytest.mark.parametrize("name", sorted(CURES))
def test_the_same_script_without_its_fault_gets_no_finding(name: str, tmp_path: Path) -> None:
    text = TABLE[name].script.read_text(encoding="utf-8")
    old, new = CURES[name]
    assert old in text
    cured = tmp_path / f"{name}.py"
    cured.write_text(text.replace(old, new), encoding="utf-8")
    steps = ("--steps", 2 * STEPS[name]) if name in STEPS else ()
    _, diagnosis = watched(cured, "--seed", 0, *steps)
    assert disagreement(Expected(name, "none", "none"), diagnosis) == ""


@pytest.mark.parametrize("name", ["digits_deep_mlp", "digits_skip_mlp"])
def test_the_verdict_does_not_hang_on_how_much_was_recorded(name: str) -> None:
    run, diagnosis = watched(TABLE[name].script, "--steps", 120, budget=100.0)  # more than there is: every step
    assert len(run.frames) == 120
    assert disagreement(TABLE[name], diagnosis) == ""


def process(*args: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *args], cwd=cwd, env=environment, capture_output=True, timeout=120)


def test_run_tells_on_stderr_and_leaves_stdout_to_the_script(tmp_path: Path) -> None:
    script = (str(TABLE["digits_deep_mlp"].script), "--steps", "110")
    plain = process(*script, cwd=tmp_path)
    ours = process("-m", "gradiometer", "run", "--fail-on", "fail", "--json", "d.json", *script, cwd=tmp_path)
    assert plain.returncode == 0
    assert ours.stdout == plain.stdout
    assert plain.stdout.startswith(b"step    0  loss ")
    page = ours.stderr.decode("ascii")
    assert "VANISHING" in page
    assert "activation-shrinks-error" in page
    assert ours.returncode == 1
    files = list((tmp_path / "gradiometer-runs").glob("*.gmr"))
    assert len(files) == 1
    assert disagreement(TABLE["digits_deep_mlp"], diagnose(open_run(files[0]))) == ""
    drop = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))["findings"][0]["evidence"][0]["value"]
    assert page.count(f"{drop:.1f}") >= 2  # in the profile and in the evidence: one number for one thing
    told = process("-m", "gradiometer", "diagnose", str(files[0]), "--json", "-", cwd=tmp_path)
    assert json.loads(told.stdout) == json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))


def test_run_passes_a_healthy_script(tmp_path: Path) -> None:
    script = (str(TABLE["waves_regression"].script), "--steps", "300")
    ours = process("-m", "gradiometer", "run", "--fail-on", "warn", "--quiet", *script, cwd=tmp_path)
    assert ours.returncode == 0, ours.stderr
    assert ours.stderr.startswith(b"gradiometer: Nothing found: ")
