from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from trial_scripts import DEEP, HEAD, LOOP, NONE, SHALLOW, SIGMOID, arm, job, run, work

from gradiometer.records import Primary
from gradiometer.trial import attach
from gradiometer.trial.wire import Order


def test_runs_repeat_bit_for_bit_and_differ_by_seed(tmp_path: Path) -> None:
    given = work(tmp_path / "user", SHALLOW)
    first, again, other = run(given, job()), run(given, job()), run(given, job(seed=2))
    assert first.state == "finished" and first.steps == 25 and len(first.curve) == 25
    assert first.digest == again.digest and first.value == again.value and first.curve == again.curve
    assert other.digest != first.digest and other.value != first.value


def test_a_sham_that_draws_and_undoes_is_equal_bit_for_bit_and_one_that_leaves_a_trace_is_not(tmp_path: Path) -> None:
    given = work(tmp_path / "user", SIGMOID)
    none, sham = run(given, job()), run(given, job(arm("sham", "sham")), "use")
    assert sham.digest == none.digest and sham.value == none.value
    assert run(given, job(arm("leaky_sham", "sham")), "use").digest != none.digest
    looking = run(given, job(arm("looking_sham", "sham")), "use")
    assert looking.digest == none.digest and looking.curve == none.curve  # its own backward pass is no loss


def test_an_arm_costs_its_training_and_its_cure_without_ruler_and_judgement(tmp_path: Path, monkeypatch) -> None:
    given = work(tmp_path / "user", SHALLOW)
    assert run(given, job(arm("costly_sham", "sham"), steps=3)).seconds >= 0.5  # processor time of the cure

    def slow(*args: object) -> float:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        return 1.0

    for name in ("measure", "copies"):
        monkeypatch.setattr(attach, name, slow)
    attached = attach.Attached(Order(job(), "make", str(tmp_path / "ruler")), True)
    assert attached.captures is not None and attached.spent_s == 0
    net = nn.Linear(8, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    attached.root, attached.owners = net, (optimizer,)
    attached._called(net, (torch.ones(2, 8),), {})
    assert attached.spent_s >= 0.5


def test_the_outcome_is_the_scripts_own_loss_in_eval_mode(tmp_path: Path) -> None:
    """The same training by hand, its loss on the batches that it has seen computed by torch."""
    script = HEAD + "model = nn.Sequential(nn.Linear(8, 32), nn.Dropout(.5), nn.BatchNorm1d(32), nn.Linear(32, 4))\n"
    found = run(work(tmp_path / "user", script + LOOP), job(steps=6))
    from gradiometer.trial.seeding import mixed

    torch.manual_seed(mixed(0, 1))
    X = torch.randn(256, 8)
    y = (X[:, :4].sum(1) > 0).long() + 2 * (X[:, 4:].sum(1) > 0).long()
    model = nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.5), nn.BatchNorm1d(32), nn.Linear(32, 4))
    opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    seen = []
    for _ in range(6):
        i = torch.randint(0, 256, (32,))
        loss = F.cross_entropy(model(X[i]), y[i])
        seen.append((i, loss.item()))
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    expected = sum(F.cross_entropy(model(X[i]), y[i]).item() for i, _ in seen) / len(seen)
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert [v for _, v in found.curve] == [v for _, v in seen] and found.first == seen[0][1]
    model.train()
    assert abs(F.cross_entropy(model(X[seen[0][0]]), y[seen[0][0]]).item() - found.value) > 0.01


def test_a_cure_is_judged_by_the_untreated_loss_and_helps_the_deep_network(tmp_path: Path) -> None:
    given = work(tmp_path / "user", SIGMOID)
    none, cured = run(given, job()), run(given, job(arm("he")), "use")
    assert none.value == pytest.approx(math.log(4), abs=0.1)
    assert cured.value < none.value - 0.3 and math.isfinite(cured.first) and cured.patch.startswith("def cure")


@pytest.mark.parametrize(
    "loss",
    [
        "3.0 * F.cross_entropy(model(X[i]), y[i], weight=torch.tensor([1., 2., 3., 4.]))",
        "((model(X[i]) - F.one_hot(y[i], 4)) ** 2).mean() * 7",
        "F.mse_loss(model(X[i]), F.one_hot(y[i], 4).float(), reduction='sum') / 5",
        "F.binary_cross_entropy_with_logits(model(X[i]), F.one_hot(y[i], 4).float())",
    ],
)
def test_the_ruler_knows_targets_weights_and_factors(tmp_path: Path, loss: str) -> None:
    """After one step that is too small to matter the outcome is the loss that the script saw."""
    script = SHALLOW.replace("F.cross_entropy(model(X[i]), y[i])", loss)
    found = run(work(tmp_path / "user", script), job(steps=1, factor=1e-7))
    assert found.state == "finished" and not found.incomparable
    assert found.value == pytest.approx(found.first, rel=1e-5) and found.first > 0.5


def test_what_the_ruler_cannot_do_is_said(tmp_path: Path) -> None:
    with_penalty = SHALLOW.replace("loss = F.cross", "loss = model[0].weight.square().sum() + F.cross")
    found = run(work(tmp_path / "a" / "user", with_penalty), job(steps=3))
    assert found.state == "finished" and math.isnan(found.value)
    assert "cannot be used as a ruler: a parameter is part of it" in found.incomparable
    given = work(tmp_path / "b" / "user", SHALLOW)
    assert not run(given, job(steps=3)).incomparable
    wide = run(given, job(arm("widen"), steps=3), "use")
    assert "its outputs are 32×8; those that the script's loss reads are 32×4" in wide.incomparable
    two = SHALLOW.replace("loss.backward()", "loss.backward(retain_graph=True); model(X).sum().backward()")
    assert "more than one kind of loss" in run(work(tmp_path / "c" / "user", two), job(steps=3)).incomparable


def test_a_loss_that_is_finite_only_with_the_cure_is_no_ruler_and_this_is_said(tmp_path: Path) -> None:
    script = SIGMOID.replace("y[i])", "y[i]) + (float('nan') if isinstance(model[1], nn.Sigmoid) else 0.0)")
    assert script != SIGMOID
    given = work(tmp_path / "user", script)
    assert run(given, job()).state == "diverged"
    cured = run(given, job(arm("he")), "use")
    assert cured.state == "finished" and "finite at no step" in cured.incomparable


def test_micro_batches_of_one_loss_are_one_ruler(tmp_path: Path) -> None:
    script = SHALLOW.replace(
        "loss.backward()",
        "loss.backward(); j = torch.randint(0, 256, (32,)); F.cross_entropy(model(X[j]), y[j]).backward()",
    )
    found = run(work(tmp_path / "user", script), job(steps=4))
    assert found.state == "finished" and not found.incomparable and math.isfinite(found.value)


@pytest.mark.parametrize("schedule", ["", "sched = torch.optim.lr_scheduler.OneCycleLR(opt, .2, total_steps=40)"])
@pytest.mark.parametrize(
    "optimizer", ["SGD(model.parameters(), lr=%r, momentum=.9)", "Adam(model.parameters(), lr=%r)"]
)
def test_the_rate_factor_is_the_rate_given_at_construction(tmp_path: Path, schedule: str, optimizer: str) -> None:
    def script(rate: float) -> str:
        text = SHALLOW.replace("SGD(model.parameters(), lr=0.05, momentum=0.9)", optimizer % rate)
        text = text.replace("for step", schedule.replace(".2", repr(rate)) + "\nfor step")
        return text.replace("    opt.step()", "    opt.step()\n    sched.step()") if schedule else text

    factored = run(work(tmp_path / "a" / "user", script(0.125)), job(factor=2.0))
    given = run(work(tmp_path / "b" / "user", script(0.25)), job())
    plain = run(work(tmp_path / "c" / "user", script(0.125)), job())
    assert factored.curve == given.curve != plain.curve
    assert factored.value == given.value


def test_runs_that_go_wrong_are_told_apart(tmp_path: Path) -> None:
    given = work(tmp_path / "user", SIGMOID)
    assert run(given, job()).state == "finished"
    refused = run(given, job(arm("refuse")), "use")
    assert (refused.state, refused.note, refused.steps) == ("refused", "It has no activation to exchange.", 0)
    diverged = run(given, job(arm("blow_up")), "use")
    assert diverged.state == "diverged" and math.isnan(diverged.value) and diverged.steps < 25
    scripts = {
        "nothing trains": HEAD,
        "its optimizer made no step": HEAD + DEEP + "opt = torch.optim.SGD(model.parameters(), lr=.1)\nmodel(X)\n",
        "it reads from stdin": HEAD + "n = input()\n",
        "valueerror: no data (train.py, line 8)": HEAD + "raise ValueError('no data')\n",
        "exit code 3": SHALLOW + "raise SystemExit(3)\n",
        "exit code 2: train.py: error: unrecognized": "import argparse\n"
        "argparse.ArgumentParser().parse_args(['--epochz', '3'])\n",
    }
    for k, (said, script) in enumerate(scripts.items()):
        found = run(work(tmp_path / str(k) / "user", script), job(steps=None))
        assert found.state == "failed" and said in found.note.lower()


def test_a_treatment_sees_the_first_training_call(tmp_path: Path) -> None:
    script = SHALLOW.replace("opt =", "with torch.no_grad():\n    model(X[:3])\nmodel(X[:5])\nopt =")
    one = run(work(tmp_path / "user", script), job(arm("batch_of")), "")
    other = run(work(tmp_path / "user", script), job(arm("batch_of"), factor=2.0, seed=2), "")
    shape, rest = one.patch.split(") ", 1)
    assert shape == "(32, 8" and rest.startswith("4 [0.05] ")
    assert rest.split()[-1] != other.patch.split()[-1]


def test_a_metric_is_read_from_what_the_script_prints(tmp_path: Path) -> None:
    whole = job(steps=None)
    accuracy = Primary("metric", "higher", "acc", "acc=([0-9.]+)")
    found = run(work(tmp_path / "a" / "user", SHALLOW, accuracy), whole)
    assert found.state == "finished" and 0.25 < found.value <= 1 and found.steps == 40
    never = run(work(tmp_path / "b" / "user", SHALLOW, Primary("metric", "higher", "f1", "f1=([0-9.]+)")), whole)
    assert never.state == "failed" and never.note == "Nothing that it printed matches 'f1=([0-9.]+)'."
    nan = run(work(tmp_path / "c" / "user", SHALLOW + "print('acc=nan')", Primary("metric", pattern="acc=(.+)")), whole)
    assert nan.state == "diverged"


def test_a_logged_number_is_the_outcome(tmp_path: Path) -> None:
    script = SHALLOW.replace("for step", "import gradiometer as gm\nhandle = gm.watch(model, opt)\nfor step")
    script += "handle.log(score=loss.item()); handle.close()\n"
    found = run(work(tmp_path / "user", script, Primary("log", name="score")), job(steps=None))
    assert found.state == "finished" and found.value == found.curve[-1][1]
    assert [p.name for p in (tmp_path / "user").iterdir()] == ["train.py"]
    missing = run(work(tmp_path / "user", script, Primary("log", name="other")), job(steps=None))
    assert missing.state == "failed" and "never logged a number called 'other'" in missing.note


def test_runs_do_not_find_what_others_have_left(tmp_path: Path) -> None:
    script = SHALLOW.replace(
        "for step",
        "import os\nassert open('data/words.txt').read() == 'x'\n"
        "if os.path.exists('last.pt'):\n    model.load_state_dict(torch.load('last.pt'))\nfor step",
    )
    script += "torch.save(model.state_dict(), 'last.pt'); open('data/words.txt', 'w').write('y')\n"
    given = work(tmp_path / "user", script)
    (tmp_path / "user" / "data").mkdir()
    (tmp_path / "user" / "data" / "words.txt").write_text("x")
    first, again = run(given, job(steps=None)), run(given, job(steps=None))
    assert first.state == "finished" and first.digest == again.digest
    assert not (tmp_path / "user" / "last.pt").exists()


def test_a_script_that_seeds_by_the_clock_differs_from_itself(tmp_path: Path) -> None:
    clock = "import os\ntorch.default_generator.manual_seed(int.from_bytes(os.urandom(4), 'big'))"
    given = work(tmp_path / "user", SHALLOW.replace("torch.manual_seed(0)", clock))
    assert run(given, job()).digest != run(given, job()).digest
    assert run(given, job(NONE)).state == "finished"


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_mechanism_is_the_gain_of_the_network_as_it_stands_after_the_cure(tmp_path: Path, gain: float) -> None:
    """Square orthogonal layers times ``gain``: each hop back multiplies every error by it, exactly."""
    linear = f"""
layers = [nn.Linear(8, 8, bias=False) for _ in range(9)]
for layer in layers:
    nn.init.orthogonal_(layer.weight, gain={gain})
model = nn.Sequential(*layers, nn.Linear(8, 4))
"""
    given = work(tmp_path / "user", HEAD + linear + LOOP)
    none, sham = run(given, job(steps=2)), run(given, job(arm("sham", "sham"), steps=2), "use", measure=True)
    assert none.digest == sham.digest and not none.mechanism
    hops = sham.mechanism["hops"]
    head = sham.mechanism["total_decades"] - (hops - 1) * math.log10(gain)  # what the last, random layer adds
    assert hops in (8, 9) and abs(head) < 0.5
    if hops == 8:
        assert sham.mechanism["gain"] == pytest.approx(gain, rel=1e-4)
    doubled = run(given, job(arm("double"), steps=2), "use", measure=True)
    grown = doubled.mechanism["total_decades"] - sham.mechanism["total_decades"]
    assert grown == pytest.approx(8 * math.log10(2), abs=0.02)


def test_a_batch_without_a_finite_loss_is_no_part_of_the_ruler(tmp_path: Path) -> None:
    script = SHALLOW.replace("loss = F.cross", "loss = (torch.nan if step in (0, 2) else 1.0) * F.cross")
    found = run(work(tmp_path / "user", script.replace("opt.step()", "step in (0, 2) or opt.step()")), job(steps=4))
    assert found.state == "finished" and not found.incomparable and math.isfinite(found.value)


CHECKPOINTED = """
from torch.utils.checkpoint import checkpoint
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Sequential(nn.Linear(8, 16), nn.ReLU()), nn.Linear(16, 4)
    def forward(self, x):
        return self.b(checkpoint(self.a, x, use_reentrant=False))
model = Net()
"""
LOADER = """from torch.utils.data import DataLoader
loader = DataLoader(range(256), batch_size=32, shuffle=True, num_workers=1)
for i in (b for _ in range(5) for b in loader):"""
LOOPS = {
    "compiled": [("opt =", "model = torch.compile(model, backend='eager', fullgraph=True)\nopt =")],
    "bfloat16": [("loss = F.cross", "with torch.autocast('cpu', torch.bfloat16): loss = F.cross")],
    "loss scale": [
        ("opt =", "scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)\nopt ="),
        ("loss.backward()", "scaler.scale(loss).backward()"),
        ("opt.step()", "scaler.step(opt)\n    scaler.update()"),
    ],
    "checkpointed": [("model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))\n", CHECKPOINTED)],
    "bare except": [("    opt.step()", "    try:\n        opt.step()\n    except:\n        pass")],
    "copied": [
        ("opt =", "import copy\nother = copy.deepcopy(model)\nopt ="),
        ("    opt.step()", "    opt.step(); other(X)"),
    ],
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_of_other_kinds_have_the_same_ruler_and_an_equal_sham(tmp_path: Path, name: str) -> None:
    plain = run(work(tmp_path / "plain" / "user", SHALLOW), job(steps=12))
    script = SHALLOW
    for old, new in LOOPS[name]:
        assert old in script
        script = script.replace(old, new)
    given = work(tmp_path / "user", script)
    none, sham = run(given, job(steps=12)), run(given, job(arm("sham", "sham"), steps=12), "use", measure=True)
    assert none.state == "finished" and not none.incomparable and none.steps == 12
    assert sham.digest == none.digest and sham.value == none.value and sham.mechanism["hops"] >= 1
    assert none.value == pytest.approx(plain.value, rel=2e-3)  # bfloat16 rounds to 4e-3, the others not at all


def test_workers_of_a_loader_are_seeded_alike(tmp_path: Path) -> None:
    loop = "for step in range(40):\n    i = torch.randint(0, 256, (32,))"
    given = work(tmp_path / "user", SHALLOW.replace(loop, LOADER))
    none, sham = run(given, job(steps=12)), run(given, job(arm("sham", "sham"), steps=12), "use")
    assert none.state == "finished" and sham.digest == none.digest
    assert run(given, job(seed=2, steps=12)).digest != none.digest


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("'../data/x.csv'", True),
        ("'../../../data/x.csv'", True),
        ("__file__[:-8] + '../data/x.csv'", True),
        ("'data/x.csv'", False),
        ("'sub/../data/x.csv'", False),
        ("'/data/that/is/nowhere.csv'", False),
    ],
)
def test_a_file_above_the_copied_folder_is_told_with_what_to_do(tmp_path: Path, path: str, above: bool) -> None:
    found = run(work(tmp_path / "user", f"open({path})\n"), job())
    assert found.state == "failed" and "(train.py, line 1)" in found.note
    assert ("start it from above, as in gradiometer prove folder/train.py" in found.note) is above


TWO = (
    HEAD
    + """
def network(depth, act):
    layers = []
    for k in range(depth):
        layers += [nn.Linear(8 if k == 0 else 16, 16), act()]
    return nn.Sequential(nn.Sequential(*layers), nn.Linear(16, 4))

def fit(model):
    opt = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(8):
        i = torch.randint(0, 256, (32,))
        loss = F.cross_entropy(model(X[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()

def main():
    one, two = network(2, nn.ReLU), network(3, nn.Sigmoid)
    fit(one)
    fit(two)
    print([m.weight.std().item() for m in (one[0][0], two[0][0])], sum(isinstance(m, nn.ReLU) for m in two.modules()))

main()
"""
)


def test_of_two_networks_the_one_that_is_named_as_a_watch_names_it_is_treated(tmp_path: Path) -> None:
    """Both are a Sequential of a Sequential in a function: no variable of the script names them."""
    given = work(tmp_path / "user", TWO, Primary("metric", "higher", "relus", r"\] (\d+)"))
    first, second, unnamed = (
        run(given, job(arm("he"), steps=None), model=name) for name in ("sequential", "sequential-2", "")
    )
    assert (first.value, second.value, unnamed.value) == (0.0, 3.0, 0.0)  # ReLUs in the second one afterwards
    assert first.digest == unnamed.digest and len(second.curve) == 8
    gone = run(given, job(arm("he"), steps=None), model="sequential-3")
    assert gone.state == "failed" and gone.note.startswith("The network sequential-3 was not called with gradients")


AGAINST = (
    HEAD
    + """
G = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
D = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
opt_g, opt_d = torch.optim.SGD(G.parameters(), lr=0.1), torch.optim.SGD(D.parameters(), lr=0.1)
for step in range(5):
    fake = G(torch.randn(32, 8))
    loss = 10 + D(fake.detach()).square().mean()
    opt_d.zero_grad()
    loss.backward()
    opt_d.step()
    loss = D(fake).mean() - 10
    opt_g.zero_grad()
    loss.backward()
    opt_g.step()
print("done=1")
"""
)


def test_the_curve_of_a_network_beside_another_has_its_own_losses(tmp_path: Path) -> None:
    given = work(tmp_path / "user", AGAINST, Primary("metric", "higher", "done", r"done=(\d)"))
    curves = {name: run(given, job(steps=None), model=name).curve for name in ("G", "D")}
    assert [s for s, _ in curves["G"]] == [s for s, _ in curves["D"]] == list(range(5))
    assert all(v < 0 for _, v in curves["G"]) and all(v > 9 for _, v in curves["D"])
    ruled = work(tmp_path / "ruled", AGAINST)
    through = run(ruled, job(steps=3), model="G")
    assert through.incomparable.endswith("lies between output and loss, outside of G.")
