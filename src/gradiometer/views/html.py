"""The report as one HTML file: no network, light and dark, every chart with its table. Plotly's script is inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradiometer.quantities import profile
from gradiometer.records import Cure, Diagnosis, Run

from . import report
from .dashboard import prove_command
from .definitions import definitions
from .groups import Group, grouped, stretches
from .html_training import group_parts, training_parts
from .numbers import UNICODE
from .page import check_installed, filled
from .plot import Spec
from .plot_data import figure_data, heat_data, profile_data, with_data
from .plot_profile import profile_chart
from .plot_rows import cure_chart, heat_chart, learning_chart, time_chart
from .signals import Pictures, pictures, told_model
from .wording import Verdict, model_words, no_profile, nothing_measured, pace_s, state_words, verdict

MOST_CURES = 6


def html_page(run: Run, diagnosis: Diagnosis) -> str:
    """The whole report as one HTML document. UserError where the extra ``report`` is not installed."""
    check_installed()
    model = told_model(run, diagnosis)
    shown = pictures(run, diagnosis, model) if run.networks else None
    first = verdict(run, diagnosis, shown, UNICODE)
    groups = grouped(run, shown.profile, diagnosis.findings) if shown is not None else ()
    beside, more = training_parts(run, diagnosis, shown, model, groups)
    by_group, group_charts = group_parts(shown, groups)
    charts = group_charts | _charts(run, diagnosis, shown, groups) | more
    cures = _cures(diagnosis, shown, charts)
    context = _head(run, diagnosis, shown, first) | _body(run, diagnosis, shown, model) | beside | by_group
    context |= {"definitions": definitions(), "command": prove_command(run) if diagnosis.findings else ""}
    context |= {"cures": cures, "cures_cause": diagnosis.findings[0].cause if cures else "", "foot": _foot(run)}
    return filled("report.html", context | {"limit_at": report.LIMIT_AT}, charts)


def _head(run: Run, diagnosis: Diagnosis, shown: Pictures | None, first: Verdict) -> dict[str, Any]:
    return {
        "run": run,
        "printed": " · ".join(w for w in (run.info.name, run.info.started) if w),
        "verdict": first,
        "strapline": report.strapline(run, shown),
        "lead": report.lead(run, diagnosis, shown),
        "states": state_words(run),
        "facts": report.facts(run, diagnosis, shown),
    }


def _body(run: Run, diagnosis: Diagnosis, shown: Pictures | None, model: str) -> dict[str, Any]:
    several = len(run.networks) > 1
    out: dict[str, Any] = {
        "shown": shown.profile if shown else None,
        "several": several,
        "no_trunk": "" if shown else _no_trunk(run, model),
        "findings": [report.card(f, several) for f in diagnosis.findings],
        "findings_caption": _findings_caption(diagnosis),
        "groups": report.group_words(diagnosis),
        "groups_title": report.groups_title(diagnosis),
        "missed": run.not_covered,
        "models": _models(run, diagnosis, model),
    }
    if shown is None:
        return out
    tables = {"profile": report.profile_table(shown), "heat": report.heat_table(shown.heat)}
    out["tables"] = tables | {"learning": report.learning_table(shown)}
    out["profile_caption"] = report.profile_caption(shown)
    out["profile_label"] = report.lead(run, diagnosis, shown)
    out["times"] = [
        {"id": f"time-{i}", "title": f.title, "table": report.time_table(f)} for i, f in enumerate(shown.times)
    ]
    return out


def _no_trunk(run: Run, model: str) -> str:
    if nothing_measured(run):
        return "There is nothing to draw: no recorded step holds a number."
    return f"No profile: {no_profile(run, model)}."


def _findings_caption(diagnosis: Diagnosis) -> str:
    n_fail = sum(f.severity == "fail" for f in diagnosis.findings)
    n_warn = len(diagnosis.findings) - n_fail
    words = [f"{n} {name}{'' if n == 1 else 's'}" for n, name in ((n_fail, "failure"), (n_warn, "warning")) if n]
    found = " and ".join(words).capitalize() + ". " if words else ""
    accepted = f" Accepted: {', '.join(diagnosis.accepted)}." if diagnosis.accepted else ""
    return f"{found}{len(diagnosis.checked)} causes were looked for; each number stands beside its limit.{accepted}"


def _models(run: Run, diagnosis: Diagnosis, model: str) -> list[dict[str, str]]:
    out = []
    for name in (n.name for n in run.networks if n.name != model):
        known = bool(run.network(name).hops) and bool(run.frames_of(name))
        total = float(profile(run, name).error_decades[-1]) if known else math.nan
        out.append({"name": name, "words": model_words(run, diagnosis, name, total, UNICODE)})
    return out


def _charts(run: Run, diagnosis: Diagnosis, shown: Pictures | None, groups: Sequence[Group]) -> dict[str, Spec]:
    if shown is None:
        return {}
    model = shown.profile.model
    steps = max((f.step for f in run.frames_of(model)), default=0)
    profile_spec = profile_chart(shown.error, shown.hops, report.gain_limits(diagnosis.findings, model))
    rows = stretches(shown.profile.labels, shown.profile, groups)
    out = {
        "profile": with_data(profile_spec, profile_data(shown)),
        "heat": with_data(heat_chart(shown.heat, rows), heat_data(shown.heat)),
    }
    if report.learning_table(shown) is not None:
        drawn = learning_chart(shown.learning, pace_s(run, model), steps, rows)
        out["learning"] = with_data(drawn, figure_data(shown.learning))
    return out | {
        f"time-{i}": with_data(time_chart(figure), figure_data(figure)) for i, figure in enumerate(shown.times)
    }


def _cures(diagnosis: Diagnosis, shown: Pictures | None, charts: dict[str, Spec]) -> list[dict[str, Any]]:
    """The cures of the first finding; where theory has a number, with a small chart that joins ``charts``."""
    if not diagnosis.findings:
        return []
    first, out = diagnosis.findings[0], []
    for i, cure in enumerate(first.cures[:MOST_CURES]):
        drawn = shown is not None and shown.profile.model == first.model and _predicts(cure)
        if drawn and shown is not None:
            now = [float(v) for v in shown.profile.error_decades]
            charts[f"cure-{i}"] = cure_chart(now, (len(now) - 1) * math.log10(cure.gain_after))
        gain = f"{UNICODE.gain(cure.gain_before)} → {UNICODE.gain(cure.gain_after)}" if _predicts(cure) else ""
        facts = {"title": cure.title, "enough": cure.enough, "edit": cure.edit, "gain": gain}
        out.append(facts | {"id": f"cure-{i}" if drawn else ""})
    return out


def _predicts(cure: Cure) -> bool:
    return math.isfinite(cure.gain_before) and math.isfinite(cure.gain_after) and cure.gain_after > 0


def _foot(run: Run) -> list[dict[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in run.info.versions.items())
    devices = ", ".join(dict.fromkeys(f"{n.device}, {n.dtype}" for n in run.networks))
    frames = (
        f"{UNICODE.count(len(run.frames))} frames of {len(run.networks)} model{'' if len(run.networks) == 1 else 's'}"
    )
    took = f"{frames}, {UNICODE.duration(run.info.wall_s)}" if run.info.wall_s > 0 else frames
    path = getattr(run, "path", None)
    return [
        {"name": "Environment", "words": "; ".join(w for w in (versions, devices) if w) or UNICODE.unknown},
        {"name": "Recorded", "words": f"{took}, {run.info.started}" if run.info.started else took},
        {"name": "Script", "words": " ".join((run.info.script, *run.info.argv)).strip() or UNICODE.unknown},
        {"name": "File", "words": Path(path).name if path is not None else UNICODE.unknown},
    ]
