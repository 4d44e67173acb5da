"""The watched run of a trial: a script that watches itself as well, and the number that it logs or prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from trial_scripts import HEAD, SHALLOW, run_watched, work

from gradiometer.records import Primary
from gradiometer.store import open_run
from gradiometer.trial.metric import told_metric
from gradiometer.trial.wire import FIRST_STEP_S, LAST_STEP_S, STEPS, own

ITSELF = (
    HEAD
    + """
{door}
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
opt = torch.optim.SGD(model.parameters(), lr=0.05)
with watch(model, opt, out="own.gmr") as handle:
    for step in range(5):
        loss = F.cross_entropy(model(X), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        handle.log(score=step)
assert len(handle.run().curve()) == 5
try:
    handle.log(score=99)
except Exception as error:
    print(type(error).__name__, error)
for step in range(3):
    F.cross_entropy(model(X), y).backward()
    opt.step()
"""
)


@pytest.mark.parametrize(
    "door",
    [
        "import gradiometer as gm; watch = gm.watch",
        "from gradiometer import watch",
        "from gradiometer.session.watch import watch",
        "from gradiometer.session import watch",
    ],
)
def test_a_script_that_watches_itself_shares_the_watch_and_what_it_logs_is_the_outcome(
    tmp_path: Path, door: str
) -> None:
    given = work(tmp_path / "user", ITSELF.format(door=door), Primary("log", name="score"))
    found = run_watched(given, tmp_path / "watched.gmr")
    assert (found.state, found.value, found.steps) == ("finished", 4.0, 8), found.note  # it goes on after the script's
    assert not list((tmp_path / "scratch").rglob("own.gmr"))
    assert [v for _, v in open_run(tmp_path / "watched.gmr").logged["score"]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    (said,) = (tmp_path / "scratch").rglob("stdout")
    assert said.read_text().startswith("UserError This watch is closed.")


def test_what_is_never_logged_or_no_number_is_told_before_the_trial(tmp_path: Path) -> None:
    told = {
        "It never logged a number called 'f1'.": Primary("log", name="f1"),
        "Nothing that it printed matches 'f1=(.+)'.": Primary("metric", pattern="f1=(.+)"),
        "What '(acc.+)' finds last is 'acc=": Primary("metric", pattern="(acc.+)"),
    }
    for k, (words, primary) in enumerate(told.items()):
        found = run_watched(work(tmp_path / str(k) / "user", SHALLOW, primary), tmp_path / f"{k}.gmr")
        assert found.state == "failed" and found.note.startswith(words)


def test_the_last_match_that_is_a_number_counts() -> None:
    assert told_metric("acc=.5\nacc=.6 (best)\n", r"acc=([0-9.]+)") == (0.6, "")
    assert told_metric("acc=.5\nacc=none\n", r"acc=(\S+)") == (0.5, "")
    value, why = told_metric("acc=53 %\n", r"acc=(.*)")
    assert value is None and "'53 %', which is no number" in why


ONE_AFTER_ANOTHER = (
    HEAD
    + """
def fit(steps, *models):
    opt = torch.optim.SGD([p for m in models for p in m.parameters()], lr=0.05)
    for step in range(steps):
        loss = sum(F.cross_entropy(m(X), y) for m in models)
        opt.zero_grad()
        loss.backward()
        opt.step()

one, two, three = (nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)) for k in range(3))
fit(7, one)
fit(4, two, three)
"""
)


def test_steps_and_times_of_each_network_are_told(tmp_path: Path) -> None:
    told = run_watched(work(tmp_path / "user", ONE_AFTER_ANOTHER), tmp_path / "watched.gmr").mechanism
    assert [told[own(STEPS, m)] for m in ("one", "two", "three")] == [7, 4, 4]
    first, last = ([told[own(name, m)] for m in ("one", "two")] for name in (FIRST_STEP_S, LAST_STEP_S))
    assert told[FIRST_STEP_S] == first[0] < last[0] < first[1] < last[1]
