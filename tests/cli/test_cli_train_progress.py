"""What a training shows while it runs: rarely, rightly, in a pipe hardly ever. Ctrl-C waits for a step's end."""

from __future__ import annotations

import math
import signal

import numpy as np
import pytest

from gradiometer.cli.train_break import Breaks
from gradiometer.cli.train_progress import Throttle, first_layer_steps, shown, status_line
from gradiometer.records import STAT_INDEX, STATS, Frame, ModuleSeen, Network, ParamSeen, Run, RunInfo, Site
from gradiometer.views import Style

PLAIN = Style(80, False, False)


def two_layers(*updates: tuple[float, float]) -> Run:
    """Two layers of weight norm 10; a frame for each (update norm of the upper layer, of the one nearest the input)."""
    modules = tuple(ModuleSeen(p, "Linear", "weights", "linear", weight=f"{p}.weight") for p in ("low", "up"))
    params = tuple(ParamSeen(f"{p}.weight", (4, 4), True, True) for p in ("low", "up"))
    sites = tuple(Site("net", p.name, kind="param") for p in params)
    frames = []
    for step, (upper, lower) in enumerate(updates):
        values = np.full((2, len(STATS)), np.nan)
        values[:, STAT_INDEX["weight_norm"]] = 10.0
        values[:, STAT_INDEX["update_norm"]] = (lower, upper)
        frames.append(Frame("net", step, 1.0, 0.1, 1.0, 0.0, 0.0, values))
    network = Network("net", "MLP", modules, params, (), ("up", "low"))
    return Run(RunInfo("net"), (network,), sites, tuple(frames))


def test_the_first_layer_is_the_one_nearest_the_input_in_the_newest_frame_that_knows_it() -> None:
    assert first_layer_steps(two_layers((1.0, 0.5))) == 20.0
    assert first_layer_steps(two_layers((1.0, 0.5), (1.0, 0.1))) == 100.0
    assert first_layer_steps(two_layers((1.0, 0.5), (math.nan, math.nan))) == 20.0
    assert first_layer_steps(two_layers((1.0, 0.0))) == math.inf
    assert math.isnan(first_layer_steps(two_layers((math.nan, math.nan))))


def test_the_line_tells_step_loss_and_first_layer() -> None:
    assert status_line(1200, 2.31, two_layers((1.0, 0.5)), PLAIN) == "step 1 200 | loss 2.31 | first layer 20 steps"
    assert status_line(1200, 2.31, two_layers((1.0, 0.0)), PLAIN) == "step 1 200 | loss 2.31 | first layer never"
    assert status_line(3, math.nan, None, PLAIN) == "step 3 | loss -"


def test_drawing_is_throttled_and_words_are_made_only_where_they_are_drawn() -> None:
    drawn: list[int] = []
    now_s = iter([0.0, 0.1, 0.3, 0.5, 0.51, 5.0])
    throttle = Throttle(lambda done, words: drawn.append(int(words(PLAIN))), 0.2, begin_s=-math.inf)
    throttle.clock = lambda: next(now_s)
    made: list[int] = []
    for step in range(1, 7):
        throttle(step, lambda style, step=step: made.append(step) or str(step))  # type: ignore[misc]
    assert drawn == made == [1, 3, 4, 6]


def test_a_pipe_gets_a_plain_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(5000) as show:
        assert isinstance(show, Throttle)
        begun_s = show.last_s
        for step, passed_s in ((1, 0.5), (800, 19.0), (900, 20.5), (901, 21.0)):
            show.clock = lambda at_s=begun_s + passed_s: at_s  # type: ignore[misc]
            show(step, lambda style, step=step: status_line(step, 2.31, None, style))  # type: ignore[misc]
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "gradiometer: step 900 | loss 2.31 | 18 %\n")


def test_ctrl_c_waits_for_the_end_of_a_step() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Breaks() as breaks:
        breaks.between_steps()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the second changes nothing
        assert breaks.asked
        with pytest.raises(KeyboardInterrupt):
            breaks.between_steps()
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Breaks() as breaks:
            signal.raise_signal(signal.SIGINT)
        assert not breaks.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
