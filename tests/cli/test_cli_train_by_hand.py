"""``gradiometer train --by-hand``: its page, its document, what is refused, Ctrl-C."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_tools import gradiometer
from click.testing import Result
from rich.cells import cell_len
from typer.testing import CliRunner

from gradiometer import lab
from gradiometer.cli import app
from gradiometer.cli.train_by_hand_page import hand_line, hand_page
from gradiometer.cli.train_by_hand_plan import _WHY
from gradiometer.cli.train_by_hand_results import HandResults, LawSeen, placed
from gradiometer.lab import Recipe, Score
from gradiometer.views import Style
from gradiometer.walk import by_hand
from gradiometer.walk.by_hand import prepare_by_hand, train_by_hand

pytestmark = pytest.mark.torch

SMALL = ("--depth", "2", "--width", "8", "--steps", "20")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of this process."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words: str) -> Result:
    done = CliRunner().invoke(app, ["train", "--by-hand", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(*words: str) -> dict[str, Any]:
    done = train(*words, "--json", "-")
    assert (done.exit_code, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def row(page: str, label: str) -> str:
    """The line that begins with a label."""
    (found,) = [line for line in page.splitlines() if line.startswith(label)]
    return found


# ---- the page --------------------------------------------------------------------------------------------------


def test_a_pipe_gets_a_plain_page_and_no_file(tmp_path: Path) -> None:
    done = gradiometer("train", "--by-hand", *SMALL, "--network", "cnn", "--optimizer", "adam", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    page = done.stdout.decode("ascii")
    assert max(map(len, page.splitlines())) <= 80
    assert row(page, "BY HAND") == "BY HAND  cnn on digits, 20 steps of adam at rate 0.001"
    assert row(page, "files").endswith("none: a training by hand is not watched, and leaves no run file")
    assert row(page, "checked").startswith("checked      the first step's gradients agree with autograd to ")
    for label in ("loss ", "forward ", "backward ", "update ", "laws ", "time ", "scores ", "test ", "task "):
        assert row(page, label)
    assert list(tmp_path.iterdir()) == []


def test_the_numbers_of_the_page_are_those_of_the_training() -> None:
    page = train(*SMALL, "--seed", "3").stdout
    losses: list[float] = []
    hand = prepare_by_hand(Recipe(depth=2, width=8, steps=20, seed=3))
    train_by_hand(hand, lambda step: losses.append(step.loss))
    score = lab.score(hand.training.network, hand.training.task, "train", hand.training.form)
    n = Style(80, False, False).numbers
    first, last, constant = n.number(losses[0]), n.number(losses[-1]), n.number(score.constant_loss)
    said = f"{first} at the first step, {last} at the last; best constant {constant}"
    assert row(page, "loss ").split(maxsplit=1)[1] == said
    assert f"{sum(hand.laws.values())} operations a step, loss first" in page
    weights = sum(n for law, n in hand.laws.items() if law.title == "weights")
    assert weights == 3
    assert "  3  weights " in page


def test_one_line_where_it_is_asked() -> None:
    done = train(*SMALL, "--quiet")
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("Trained by hand: loss 2.")
    assert " in 20 steps. Test accuracy " in done.stdout


def test_formulas_are_those_of_the_commonest_layer() -> None:
    sigmoid, plain = train(*SMALL, "--activation", "sigmoid").stdout, train(*SMALL, "--network", "cross-v2").stdout
    assert row(sigmoid, "backward") == "backward     delta_l = (W_(l+1)^T delta_(l+1)) .* sigma'(z_l)"
    assert row(sigmoid, "forward") == "forward      z = x W^T + b, y = sigma(z)"
    assert row(plain, "backward") == "backward     delta_l = W_(l+1)^T delta_(l+1)"
    assert placed(r"W_{@u} @d z_{@v}", "e", "2", "1") == "W_{2} e z_{1}"


def test_a_long_formula_breaks_between_its_equations() -> None:
    update = {"update": r"\Delta w = -\eta m, m = \beta m + g, (\alpha, \beta) = " + "a" * 40}
    page = hand_page(msgspec.structs.replace(results(1), formulas=update), Style(80, False, True))
    lines = [s[13:] for s in page.splitlines() if s[13:].startswith(("Δw", "(α"))]
    assert lines == ["Δw = −η m, m = β m + g,", f"(α, β) = {'a' * 40}"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_page_leaves_nothing_out(width: int) -> None:
    page = hand_page(results(2), Style(width, False, True))
    assert max(map(cell_len, page.splitlines())) <= width
    assert "digits, 2 steps of sgd at rate 0.1 by 2 hand-written laws" in " ".join(page.split())


def results(laws: int) -> HandResults:
    score = Score(1.0, 0.5, "accuracy", 2.3, 0.1)
    seen = tuple(LawSeen((f"law{i}",), f"law {i}", i + 1, r"W^{\top} \delta") for i in range(laws))
    return HandResults(
        recipe=Recipe(),
        task="a task",
        lr=0.1,
        steps=2,
        losses=(2.0, float("nan")),
        constant_loss=None,
        scores={"train": score},
        operations=sum(law.count for law in seen),
        laws=seen,
        formulas={"update": ", ".join(rf"\alpha_{{{i}}} = \beta + \gamma" for i in range(12))},
        gap=0.0,
        wall_s=0.5,
        diverged_at=2,
    )


@pytest.mark.parametrize("style", [Style(80, True, True), Style(80, False, False), Style(40, False, False)])
def test_every_line_fits_and_many_laws_are_told_in_twelve_rows(style: Style) -> None:
    page = hand_page(results(30), style)
    plain = hand_page(results(30), Style(style.width, False, style.unicode))
    assert max(map(len, plain.splitlines())) <= style.columns
    assert ("\x1b[" in page) is style.colour
    table = plain[plain.index("a step") : plain.index("checked")].split("\n\n")[0].splitlines()[1:]
    rows = [line for line in table if line.split()[0].isdigit()]
    assert len(rows) == 12
    assert rows[-1].split() == [str(sum(range(12, 31))), "19", "more"]
    assert sum(int(line.split()[0]) for line in rows) == results(30).operations
    whole = hand_page(results(12), Style(80, False, False))
    assert "more" not in whole
    assert "law 11" in whole
    assert "diverged     the loss did not stay finite" in hand_page(results(3), Style(80, False, False))
    assert hand_line(results(3), Style(80, False, False)).startswith("Trained by hand: loss 2 to - in 2 steps. Train ")


# ---- the document ----------------------------------------------------------------------------------------------


def test_the_document_has_losses_laws_scores_and_the_gap() -> None:
    found = told(*SMALL, "--activation", "prelu", "--optimizer", "nesterov")
    assert (found["schema"], found["kind"]) == (1, "by-hand")
    assert found["recipe"] == {**found["recipe"], "optimizer": "nesterov", "depth": 2, "lr": None}
    assert (found["lr"], found["steps"], len(found["losses"])) == (0.01, 20, 20)
    assert 0 < found["gap"] < 1e-14
    assert sum(law["count"] for law in found["laws"]) == found["operations"]
    assert {"title": "weights", "names": ["addmm"], "count": 3}.items() <= found["laws"][2].items()
    assert list(found["scores"]) == ["train", "validation", "test"]
    assert [name for name, _ in found["slopes"]] == ["blocks.1.act", "blocks.0.act"]
    assert list(found["formulas"]) == ["forward", "backward", "update"]
    assert found["diverged_at"] is None
    assert found["wall_s"] > 0


def test_a_loss_that_is_lost_is_null_and_said(folder: Path) -> None:
    words = ("--task", "article", "--lr", "1e200", "--steps", "9")
    done = train(*words, "--json", "d.json")
    found = json.loads((folder / "d.json").read_text())
    assert found["losses"][-1] is None
    assert found["diverged_at"] <= 9
    assert "diverged     the loss did not stay finite" in done.stdout
    assert "diverged" not in train("--task", "article", "--steps", "9").stdout


def test_gradients_that_are_not_finite_are_said() -> None:
    page = hand_page(msgspec.structs.replace(results(3), gap=float("nan")), Style(80, False, False))
    assert row(page, "checked") == "checked      nothing: the first step's gradients are not finite"
    assert row(hand_page(results(3), Style(80, False, False)), "checked").endswith("agree with autograd to 0")


def test_saved_weights_may_be_begun_from(folder: Path) -> None:
    training = lab.prepare(Recipe(task="xor", width=8, steps=30))
    lab.train(training)
    lab.save_state(folder / "xor.safetensors", training)
    words = ("--task", "xor", "--width", "8", "--steps", "2")
    begun, fresh = told(*words, "--from", "xor.safetensors"), told(*words)
    assert begun["losses"][0] < fresh["losses"][0]
    assert begun["started"]["matched"] and fresh["started"] is None


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_after_the_step_that_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    loss_of, calls = by_hand.loss_of, []

    def pressed(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return loss_of(*given)

    monkeypatch.setattr(by_hand, "loss_of", pressed)
    before = signal.getsignal(signal.SIGINT)
    try:
        done = train(*SMALL)
        assert done.exit_code == 130
        assert done.stderr == "gradiometer: Interrupted after step 3 of 20. Nothing of it is saved.\n"
        assert row(done.stdout, "BY HAND") == "BY HAND  plain on digits, 3 steps of sgd at rate 0.1"
    finally:
        signal.signal(signal.SIGINT, before)


# ---- told in one sentence --------------------------------------------------------------------------------------


def refused(*words: str) -> str:
    """The one sentence with which a training is refused before it leaves anything behind."""
    done = train(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("gradiometer: ")
    assert done.stderr.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []
    return done.stderr.removeprefix("gradiometer: ")


@pytest.mark.parametrize(
    "words",
    [
        ("--out", "x.gmr"),
        ("--every", "3"),
        ("--budget", "0.5"),
        ("--fail-on", "warn"),
        ("--ignore", "none"),
        ("--resume", "latest"),
        ("--search-lr",),
        ("--teacher", "latest"),
        ("--temperature", "3"),
        ("--soft-share", "0.3"),
        ("--hints", "1"),
        ("--hint-steps", "1"),
        ("--pretrain", "greedy"),
        ("--pretrain-steps", "3"),
    ],
    ids=lambda words: words[0],
)
def test_options_that_have_no_place_are_refused(words: tuple[str, ...]) -> None:
    sentence = refused(*words)
    assert sentence.startswith(f"{words[0]} has no place beside --by-hand: ")
    assert sentence.endswith(f"{_WHY[words[0]]}.\n")


def test_every_reason_belongs_to_an_option() -> None:
    given = CliRunner().invoke(app, ["train", "--help"]).stdout
    assert all(option in given for option in _WHY)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--optimizer", "muon"), "Muon has no update written by hand"),
        (("--optimizer", "lbfgs"), "LBFGS has no update written by hand"),
        (("--network", "resnet"), "resnet"),
        (("--network", "gru", "--norm", "batch"), "exclude each other"),
        (("--lr", "0"), "The learning rate is 0"),
        (("--json", "missing/d.json"), "there is no folder missing"),
        (("--from", "missing.safetensors"), "there is no such file"),
    ],
)
def test_what_the_lab_or_the_rules_refuse(words: tuple[str, ...], complaint: str) -> None:
    assert complaint in refused(*words)


def test_a_network_with_an_operation_that_has_no_law_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradiometer.walk.calls import CALLS

    monkeypatch.delitem(CALLS, "aten::relu")
    assert refused(*SMALL).startswith("blocks.0.act: aten::relu has no law written by hand")
