"""Two runs beside each other, and trials: the numbers are those of the profile, and the words follow from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from server_client import Client
from server_runs import healthy_run, put, put_trial, trial, vanishing_run
from views_build import Chain, run_of

from gradiometer.diagnosis import diagnose
from gradiometer.records import OptimizerSeen, Run
from gradiometer.server.app import make_app
from gradiometer.server.gate import Door
from gradiometer.server.names import identifier
from gradiometer.views import dashboard
from gradiometer.views.dashboard_compare import common_steps, compare_document
from gradiometer.views.dashboard_trial import progress, trial_row

PORT = 8471


def chain(gain: float, n: int = 9, **more: object) -> Run:
    made = Chain([gain] * n, [1.0] * n, activation="tanh", needs=[40.0 / gain] * (n + 1), **more)  # type: ignore[arg-type]
    return run_of(made, name=f"gain {gain}")


def both(a: Run, b: Run, step: int | None = None) -> dict[str, object]:
    sides = [dashboard.judged(run, diagnose(run)) for run in (a, b)]
    return compare_document(sides[0], sides[1], step)


def test_the_difference_is_the_one_of_the_profiles() -> None:
    document = both(chain(0.1), chain(0.5))
    assert document["headline"].startswith("B brings 6.3 decades more error to layer 1 than A.")  # type: ignore[attr-defined]
    bars = next(t for t in document["chart"]["traces"] if t["type"] == "bar")  # type: ignore[index]
    assert bars["y"] == pytest.approx([np.log10(5)] * 9)
    other = both(chain(0.5), chain(0.1))
    assert other["headline"].startswith("B brings 6.3 decades less error")  # type: ignore[attr-defined]
    assert both(chain(0.5), chain(0.5))["headline"].startswith("A and B bring the same error")  # type: ignore[attr-defined]


def test_trunks_of_other_lengths_have_no_bars_and_it_is_said() -> None:
    document = both(chain(0.5, 9), chain(0.5, 4))
    assert "(10 and 5 sites)" in str(document["note"])
    assert not [t for t in document["chart"]["traces"] if t["type"] == "bar"]  # type: ignore[index]


def test_only_the_settings_that_differ_are_listed() -> None:
    a, b = chain(0.5), chain(0.5)
    seen = [OptimizerSeen("o", "SGD", {"lr": lr, "momentum": 0.9}, {"net": ()}, 1) for lr in (0.1, 0.3)]
    document = both(dataclasses.replace(a, optimizers=(seen[0],)), dataclasses.replace(b, optimizers=(seen[1],)))
    assert document["differs"] == [{"name": "lr", "a": "0.1", "b": "0.3"}]
    assert "They differ in 1 of" in str(document["headline"])
    assert both(a, b)["differs"] == []


def test_a_step_is_one_that_both_have_recorded() -> None:
    a, b = chain(0.5, steps=(0, 10, 20)), chain(0.5, steps=(0, 10, 15, 40))
    sides = [dashboard.judged(run, diagnose(run)) for run in (a, b)]
    assert common_steps(*sides) == [0, 10]
    assert both(a, b)["at"] == "at step 10 of both"
    assert both(a, b, 17)["at"] == "at step 10 of A, step 15 of B"
    apart = both(a, chain(0.5, steps=(5,)))
    assert apart["steps"] == [10, 20] and apart["at"] == "at step 20 of A, step 5 of B"


def test_an_error_that_does_not_arrive_is_no_number() -> None:
    document = both(chain(0.5), chain(0.5, missing={9: "zero"}))
    assert str(document["headline"]).startswith("The error of B does not reach layer 1.")


def test_runs_without_an_error_have_no_picture() -> None:
    empty = dataclasses.replace(chain(0.5), frames=())
    document = both(empty, chain(0.5))
    assert document["chart"] is None
    assert str(document["headline"]).startswith("There is no step at which both")


def test_progress_counts_what_ended_of_what_was_planned() -> None:
    assert progress(trial("running")) == (4, 7)  # 2 arms on 3 seeds, and one sham so far
    assert trial_row(trial("running"))["runs"] == "4 of 7 runs"
    assert trial_row(trial())["runs"] == "9 runs"
    assert trial_row(trial())["verdict"]["tag"] == "Helps"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("two")
    put(folder / "a.gmr", vanishing_run())
    put(folder / "b.gmr", healthy_run())
    put_trial(folder / "trial.gmr", trial())
    with Client(
        make_app(folder, Door("right", PORT)), f"http://127.0.0.1:{PORT}", {"authorization": "Bearer right"}
    ) as one:
        yield one


def test_the_server_compares_two_listed_runs(client: Client) -> None:
    a, b = identifier("a.gmr"), identifier("b.gmr")
    document = client.get("/api/compare", params={"a": a, "b": b}).json()
    assert [document["a"]["id"], document["b"]["id"]] == [a, b]
    assert "decades more error" in document["headline"]
    assert client.get("/api/compare", params={"a": a}).status_code == 404
    assert client.get("/api/compare", params={"a": a, "b": "../b.gmr"}).status_code == 404
    assert client.get("/api/compare", params={"a": a, "b": identifier("trial.gmr")}).status_code == 409
    assert client.get("/api/compare", params={"a": a, "b": b, "step": "x"}).status_code == 404


def test_a_trial_has_its_page_and_a_run_has_none_there(client: Client) -> None:
    page = client.get(f"/trials/{identifier('trial.gmr')}")
    assert page.status_code == 200
    assert "With tanh the loss ends 2.1 lower" in page.text
    assert "x = 1 &lt; 2" in page.text
    assert "<script>" not in page.text and "<style" not in page.text
    assert client.get(f"/trials/{identifier('a.gmr')}").status_code == 404
    assert client.get("/trials/0").status_code == 404
