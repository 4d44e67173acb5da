"""The page and the document of two runs beside each other."""

from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len
from views_build import Chain, run_of

from gradiometer.diagnosis import diagnose
from gradiometer.records import Run
from gradiometer.views import Named, Style, compare_page, compared_runs
from gradiometer.views.dashboard import judged


def named(run: Run) -> Named:
    return Named(f"{run.info.name}.gmr", judged(run, diagnose(run)))


def chain(gain: float, n: int = 9, **more: object) -> Run:
    made = Chain([gain] * n, [1.0] * n, activation="tanh", needs=[40.0 / gain] * (n + 1), **more)  # type: ignore[arg-type]
    return run_of(made, name=f"gain {gain}")


@pytest.mark.parametrize("columns", [40, 80, 100])
@pytest.mark.parametrize(
    "other", [chain(0.5), chain(0.5, 4), chain(0.5, missing={9: "zero"}), dataclasses.replace(chain(0.5), frames=())]
)
def test_no_line_is_wider_than_the_terminal(other: Run, columns: int) -> None:
    page = compare_page(named(chain(0.1)), named(other), style=Style(width=columns, colour=False))
    assert max(map(cell_len, page.splitlines())) <= columns
    assert "outcome" in page


def test_trunks_of_other_lengths_are_drawn_over_their_whole_way() -> None:
    page = compare_page(named(chain(0.5, 9)), named(chain(0.5, 4)))
    assert "way from the loss (0) to the input (1)" in page
    assert "(10 and 5 sites)" in " ".join(page.split())


def test_without_an_error_there_is_no_picture_and_it_is_said() -> None:
    empty = dataclasses.replace(chain(0.5), frames=())
    found = compared_runs(named(empty), named(chain(0.5)))
    assert (found.sites, found.decades) == (((), ()), ((), ()))
    page = compare_page(named(empty), named(chain(0.5)))
    assert "There is no step at which both have an error to compare." in " ".join(page.split())
    assert "LOSS" not in page


def test_equal_runs_are_said_to_be_equal() -> None:
    page = compare_page(named(chain(0.5)), named(chain(0.5)))
    assert "A and B bring the same error" in page
    assert page.count("the same") >= 3  # the error, the steps that are needed, the verdict
