"""Mutants, the arithmetic of the score, and the rules of others."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import faults_room
import numpy as np
import pytest
from baselines import Alarm, alarms
from cases import load_corpus
from judging import Said, ranked, up_to
from labels import Label
from mutants import OPERATORS, drawn, mutants_of, mutated
from rates import Judged, first_right, first_step, rate, score_of, speaks, symptom_right, three_right
from scipy import stats
from telling import aims

from gradiometer.records import Alternative, Finding, Frame, LossSeen, Network, ParamSeen, Run, RunInfo, Site
from gradiometer.records.frame import STAT_INDEX, STATS

SCRIPT = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.body = nn.ModuleList(nn.Linear(8, 8) for _ in range(depth))
        self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1))

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([layer(x) for layer in self.body])
        return x

x, y = torch.tensor(images) / 16, torch.tensor(labels)
model = Net(2)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(9):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print("test loss:", nn.functional.cross_entropy(model(x), y).item())
"""


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.name)
def test_an_operator_changes_one_thing_and_the_rest_stays(operator) -> None:
    text = SCRIPT.replace("Adam(", "SGD(") if operator.name == "clipped" else SCRIPT
    changed = mutated(text, operator)
    assert changed is not None
    compile(changed, "mutant", "exec")
    plain = ast.unparse(ast.parse(text)).splitlines()
    other = [line for line in changed.splitlines() if line not in plain]
    assert 1 <= len(other) <= 4
    assert changed.splitlines()[-1] == plain[-1]  # the ruler stays as it is


def test_a_loss_made_before_the_loop_keeps_its_settings() -> None:
    text = "ce = nn.CrossEntropyLoss(label_smoothing=0.1)\nloss = ce(a, b)\nloss.backward()\nprint(ce(c, d))\n"
    by_name = {o.name: o for o in OPERATORS}
    summed = mutated(text, by_name["summed"])
    assert summed is not None
    assert "loss = nn.CrossEntropyLoss(label_smoothing=0.1, reduction='sum')(a, b)" in summed
    assert "print(ce(c, d))" in summed
    squashed = mutated(text, by_name["squashed"])
    assert squashed is not None
    assert "ce(torch.softmax(a, 1), b)" in squashed


@pytest.mark.parametrize("made", ["Adam(p)", "Adam(p, 0.5)", "Adam([{'params': p, 'lr': 0.5}])"])
def test_a_rate_is_multiplied_wherever_it_stands(made: str) -> None:
    changed = mutated(f"o = torch.optim.{made}\n", next(o for o in OPERATORS if o.name == "rate x100"))
    assert changed is not None
    assert ("0.5 * 100.0" if "0.5" in made else "0.001 * 100.0") in changed


def test_targets_keep_their_scale_where_inputs_lose_it() -> None:
    text = "X = (X - X.mean(0)) / X.std(0)\ny = (y - y.mean()) / y.std()\nz = scaler.transform(X)\n"
    changed = mutated(text, next(o for o in OPERATORS if o.name == "raw inputs"))
    assert changed == "X = X\ny = (y - y.mean()) / y.std()\nz = scaler.transform(X)\n"


def test_an_operator_that_finds_nothing_makes_no_mutant() -> None:
    assert all(mutated("x = 1\n", operator) is None for operator in OPERATORS)


def test_the_mutants_of_a_case_are_the_same_each_time() -> None:
    case = next(c for c in load_corpus(names=["h-digits-a"]))
    names = [m.script.role for m in mutants_of(case)]
    assert names == [m.script.role for m in mutants_of(load_corpus(names=["h-digits-a"])[0])]
    assert len(names) == len(set(names)) > 0
    families = [o.family for o in drawn("h-digits-a")]
    assert len(families) == len(set(families))


# ---- what counts --------------------------------------------------------------------------------------------------
FAULTY = Label("a", "faulty", "verified", (0, 1), ("stalled",), ("lr-too-low", "input-scale"))


def said(*findings: tuple[str, str, str], more: tuple[str, ...] = (), **rest: object) -> Said:
    causes = tuple(dict.fromkeys([c for _, _, c in findings] + list(more)))
    return Said(findings, causes, 100, **rest)  # type: ignore[arg-type]


def test_right_and_wrong() -> None:
    right = said(("warn", "stalled", "input-scale"))
    other = said(("fail", "stalled", "noise-dominates"), more=("capacity-too-small", "lr-too-low"))
    silent = said()
    assert [symptom_right(FAULTY, x) for x in (right, other, silent)] == [True, True, False]
    assert [first_right(FAULTY, x) for x in (right, other, silent)] == [True, False, False]
    assert [three_right(FAULTY, x) for x in (right, other, silent)] == [True, True, False]
    fourth = said(("fail", "stalled", "noise-dominates"), more=("a", "b", "lr-too-low"))
    assert not three_right(FAULTY, fourth)


def test_how_early_a_finding_was_right() -> None:
    early = said(
        ("fail", "stalled", "lr-too-low"),
        prefixes={5: (("noise-dominates",), ()), 20: (("lr-too-low",), ()), 50: (("lr-too-low",), ())},
    )
    assert first_step(FAULTY, early) == 20
    assert first_step(FAULTY, said(("fail", "stalled", "lr-too-low"))) == 100
    assert first_step(FAULTY, said()) == float("inf")


def test_a_case_counts_by_its_share_over_seeds() -> None:
    both = Judged(FAULTY, "report", "faulty", (said(("fail", "stalled", "lr-too-low")), said()))
    assert both.share(first_right) == 0.5
    whole = rate([1.0, 0.5, 0.0, 0.5])
    assert (whole.value, whole.cases) == (0.5, 4)
    assert whole.low < whole.lower < 0.5 < whole.upper < whole.high
    assert whole.low <= whole.boot_low <= 0.5 <= whole.boot_high <= whole.high
    exact = stats.binomtest(45, 60).proportion_ci(0.95, "exact")
    assert (rate([1.0] * 45 + [0.0] * 15).low, rate([1.0] * 45 + [0.0] * 15).high) == pytest.approx(tuple(exact))
    none = rate([0.0] * 60)
    assert none.upper == pytest.approx(1 - 0.05 ** (1 / 60), rel=1e-6)  # the rule of three, exactly


def test_the_score_of_made_up_answers() -> None:
    slow = Alarm("slow convergence", ("stalled",), ("lr-too-low",))
    others = dict.fromkeys(("loss did not fall by 40 %", "AutoTrainer", "SageMaker Debugger"), (slow,))
    good = replace(said(("fail", "stalled", "lr-too-low")), others=others)
    sound = Label("b", "healthy", "healthy", (0,), ("none",))
    rows = [
        Judged(FAULTY, "report", "faulty", (good, good)),
        Judged(sound, "report", "healthy", (replace(said(), others=others),)),
        Judged(sound, "report", "healthy", (replace(said(("fail", "zero", "loss-sign")), others=others),)),
    ]
    plain = Label("d", "faulty", "random", (1,), ("stalled",), (), rate=0.5)
    score = score_of(rows, [FAULTY, sound, plain, Label("c", "faulty", "unverified", why="no")])
    assert score.rates["faulty/report"]["first"].value == 1.0
    assert score.rates["healthy/report"]["fails"].value == 0.5
    assert score.others["AutoTrainer/report"]["alarms"].value == 1.0
    assert score.others["AutoTrainer/report"]["cause"].value == 1.0
    assert score.rules["AutoTrainer: slow convergence"]["flags"].value == 1.0
    assert [a["said"] for a in score.alarms] == [{"fail zero loss-sign": 1}]
    assert score.labels == {"faulty": {"verified": 1, "random": 1, "unverified": 1}, "healthy": {"healthy": 1}}
    assert score.groups["step"]["first"].value == 1.0
    assert [r["case"] for r in score.random] == [r["case"] for r in score.causeless] == ["d"]
    assert score.misses == []
    assert score.unscored[0]["case"] == "c"
    assert not speaks(FAULTY, said())
    assert aims(score)[-2:] == [
        "Aim on the reporting half, false alarms (fail) <= 2%: 50.0%, missed by 48.0 points",
        "Aim on the reporting half, warnings or worse <= 10%: 50.0%, missed by 40.0 points",
    ]
    assert aims(score)[0].endswith("symptom found >= 95%: 100.0%, met")


def test_causes_are_ranked_as_a_reader_meets_them() -> None:
    finding = Finding(
        "m", "stalled", "lr-too-low", "fail", (), (0, 1), "", alternatives=(Alternative("clip-binds", ""),)
    )
    other = Finding("m", "zero", "gradient-blocked", "warn", (), (0, 1), "")
    assert ranked([finding, other]) == ("lr-too-low", "gradient-blocked", "clip-binds")


# ---- others -------------------------------------------------------------------------------------------------------
def run_of(losses: list[float]) -> Run:
    curve = np.array([(i, x, 0.1) for i, x in enumerate(losses)])
    frames = tuple(Frame("m", i, x, 0.1, 1.0, 0.0, 0.0, np.empty((0, len(STATS)))) for i, x in enumerate(losses))
    seen = LossSeen("m", "cross_entropy", "mean", "", 10, 32, 2.3, 0.0, factor=1.0)
    return Run(RunInfo("r"), (Network("m", "M"),), (), frames, (seen,), curves={"m": curve})


def rules(name: str, run: Run) -> set[str]:
    return {a.rule for a in alarms(name, run)}


@pytest.mark.parametrize(
    ("losses", "said_of_it"),
    [
        ([2.3] * 40, {"loss did not fall"}),
        ([2.3 * 0.97**i for i in range(60)], set()),
        ([-1.0 - 0.1 * i for i in range(60)], set()),  # a negative loss falls as well
        ([2.3, 2.3, float("nan")], {"loss not finite"}),
    ],
)
def test_the_naive_rule(losses: list[float], said_of_it: set[str]) -> None:
    assert rules("loss did not fall by 40 %", run_of(losses)) == said_of_it


def test_the_others_read_a_run_without_a_module() -> None:
    falling = run_of([2.3 * 0.97**i for i in range(100)])
    assert rules("AutoTrainer", falling) == rules("SageMaker Debugger", falling) == set()
    flat = run_of([2.3] * 40)
    assert rules("AutoTrainer", flat) == {"slow convergence"}
    assert rules("SageMaker Debugger", flat) == {"LossNotDecreasing", "PoorWeightInitialization"}
    infinite = run_of([2.3, float("inf")])
    assert "gradient exploding" in rules("AutoTrainer", infinite)
    assert "ExplodingTensor" in rules("SageMaker Debugger", infinite)


@pytest.mark.parametrize(
    ("stat", "value", "name", "rule"),
    [
        ("grad_norm_raw", (1e-6, 1.0), "AutoTrainer", "gradient vanishing"),
        ("grad_norm_raw", (100.0, 1.0), "AutoTrainer", "gradient exploding"),
        ("grad_zero_share", (0.9, 0.9), "AutoTrainer", "dying ReLU"),
        ("grad_norm", (1e-9, 1.0), "SageMaker Debugger", "VanishingGradient"),
        ("update_norm", (20.0, 1.0), "SageMaker Debugger", "WeightUpdateRatio, large"),
        ("update_norm", (0.0, 0.1), "SageMaker Debugger", "UnchangedTensor"),
        ("weight_nonfinite", (1.0, 0.0), "SageMaker Debugger", "ExplodingTensor"),
    ],
)
def test_a_rule_of_the_others_fires_beyond_its_limit_alone(stat: str, value: tuple, name: str, rule: str) -> None:
    healthy = {"grad_norm_raw": (1.0, 1.0), "grad_norm": (1.0, 1.0), "update_norm": (0.01, 0.01)}
    healthy |= {"weight_norm": (1.0, 1.0), "grad_zero_share": (0.0, 0.0), "weight_nonfinite": (0.0, 0.0)}
    assert rule not in rules(name, two_layers(healthy))
    assert rule in rules(name, two_layers({**healthy, stat: value}))


def two_layers(stats_of: dict[str, tuple]) -> Run:
    """A training that learns nothing, of two weight matrices with these statistics at each of 40 steps."""
    plain = run_of([2.3] * 40)
    params = tuple(ParamSeen(n, (2, 2), True, True) for n in ("a.weight", "b.weight"))
    values = np.full((2, len(STATS)), np.nan)
    for stat, pair in stats_of.items():
        values[:, STAT_INDEX[stat]] = pair
    frames = tuple(replace(f, values=values) for f in plain.frames)
    sites = tuple(Site("m", p.name, kind="param") for p in params)
    return replace(plain, networks=(Network("m", "M", params=params),), site_table=sites, frames=frames)


def test_a_run_up_to_a_step() -> None:
    run = up_to(run_of([2.3] * 40), 10)
    assert (len(run.frames), len(run.curves["m"])) == (11, 11)


def test_the_readme_names_what_there_is() -> None:
    text = (Path(faults_room.FAULTS) / "README.md").read_text(encoding="utf-8")
    for name in ("run.py", "twins.py", "labels.py", "mutants.py", "baselines.py", "moved.txt"):
        assert name in text
        assert (Path(faults_room.FAULTS) / name).exists()
