"""What a result shows in a notebook: one element, no script, no request, no name that escapes; plain text too."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "views"), str(TESTS / "cli")]

from cli_runs import chain_file  # noqa: E402
from page_elements import Elements  # noqa: E402
from test_views_html_trial import hostile as hostile_trial  # noqa: E402
from test_views_html_trial import whole as whole_trial  # noqa: E402
from test_views_html_walk_samples import hostile as hostile_walk  # noqa: E402
from test_views_html_walk_samples import mlp_walk, residual  # noqa: E402
from views_build import Chain, diagnosis_of, run_of, sigmoid_chain, vanishing  # noqa: E402

import gradiometer as gm  # noqa: E402
from gradiometer.integrations.markup import el, escaped, joined  # noqa: E402
from gradiometer.integrations.notebook import forms  # noqa: E402
from gradiometer.integrations.picture import LABELS_APART_PX, LOSS_PX, loss_picture  # noqa: E402
from gradiometer.integrations.show_run import run_html  # noqa: E402
from gradiometer.records import Change, NotCovered, Prescription, Receipt, Run, RunInfo  # noqa: E402

HOSTILE = "</style></script><img src=x onerror=alert(1)>&\"'<b>\x1b[2J"
MOST_BYTES = {"run": 45_000, "walk": 30_000, "trial": 30_000, "receipt": 25_000, "deep": 100_000}
"""Of an output: a notebook with ten of them stays below half a megabyte."""


def text_of(html: str) -> str:
    return " ".join("".join(Elements(html).text).split())


def shown(result: Any) -> dict[str, str]:
    return dict(forms(result))


def example() -> Run:
    return run_of(sigmoid_chain())


def hostile_run() -> tuple[Run, Any]:
    chain = Chain([0.5] * 4, [0.2] * 4, prefix=HOSTILE + ".", name=HOSTILE)
    run = run_of(chain, name=HOSTILE, problems=(HOSTILE,), not_covered=(NotCovered(HOSTILE, HOSTILE),), error=HOSTILE)
    found = msgspec.structs.replace(vanishing(sigmoid_chain()), model=HOSTILE, cause=HOSTILE, summary=HOSTILE)
    cures = tuple(msgspec.structs.replace(c, name=HOSTILE, title=HOSTILE, edit=HOSTILE) for c in found.cures)
    evidence = tuple(msgspec.structs.replace(e, quantity=HOSTILE, limit_source=HOSTILE) for e in found.evidence)
    found = msgspec.structs.replace(found, sites=(HOSTILE,), cures=cures, evidence=evidence)
    return run, diagnosis_of(run, found, note=HOSTILE)


def receipt(text: str, changes: int = 3) -> Receipt:
    return Receipt(Prescription("tanh", {"slope": text}, (text,)), (Change(text, text, text, text),) * changes)


RESULTS = {
    "run": example,
    "findings": lambda: diagnosis_of(example(), vanishing(sigmoid_chain())),
    "healthy": lambda: diagnosis_of(run_of(Chain([1.0] * 4, [1.0] * 4))),
    "finding": lambda: vanishing(sigmoid_chain()),
    "walk": mlp_walk,
    "hop": lambda: mlp_walk().hops[3],
    "residual hop": residual,
    "trial": whole_trial,
    "partial trial": lambda: whole_trial(state="running"),
    "verdict": lambda: whole_trial().verdicts[0],
    "receipt": lambda: receipt("net.3"),
    "empty run": lambda: Run(RunInfo("train")),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_every_kind_has_html_and_plain_text(kind: str) -> None:
    """The front door lends its views to the values: a frontend asks the value itself."""
    assert callable(gm.open)
    result = RESULTS[kind]()
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"].strip()
    assert "\x1b" not in bundle["text/plain"]
    assert result._repr_html_() == bundle["text/html"]
    assert set(result._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(result._repr_mimebundle_(exclude=["text/plain"])) == {"text/html"}


@pytest.mark.parametrize("kind", RESULTS)
def test_an_output_is_one_element_without_script_or_request(kind: str) -> None:
    html = shown(RESULTS[kind]())["text/html"]
    assert html.startswith('<div class="gradiometer"><style>')
    assert html.endswith("</div>")
    for tag, attributes in Elements(html).tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "h1", "h2", "h3"), tag
        assert not [a for a in attributes if a.startswith("on") or a in ("src", "href", "id")]
    for word in ("http:", "https:", "url(", "@import"):
        assert word not in html


@pytest.mark.parametrize(
    "result",
    [
        lambda: run_html(*hostile_run()),
        lambda: shown(hostile_run()[0])["text/html"],
        lambda: shown(hostile_run()[1])["text/html"],
        lambda: shown(hostile_run()[1].findings[0])["text/html"],
        lambda: shown(msgspec.structs.replace(hostile_walk(), network=HOSTILE, labels=(HOSTILE,) * 9))["text/html"],
        lambda: shown(hostile_walk().hops[0])["text/html"],
        lambda: shown(hostile_trial())["text/html"],
        lambda: shown(receipt(HOSTILE))["text/html"],
    ],
)
def test_hostile_names_stay_text(result: Any) -> None:
    html = result()
    assert all(tag not in ("img", "script") for tag, _ in Elements(html).tags)
    assert "&lt;img" in html
    assert html.count("</style>") == 1
    assert "\x1b" not in html


def test_an_unescaped_name_would_be_found_out() -> None:
    assert "img" in {tag for tag, _ in Elements(f"<p>{HOSTILE}</p>").tags}
    assert el("td", HOSTILE) == f"<td>{escaped(HOSTILE)}</td>"
    assert el("i", style=HOSTILE) == f'<i style="{escaped(HOSTILE)}"></i>'
    assert joined([el("b", "x"), "<"]) == "<b>x</b>&lt;"


def test_light_and_dark_are_both_there_and_the_notebook_decides() -> None:
    html = shown(example())["text/html"]
    assert "--error:light-dark(#2F3CC9,#7D9DF7)" in html
    for theme in ('[data-jp-theme-light="false"]', ".vscode-dark", '[theme="dark"]'):
        assert f"{theme} .gradiometer" in html


def test_outputs_are_small() -> None:
    deep = run_of(sigmoid_chain(999))
    sizes = {
        "run": shown(example()),
        "walk": shown(mlp_walk()),
        "trial": shown(whole_trial()),
        "receipt": shown(receipt("net.3")),
        "deep": shown(deep),
    }
    too_large = {kind: len(b["text/html"]) for kind, b in sizes.items() if len(b["text/html"]) > MOST_BYTES[kind]}
    assert too_large == {}


def test_the_run_says_what_the_terminal_says() -> None:
    run = example()
    bundle = shown(run)
    words = text_of(bundle["text/html"])
    plain = " ".join(bundle["text/plain"].split())
    for part in ("×0.14", "−16.3", "coverage 100 % (40 of 40 calls)", "overhead 0.7 %"):
        assert part in words
        assert part in plain
    assert 'gm.report(run, "report.html")' in words


def test_states_of_a_run() -> None:
    run = run_of(Chain([0.5] * 3, [0.5] * 3, missing={2: "nan"}), state="crashed", problems=("a hook failed",))
    html = run_html(run, diagnosis_of(run, healthy=None, coverage=0.68))
    words = text_of(html)
    for part in ("! Coverage 68 %", "the script raised an error", "a hook failed", "not reached"):
        assert part in words
    assert "Nothing found" not in words
    assert "Nothing measured" in text_of(shown(Run(RunInfo("train")))["text/html"])


def test_a_gap_in_the_profile_is_a_gap() -> None:
    """A line per stretch that was measured: where a number is missing it is not joined across."""
    whole, broken = (shown(run_of(Chain([0.5] * 8, [0.5] * 8, missing=gap)))["text/html"] for gap in ({}, {4: "nan"}))
    lines = [re.findall(r'<path d="(M[^"]*L[^"]*)" style="stroke:var\(--error\)', html) for html in (whole, broken)]
    assert [line.count("M") for line in lines[0]] == [1]
    assert [line.count("M") for line in lines[1]] == [2]


def test_findings_alone_tell_what_was_looked_for() -> None:
    found = diagnosis_of(example(), vanishing(sigmoid_chain()))
    words = text_of(shown(found)["text/html"])
    for part in ("✕ Vanishing", "The error dies in the sigmoids.", "−16.3 decades", "Looked for: 33 causes, 32 clear"):
        assert part in words
    clear = shown(diagnosis_of(run_of(Chain([1.0] * 4, [1.0] * 4))))
    assert "✓ Nothing found" in text_of(clear["text/html"])
    assert clear["text/plain"].startswith(" ✓ NOTHING FOUND")
    noted = shown(diagnosis_of(example(), vanishing(sigmoid_chain()), note="Plain SGD stood in."))
    for form in ("text/html", "text/plain"):
        for part in ("Plain SGD stood in.", "gain per hop, median", "0.139", "tanh, critical point"):
            assert part in noted[form]
    blind = diagnosis_of(run_of(Chain([1.0] * 4, [1.0] * 4)), healthy=None, coverage=0.5)
    assert "Nothing found" not in text_of(shown(blind)["text/html"])


def test_a_trial_shows_effects_and_reasons_and_only_when_it_is_finished() -> None:
    words = text_of(shown(whole_trial())["text/html"])
    for part in ("✓ Helps", "1.61 to 2.14", "8 of 8", "Too slight.", "def cure(model):"):
        assert part in words
    partial = text_of(shown(whole_trial(state="running"))["text/html"])
    assert "Not finished" in partial
    for part in ("1.61", "Effect of each arm", "def cure", "Too slight"):
        assert part not in partial


def test_better_stands_on_the_left_of_zero() -> None:
    html = shown(whole_trial())["text/html"]
    places = {}
    for kind in ("helps", "hurts"):
        row = re.search(rf'class="forest {kind}".*?<u style="left:([\d.]+)%">.*?<b style="left:([\d.]+)%">', html)
        assert row is not None
        places[kind] = float(row[2]) - float(row[1])
    assert places["helps"] < 0 < places["hurts"]


def test_a_receipt_lists_its_changes_and_says_whether_it_stands() -> None:
    words = text_of(shown(receipt("net.3", 20))["text/html"])
    assert "Applied: 20 changes." in words
    assert "8 more" in words
    assert "receipt.undo()" in words
    unknown = Receipt(Prescription("of another version"))
    assert "of another version" in text_of(shown(unknown)["text/html"])


def test_ipython_takes_html_and_the_plain_page_together() -> None:
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(example())
    assert set(data) == {"text/html", "text/plain"}
    assert data == shown(example())
    listed, _ = DisplayFormatter().format([example()])
    assert listed["text/plain"] == "[<Run 'digits-sigmoid-20': finished, 3 frames of net>]"


def test_looking_at_a_result_changes_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich draws numbers for what it links, so a page may draw some."""
    monkeypatch.setattr("gradiometer.integrations.show_run.text_page", lambda *given: str(random.random()))
    before = random.getstate()
    shown(example())
    assert random.getstate() == before


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(TypeError, match="int is no result"):
        forms(3)


def test_a_recorded_run_shows_itself_without_torch_jinja_or_plotly(tmp_path: Path) -> None:
    file = chain_file(tmp_path / "chain.gmr", 0.14)
    code = (
        "import sys, gradiometer as gm; html = gm.open(sys.argv[1])._repr_html_(); assert 'gradiometer' in html;"
        "print(sorted({'torch', 'jinja2', 'plotly', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys, gradiometer; print(sorted(m for m in sys.modules if m.startswith('gradiometer.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_values_stay_values() -> None:
    """The mixin holds nothing: equal, hashable, encoded and decoded as before, with a short text for a prompt."""
    finding = vanishing(sigmoid_chain())
    assert msgspec.json.decode(msgspec.json.encode(finding), type=type(finding)) == finding
    assert not hasattr(finding, "__dict__")
    assert not hasattr(example(), "__dict__")
    assert repr(example()) == "<Run 'digits-sigmoid-20': finished, 3 frames of net>"


@pytest.mark.parametrize("best", [2.28, 2.3, 2.31, 1.0, 9.0])
def test_the_best_constant_is_named_however_near_the_loss_ends(best: float) -> None:
    html = str(loss_picture([(0.0, 2.4), (1.0, 2.35), (2.0, 2.3)], best))
    place = r'top:([\d.]+)%;font-weight:400;margin-top:(-?[\d.]+)px">best constant'
    named = re.search(place, html)
    loss = re.search(r'top:([\d.]+)%;color:[^"]*">loss 2.3<', html)
    assert named and loss, html
    apart = (float(named[1]) - float(loss[1])) / 100 * LOSS_PX + float(named[2])
    assert abs(apart) >= LABELS_APART_PX - 0.1
    far = abs(float(named[1]) - float(loss[1])) / 100 * LOSS_PX > LABELS_APART_PX
    assert (float(named[2]) == 0) is far, "moved where it must be, and no further"


def test_a_trial_of_one_of_several_networks_names_it() -> None:
    trial = whole_trial()
    named = msgspec.structs.replace(trial, spec=msgspec.structs.replace(trial.spec, model="student", others=("t",)))
    words = text_of(forms(named)["text/html"])
    assert "network student, " in words and "treated is student; t beside it" in words
    assert "network student" not in text_of(forms(trial)["text/html"])
