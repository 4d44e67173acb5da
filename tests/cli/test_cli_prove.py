"""``gradiometer prove`` on scripts as users write them: what it refuses, what it tells, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import scipy.stats
from cli_tools import environment, gradiometer, python, script

from gradiometer.cli.prove_plan import Asked
from gradiometer.records import Primary, RunFileError, TrialArm, TrialResult, TrialSpec
from gradiometer.session.script import ScriptTarget
from gradiometer.store import open_trial
from gradiometer.theory.chains import error_chain

HEAD = """
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
X = torch.randn(512, 16)
y = X[:, :4].argmax(1)
"""
DEEP = """
layers = []
for k in range(8):
    layers += [nn.Linear(16 if k == 0 else 32, 32), nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(32, 4))
"""
LOOP = """
opt = torch.optim.SGD(model.parameters(), lr=.1, momentum=.9)
for step in range(120):
    i = torch.randint(0, 512, (64,))
    loss = F.cross_entropy(model(X[i]), y[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
"""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["gone.py"], "There is no script 'gone.py' in "),
        (["--metric", "acc", "train.py"], "--metric 'acc' has no group."),
        (["--metric", "acc=(", "train.py"], "--metric 'acc=(' is no regular expression: "),
        (["--metric", "a=(.)", "--log", "b", "train.py"], "--metric and --log are two outcomes."),
        (["--higher", "train.py"], "--higher belongs to --metric or --log"),
        (["--cure", "elixir", "train.py"], "There is no cure 'elixir'."),
        (["--cure", "orthogonal:gain", "train.py"], "--cure orthogonal:gain: 'gain' is no SETTING=VALUE."),
        (["--cure", "rebuild-optimizer", "train.py"], "rebuild-optimizer cannot be applied to a network"),
        (
            ["--resume", "t.gmr", "--seeds", "5", "--no-lr-search", "train.py"],
            "--resume goes on by the plan in its file, so --seeds and --no-lr-search would change nothing.",
        ),
        (["--json", "gone/x.json", "train.py"], "--json gone/x.json: there is no folder gone."),
    ],
)
def test_what_cannot_be_done_is_said_at_once(tmp_path: Path, options: list[str], words: str) -> None:
    script(tmp_path, "print('ran')\n")
    done = gradiometer("prove", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"gradiometer: {words}")
    assert [p.name for p in tmp_path.iterdir()] == ["train.py"]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("print('hello')\n", [], "train.py: It never steps an optimizer: nothing trains."),
        ("n = int(input('width? '))\n", [], "train.py: It reads from stdin, which is empty in a trial"),
        (HEAD + DEEP + LOOP, ["--metric", "f1=([0-9.]+)"], "train.py: Nothing that it printed matches 'f1=([0-9.]+)'."),
        (HEAD + DEEP + LOOP.replace("120", "10**6"), ["--budget", "8"], "The budget of 8 s is too small: 20 steps of "),
    ],
)
def test_a_script_that_cannot_be_tried_is_told(tmp_path: Path, text: str, options: list[str], words: str) -> None:
    script(tmp_path, text)
    done = gradiometer("prove", "--cure", "orthogonal", *options, "train.py", cwd=tmp_path, stdin=b"3\n")
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    assert done.stderr.decode().startswith(f"gradiometer: {words}")
    assert [p.name for p in tmp_path.iterdir()] == ["train.py"]


@pytest.mark.torch
@pytest.mark.slow
def test_a_cure_of_a_deep_sigmoid_network_is_proven(tmp_path: Path) -> None:
    script(tmp_path, HEAD + DEEP + LOOP)
    done = gradiometer(
        "prove", "--quick", "--cure", "relu", "--steps", "60", "--out", "t.gmr", "train.py", cwd=tmp_path
    )
    page = done.stdout.decode()
    assert done.returncode == 0, page + done.stderr.decode()
    assert "HELPS" in page and "equal to no cure bit for bit" in page and "def " in page
    above, code = page.split("the change as code\n")
    assert max(len(line) for line in above.splitlines()) <= 80
    compile(code.split("\nThe sham")[0], "patch", "exec")
    found = open_trial(tmp_path / "t.gmr")
    assert found.state == "finished" and found.spec.steps == 60 and len(found.spec.seeds) == 7
    (verdict,) = (v for v in found.verdicts if v.arm == "relu")
    assert verdict.decision == "helps" and verdict.won == 7 and verdict.effect > 0.3
    check_the_patch_in_the_script(tmp_path, found, code.split("\nThe sham")[0])


LOOK = """
h, outs = X[:64], []
for module in model:
    h = module(h)
    h.retain_grad()
    outs.append(h)
F.cross_entropy(h, y[:64]).backward()
print("decades=%.3f" % (outs[0].grad.norm() / outs[-1].grad.norm()).log10())
"""


def check_the_patch_in_the_script(folder: Path, found: TrialResult, code: str) -> None:
    """Runs without Gradiometer, on the script's own seed, which was in no trial: the patch brings what it brought.

    The error's way back is within theory's band of a critical ReLU chain of this width, as it was in the trial; the
    loss falls as far as one more pair would let it, 95 % of them (normal).
    """
    head, optimizer, loop = (HEAD + DEEP + LOOP.replace("120", "60")).partition("opt = ")
    end = "print('loss=%.4f' % F.cross_entropy(model(X), y))\n"
    fresh = []
    for name, change in (("none.py", ""), ("cured.py", f"{code}\n\ncure(model)\n")):
        script(folder, f"{head}{change}{LOOK}{optimizer}{loop}{end}", name)
        done = python(name, cwd=folder)
        assert done.returncode == 0, done.stderr.decode()
        fresh.append(dict(line.split("=") for line in done.stdout.decode().split()))
    band = error_chain(1.0, 5.0, [32] * 8)
    tried = [o.mechanism["total_decades"] for o in found.of("relu").values() if o.mechanism]
    without = [o.mechanism["total_decades"] for o in found.of("sham").values() if o.mechanism]
    assert len(tried) == len(without) == 2
    for decades in (*tried, float(fresh[1]["decades"])):
        assert abs(decades - band.decades[-1]) <= band.band_decades[-1], decades
    for decades in (*without, float(fresh[0]["decades"])):
        assert decades < band.decades[-1] - 3 * band.band_decades[-1], decades
    none, cured = found.of("none"), found.of("relu")
    falls = [none[seed].value - cured[seed].value for seed in found.spec.seeds]
    reach = scipy.stats.t.ppf(0.975, len(falls) - 1) * statistics.stdev(falls) * (1 + 1 / len(falls)) ** 0.5
    fall = float(fresh[0]["loss"]) - float(fresh[1]["loss"])
    assert abs(fall - statistics.fmean(falls)) <= reach and fall > found.spec.floor, fall


def wait_for_outcomes(path: Path, count: int) -> None:
    """Until a trial that is being written has so many outcomes; for two minutes at most."""
    for _ in range(1200):
        time.sleep(0.1)
        with contextlib.suppress(RunFileError):  # it is not there yet, or has just begun
            if len(open_trial(path).outcomes) >= count:
                return


@pytest.mark.torch
@pytest.mark.slow
def test_ctrl_c_leaves_a_trial_that_goes_on(tmp_path: Path) -> None:
    script(tmp_path, HEAD + DEEP + LOOP)
    call = [sys.executable, "-m", "gradiometer", "prove", "--quick", "--cure", "orthogonal", "--steps", "50"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*call, "--out", "t.gmr", "train.py"], cwd=tmp_path, env=environment(), **pipes) as process:
        wait_for_outcomes(tmp_path / "t.gmr", 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"CUT SHORT" in out
    assert b"Go on with: gradiometer prove --resume t.gmr train.py\n" in err
    partial = open_trial(tmp_path / "t.gmr")
    assert partial.state == "interrupted" and 3 <= len(partial.outcomes) < 20
    done = gradiometer("prove", "--json", "d.json", "--resume", "t.gmr", "train.py", cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # orthogonal weights cure nothing here
    document = json.loads((tmp_path / "d.json").read_text())
    assert document["schema"] == 1 and document["trial"]["state"] == "finished"
    assert {v["arm"]: v["decision"] for v in document["trial"]["verdicts"]}["orthogonal"] == "no evidence"
    told = gradiometer("prove", "--resume", "t.gmr", "train.py", cwd=tmp_path).stdout.decode()
    assert "--cure orthogonal" in told.partition("again  ")[2], told
    kept = {o.key: o.digest for o in partial.outcomes}
    assert kept.items() <= {o.key: o.digest for o in open_trial(tmp_path / "t.gmr").outcomes}.items()
    script(tmp_path, HEAD + DEEP + LOOP + "\n")
    changed = gradiometer("prove", "--resume", "t.gmr", "train.py", cwd=tmp_path)
    assert changed.returncode == 2 and b"holds another trial: the script has changed" in changed.stderr


@pytest.mark.torch
@pytest.mark.slow
def test_a_healthy_training_is_not_treated(tmp_path: Path) -> None:
    shallow = "model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))\n"
    script(tmp_path, HEAD + shallow + LOOP)
    done = gradiometer("prove", "train.py", cwd=tmp_path)
    assert done.returncode == 0 and "NOTHING TO CURE" in done.stdout.decode(), done.stdout.decode()
    assert [p.name for p in tmp_path.iterdir()] == ["train.py"]


TWO = """
def network(depth, act):
    layers = []
    for k in range(depth):
        layers += [nn.Linear(16 if k == 0 else 32, 32), act()]
    return nn.Sequential(*layers, nn.Linear(32, 4))

teacher, student = network(1, nn.ReLU), network(8, nn.Sigmoid)
for model, aims in ((teacher, lambda x, y: y), (student, lambda x, y: teacher(x).detach().argmax(1))):
"""


@pytest.mark.torch
@pytest.mark.slow
def test_of_two_networks_the_one_that_is_ill_is_treated(tmp_path: Path) -> None:
    loop = LOOP.replace("y[i]", "aims(X[i], y[i])").replace("120", "50")
    script(tmp_path, HEAD + TWO + loop.replace("\n", "\n    "))
    call = ["prove", "--cure", "relu", "--seeds", "2", "--no-lr-search", "--steps", "20", "--json", "-"]
    done = gradiometer(*call, "train.py", cwd=tmp_path)
    trial = json.loads(done.stdout)["trial"]
    assert (trial["spec"]["model"], trial["spec"]["others"]) == ("student", ["teacher"]), done.stderr
    assert b"2 pairs cannot prove a cure: the smallest p that they can give is 0.5. Use --seeds 7." in done.stderr
    patches = [o["patch"] for o in trial["outcomes"] if o["arm"] == "relu"]
    assert len(patches) == 2 and all("'15'" in patch for patch in patches)  # only the student is as deep
    done = gradiometer("prove", "--model", "Sequential", "train.py", cwd=tmp_path)
    assert done.returncode == 2 and b"--model Sequential means 2 networks: " in done.stderr


def test_a_trial_that_goes_on_tells_the_command_of_its_plan() -> None:
    arms = (TrialArm("none", "none"), TrialArm("leaky:slope=0.1,seed=3", "cure"), TrialArm("random", "random"))
    metric = Primary("metric", "higher", "acc", "acc=(.+)")
    spec = TrialSpec(arms, tuple(range(5)), 40, metric, budget_s=90.0)
    resumed = Asked(ScriptTarget("train.py", ("--lr", "1"), kind="file")).resumed(spec)
    options = (
        "--cure leaky:slope=0.1,seed=3 --budget 90 --seeds 5 --steps 40 --metric 'acc=(.+)' --higher --no-lr-search"
    )
    assert resumed.again() == f"gradiometer prove {options} train.py --lr 1"
    searched = TrialSpec(arms[:1], (1, 2), None, Primary("log", "lower", "score"), lr_factors=(0.5, 1.0))
    module = Asked(ScriptTarget("pkg.train", ("--lr", "1"), kind="module"), workers=3, seeds=5)
    assert module.onward("a b.gmr") == "gradiometer prove --workers 3 --resume 'a b.gmr' -m pkg.train --lr 1"
    of_two = msgspec.structs.replace(searched, model="student", others=("teacher",))
    assert "--model student train.py" in resumed.resumed(of_two).again()
    assert resumed.resumed(searched).again() == "gradiometer prove --seeds 2 --log score train.py --lr 1"
