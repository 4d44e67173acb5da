"""Two runs beside each other: how much more error one brings to the input than the other, and what differs in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradiometer.quantities import Profile, profile
from gradiometer.records import Network, Run

from .dashboard import Judged, loss_points, prove_command
from .dashboard_compare_chart import Compared, compare_chart, losses_chart
from .dashboard_step import only_steps
from .listing import RunRow
from .numbers import UNICODE

MOST_WORDS = 60


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: the judged run, its recorded step that is shown, and the profile there."""

    found: Judged
    step: int
    shown: Profile


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is told of two runs. steps: that can be looked at; step: that was asked for; at_steps: that are shown, -1
    where there is none. compared: None where either side has no error to compare."""

    sentence: str
    steps: tuple[int, ...]
    step: int | None
    at_steps: tuple[int, int]
    at: str
    compared: Compared | None
    note: str
    differs: tuple[dict[str, str], ...]
    equal: str
    outcome: tuple[dict[str, str], ...]
    command: str


def common_steps(a: Judged, b: Judged) -> list[int]:
    """Recorded steps of both runs with an error in them, in order; where they share none, the steps of A at which B has
    recorded something before."""
    steps_a, steps_b = _steps(a), _steps(b)
    shared = sorted(set(steps_a) & set(steps_b))
    return shared or [s for s in steps_a if steps_b and s >= steps_b[0]]


def _steps(found: Judged) -> list[int]:
    return [int(s) for s in found.run.steps(found.model) if s >= found.first_step >= 0]


def compare_document(a: Judged, b: Judged, step: int | None = None) -> dict[str, Any]:
    """What the page shows of two runs at a step that both have recorded (by default the last one), or the last one
    before it. Without a profile on either side there is no picture, and it says so."""
    found = comparison(a, b, step)
    compared = found.compared
    return {
        "headline": found.sentence,
        "steps": list(found.steps),
        "step": found.step,
        "at": found.at,
        "chart": compare_chart(compared) if compared is not None else None,
        "label": _headline(compared),
        "table": _table(compared) if compared is not None else None,
        "note": found.note,
        "differs": list(found.differs),
        "equal": found.equal,
        "outcome": list(found.outcome),
        "losses": losses_chart(loss_points(a.run, a.model), loss_points(b.run, b.model)),
        "command": found.command,
    }


def comparison(a: Judged, b: Judged, step: int | None = None) -> Comparison:
    """Two runs beside each other, at a step as in ``compare_document``."""
    steps = common_steps(a, b)
    wanted = steps[-1] if steps and step is None else step
    left, right = (_side(one, wanted) for one in (a, b))
    settings = [_settings(one) for one in (a, b)]
    names = list(dict.fromkeys([*settings[0], *settings[1]]))
    differing = [n for n in names if settings[0].get(n) != settings[1].get(n)]
    equal = len(names) - len(differing)
    compared = _compared(left, right) if left is not None and right is not None else None
    return Comparison(
        sentence=f"{_headline(compared)} {_settings_sentence(len(differing), len(names))}",
        steps=tuple(steps),
        step=wanted,
        at_steps=(-1 if left is None else left.step, -1 if right is None else right.step),
        at=_at_words(left, right),
        compared=compared,
        note=_trunk_note(compared),
        differs=tuple({"name": n, "a": settings[0].get(n, "—"), "b": settings[1].get(n, "—")} for n in differing),
        equal=f"{equal} setting{'' if equal == 1 else 's'} {'is' if equal == 1 else 'are'} equal.",
        outcome=tuple(_outcome(a, b, compared)),
        command=prove_command(a.run) or prove_command(b.run),
    )


def _side(found: Judged, step: int | None) -> Side | None:
    known = [s for s in _steps(found) if step is None or s <= step]
    if not known:
        return None
    few = only_steps(found.run, found.model, (found.first_step, known[-1]))
    shown = profile(few, found.model, known[-1])
    return Side(found, known[-1], shown) if np.isfinite(shown.error_decades).any() else None


def _compared(a: Side, b: Side) -> Compared:
    alike = len(a.shown.labels) == len(b.shown.labels)
    return Compared(
        labels=(a.shown.labels, b.shown.labels),
        decades=(a.shown.error_decades, b.shown.error_decades),
        log_gains=(_log(a.shown), _log(b.shown)),
        alike=alike,
        noun="layer" if all(x.isdigit() for x in (*a.shown.labels, *b.shown.labels)) else "",
    )


def _log(shown: Profile) -> np.ndarray[Any, np.dtype[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log10(shown.gain))


def _headline(compared: Compared | None) -> str:
    if compared is None:
        return "There is no step at which both have an error to compare."
    more = compared.total(1) - compared.total(0)
    where = f"layer {compared.labels[0][-1]}" if compared.noun else "the lowest site"
    if not math.isfinite(more):
        lost = [name for name, i in (("A", 0), ("B", 1)) if not math.isfinite(compared.total(i))]
        return f"The error of {' and '.join(lost)} does not reach {where}."
    if abs(more) < 0.05:
        return f"A and B bring the same error to {where}."
    size = UNICODE.decades(abs(more)).lstrip("+")
    return f"B brings {size} decades {'more' if more > 0 else 'less'} error to {where} than A."


def _settings_sentence(differing: int, known: int) -> str:
    if not differing:
        return f"Their {known} known settings are equal."
    return f"They differ in {differing} of {known} known settings."


def _at_words(a: Side | None, b: Side | None) -> str:
    if a is None or b is None:
        return ""
    if a.step == b.step:
        return f"at step {UNICODE.count(a.step)} of both"
    return f"at step {UNICODE.count(a.step)} of A, step {UNICODE.count(b.step)} of B"


def _trunk_note(compared: Compared | None) -> str:
    if compared is None or compared.labels[0] == compared.labels[1]:
        return ""
    if compared.alike:
        return "Their sites have other names, so they are compared by their place; the names below are those of A."
    n = [len(labels) for labels in compared.labels]
    return (
        f"Their trunks differ ({n[0]} and {n[1]} sites), so each is drawn over its own whole way, "
        "and hops cannot be compared one by one."
    )


def _table(compared: Compared) -> dict[str, Any]:
    head = ["site", "A, decades", "B, decades"]
    if compared.alike:
        rows = [[label, *(_cell(side[i]) for side in compared.decades)] for i, label in enumerate(compared.labels[0])]
        return {"head": head, "rows": rows}
    rows = [[f"A {label}", _cell(compared.decades[0][i]), ""] for i, label in enumerate(compared.labels[0])]
    rows += [[f"B {label}", "", _cell(compared.decades[1][i])] for i, label in enumerate(compared.labels[1])]
    return {"head": head, "rows": rows}


def _cell(value: float) -> str:
    return UNICODE.number(round(float(value), 3)) if math.isfinite(value) else UNICODE.decades(float(value))


# -- settings and outcome


def _settings(found: Judged) -> dict[str, str]:
    """What is known of how a run was made, by name, in words."""
    run = found.run
    out = {"script": run.info.script, "arguments": " ".join(run.info.argv)}
    if run.networks:
        out |= _network_settings(run.network(found.model))
    for optimizer in run.optimizers[:1]:
        out["optimizer"] = optimizer.cls
        out |= {name: _value(value) for name, value in optimizer.settings.items()}
    seen = next((one for one in run.losses if one.model == found.model), None)
    if seen is not None:
        out["loss"] = seen.kind
    out |= {name: version for name, version in run.info.versions.items() if name != "system"}
    return {name: words[:MOST_WORDS] for name, words in out.items() if words}


def _network_settings(network: Network) -> dict[str, str]:
    kinds = dict.fromkeys(m.kind for m in network.modules if m.role == "activation")
    norms = dict.fromkeys(m.kind for m in network.modules if m.role == "norm")
    skips = sum(h.skip for h in network.hops)
    return {
        "network": network.cls,
        "hops": UNICODE.count(len(network.hops)),
        "parameters": UNICODE.count(sum(p.numel for p in network.params)),
        "activations": ", ".join(kinds) or "none",
        "norms": ", ".join(norms) or "none",
        "skips": UNICODE.count(skips) if skips else "none",
        "number format": network.dtype,
    }


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return UNICODE.number(float(value)) if isinstance(value, int | float) else str(value)


def _outcome(a: Judged, b: Judged, compared: Compared | None) -> list[dict[str, str]]:
    """Each number of both, and B against A; better: True, False, or None where it is neither."""
    out: list[dict[str, str]] = []
    if compared is not None:
        more = compared.total(1) - compared.total(0)
        words = f"{UNICODE.decades(more)} decades" if math.isfinite(more) else UNICODE.unknown
        ends = [UNICODE.decades(compared.total(i)) for i in (0, 1)]
        out.append({"name": "change of the error, loss → input", "a": ends[0], "b": ends[1], "against": words})
    rows = [RunRow.of("", one.run, one.diagnosis) for one in (a, b)]
    needs = [row.learning_steps for row in rows]
    out.append(
        {
            "name": "lowest layer needs, steps",
            "a": UNICODE.steps(needs[0]) if not math.isnan(needs[0]) else UNICODE.unknown,
            "b": UNICODE.steps(needs[1]) if not math.isnan(needs[1]) else UNICODE.unknown,
            "against": _ratio(needs[0], needs[1]),
        }
    )
    step, losses = _losses_at_common_step(a.run, a.model, b.run, b.model)
    if step is not None:
        out.append(
            {
                "name": f"loss at step {UNICODE.count(step)}",
                "a": UNICODE.number(losses[0]),
                "b": UNICODE.number(losses[1]),
                "against": UNICODE.number(losses[1] - losses[0]),
            }
        )
    told = [one.told.cause or one.told.tag.lower() for one in (a, b)]
    out.append({"name": "verdict", "a": told[0], "b": told[1], "against": "the same" if told[0] == told[1] else ""})
    return out


def _ratio(a: float, b: float) -> str:
    if not (math.isfinite(a) and math.isfinite(b) and a > 0 and b > 0):
        return ""
    if a == b:
        return "the same"
    return f"÷ {UNICODE.factor(a / b)}" if b <= a else f"× {UNICODE.factor(b / a)}"


def _losses_at_common_step(a: Run, model_a: str, b: Run, model_b: str) -> tuple[int | None, tuple[float, float]]:
    """The losses of both at the last step that both curves have."""
    curves = [loss_points(a, model_a), loss_points(b, model_b)]
    if not all(len(c) for c in curves):
        return None, (math.nan, math.nan)
    last = min(c[-1, 0] for c in curves)
    at = [c[np.searchsorted(c[:, 0], last, side="right") - 1] for c in curves]
    if at[0][0] > last or at[1][0] > last:
        return None, (math.nan, math.nan)
    return int(last), (float(at[0][1]), float(at[1][1]))
