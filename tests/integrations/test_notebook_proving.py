"""How far a trial of ``gm.prove`` is: one output in a notebook, one line on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

import gradiometer as gm
from gradiometer.integrations import proving
from gradiometer.views import Style
from gradiometer.views.share import Share, clock, share_line


def loss(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def make(seed: int) -> gm.Setup:
    x = torch.randn(32, 6)
    layers = [m for k in range(4) for m in (nn.Linear(6, 6), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(6, 3))
    return gm.Setup(model, [(x, x[:, :3].argmax(1))], loss, torch.optim.SGD(model.parameters(), lr=0.1))


def proven() -> list[str]:
    proof = gm.prove(make, ["tanh"], seeds=2, steps=10, lr_search=False)
    assert proof.result is not None
    return [o.digest for o in proof.result.outcomes]


class Screen:
    """What a frontend was given."""

    def __init__(self) -> None:
        self.shown: list[tuple[dict[str, str], str | None, bool]] = []

    def display(self, forms: Any, display_id: str | None = None, update: bool = False) -> None:
        self.shown.append((dict(forms), display_id, update))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_notebook_has_one_output_that_ends_in_one_quiet_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(proving, "in_notebook", lambda: True)
    monkeypatch.setattr(proving, "display", screen.display)
    proven()
    (first, ident, update), *others = screen.shown
    assert "watching it once" in first["text/html"] and 'role="progressbar"' in first["text/html"] and not update
    assert ident and others and all(i == ident and u for _, i, u in others)
    assert any("the paired trial" in forms["text/plain"] for forms, _, _ in others)
    assert "trial ended after 0:0" in others[-1][0]["text/plain"]
    assert 'role="progressbar"' not in others[-1][0]["text/html"] and "ended after" in others[-1][0]["text/html"]
    assert not any("<script" in forms["text/html"] for forms, _, _ in screen.shown)


def test_a_terminal_has_one_line_that_goes_and_the_trainings_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, terminal = proven(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(proving, "EVERY_S", 0.0)
    monkeypatch.setattr(proving, "share_line", lambda now, style: f"{random.random()} {now.words} {now.share:.2f}")
    random.seed(4)
    assert proven() == silent
    drawn = random.random()
    random.seed(4)
    assert drawn == random.random()
    written = terminal.getvalue()
    assert written.count("\r\x1b[K") > 5 and written.endswith("\r\x1b[K") and "\n" not in written
    shares = [float(line.split()[-1]) for line in written.split("\r\x1b[K") if line]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0


def test_what_ends_with_an_error_takes_its_line_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(ZeroDivisionError):
        gm.prove(lambda seed: 1 / 0, ["tanh"])  # type: ignore[arg-type, return-value]
    assert "watching it once" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[K")


def test_neither_draws_nothing_and_the_own_progress_takes_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    proven()
    gm.prove(make, ["tanh"], seeds=2, steps=10, lr_search=False, progress=lambda share, words: heard.append(words))
    assert capsys.readouterr() == ("", "") and heard[0] == "watching it once" and "the paired trial" in heard


def test_it_is_drawn_at_most_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((0.0, 0.0, 0.1, 0.2, 0.24, 0.26, 9.0))
    monkeypatch.setattr(proving, "_now", lambda: next(times))
    put: list[Share] = []

    class Place:
        def put(self, now: Share) -> None:
            put.append(now)

        def end(self, spent_s: float) -> None:
            assert spent_s == 9.0

    drawn = proving.Drawn(Place())
    for share, words in ((0.0, "a"), (0.1, "a"), (0.2, "b"), (0.3, "b"), (0.4, "b")):
        drawn.tick(share, words)
    drawn.end()
    assert [(now.share, now.words) for now in put] == [(0.0, "a"), (0.2, "b")]


@pytest.mark.parametrize("fancy", [True, False])
def test_the_line_has_share_time_and_time_left_and_fits(fancy: bool) -> None:
    line = share_line(Share(0.25, "the paired trial", 20.0), Style(80, False, fancy))
    bar, dot = ("███░░░░░░░░░", "·") if fancy else ("###---------", "|")
    assert line == f"the paired trial  {bar}  25 % {dot} 0:20 {dot} left 1:00"
    assert "left" not in share_line(Share(0.0, "a", 20.0), Style(80, False, fancy))
    assert "left" not in share_line(Share(0.5, "a", 0.5), Style(80, False, fancy))  # imports, not a rate
    assert len(share_line(Share(1.5, "screening" * 9, 3600.0), Style(40, False, fancy))) <= 40
    assert [clock(s) for s in (-1, 0, 59.4, 59.6, 3723)] == ["0:00", "0:00", "0:59", "1:00", "1:02:03"]


def test_the_trial_alone_loads_nothing_that_draws() -> None:
    program = "import sys, gradiometer.trial.prove_code; print([m for m in sys.modules if 'integrations' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
