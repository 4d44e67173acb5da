"""The words of a verdict: what is said first, in the terminal and on the page alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradiometer.records import CAUSES, Diagnosis, Finding, Run

from .numbers import Numbers
from .signals import Pictures

ENOUGH_COVERAGE = 0.95
"""Below this share of recorded calls, nothing is called healthy (as in ``Diagnosis.healthy``)."""

LEAST_TOLD_S = 60.0
"""Learning times are translated into human time from here: below, steps say enough."""

Tone = Literal["fail", "warn", "healthy", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tag, cause and sentence that stand first. tone is the fill of the tag."""

    tone: Tone
    tag: str
    cause: str
    sentence: str


def verdict(run: Run, diagnosis: Diagnosis, shown: Pictures | None, numbers: Numbers) -> Verdict:
    """The most severe finding; else what was not measured; else that nothing was found."""
    if diagnosis.findings:
        return finding_verdict(diagnosis.findings[0])
    if nothing_measured(run):
        return Verdict("unknown", "Nothing measured", "", _nothing_sentence(run))
    if diagnosis.healthy is None or not _covered(diagnosis):
        share = numbers.percent(diagnosis.coverage)
        words = f"No verdict: {share} of the calls were recorded, and {numbers.percent(ENOUGH_COVERAGE)} are needed."
        known = not math.isnan(diagnosis.coverage)
        return Verdict("warn", f"Coverage {share}", "", words if known else "No verdict: the coverage is not known.")
    if diagnosis.healthy is False:  # a finding was accepted or left out by whoever made this diagnosis
        return Verdict("unknown", "No verdict", "", "The diagnosis says that something failed and does not say what.")
    checked = len(diagnosis.checked)
    causes = (
        "1 cause was checked, it was not found" if checked == 1 else f"{checked} causes were checked, none was found"
    )
    reach = f"The error reaches every {_noun(shown)}. " if shown is not None and _reaches(shown) else ""
    return Verdict("healthy", "Nothing found", "", f"{reach}{causes}.")


def finding_verdict(finding: Finding) -> Verdict:
    """The tag of one finding: its symptom, filled for a failure and outlined for a warning."""
    tone: Tone = "fail" if finding.severity == "fail" else "warn"
    symptom = finding.symptom if finding.symptom != "none" else "warning"
    return Verdict(tone, symptom.capitalize(), finding.cause, finding.summary or f"Cause: {finding.cause}.")


def nothing_measured(run: Run) -> bool:
    """No frame holds a number."""
    return not any(np.isfinite(f.values).any() for f in run.frames)


_WHAT_TO_DO = "Watch a process in which a torch.nn.Module runs and backward() is called on its loss."


def _nothing_sentence(run: Run) -> str:
    if not run.networks:
        return f"No network with parameters was seen to run, so there is no verdict. {_WHAT_TO_DO}"
    if not run.frames:
        return f"No backward pass was seen, so there is no error to follow and no verdict. {_WHAT_TO_DO}"
    return "No recorded step holds a number, so there is no verdict."


def _covered(diagnosis: Diagnosis) -> bool:
    return diagnosis.coverage >= ENOUGH_COVERAGE


def _noun(shown: Pictures | None) -> str:
    return "layer" if shown is not None and shown.error.axes[0].name == "layer" else "site of the trunk"


def _reaches(shown: Pictures) -> bool:
    return not shown.error.places("word")


def found_causes(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The causes that were found, each once, most severe first."""
    return tuple(dict.fromkeys(f.cause for f in diagnosis.findings if f.cause != "none"))


def footer(run: Run, diagnosis: Diagnosis, numbers: Numbers) -> tuple[str, str, str]:
    """``33 causes checked, 1 found``, ``coverage 100 % (40 of 40 calls)``, ``overhead 0.7 %``."""
    checked, found = len(diagnosis.checked), len(found_causes(diagnosis))
    causes = f"{checked} cause{'' if checked == 1 else 's'} checked, {found} found"
    calls = f"{numbers.count(run.info.calls_recorded)} of {numbers.count(run.info.calls_seen)} calls"
    return causes, f"coverage {numbers.percent(diagnosis.coverage)} ({calls})", _overhead(diagnosis, numbers)


def _overhead(diagnosis: Diagnosis, numbers: Numbers) -> str:
    return f"overhead {numbers.percent(diagnosis.overhead_share)}"


def checked_groups(diagnosis: Diagnosis) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Of each group of causes: its name, how many were checked, which were found."""
    found = found_causes(diagnosis)
    out = []
    for group, causes in CAUSES.items():
        n_checked = sum(c in diagnosis.checked for c in causes)
        if n_checked:
            out.append((group, n_checked, tuple(c for c in causes if c in found)))
    return tuple(out)


def pace_s(run: Run, model: str) -> float:
    """Median wall time of a step, seconds; nan where none was timed."""
    times = [f.step_s for f in run.frames_of(model) if math.isfinite(f.step_s) and f.step_s > 0]
    return float(np.median(times)) if times else math.nan


def change_words(shown: Pictures, numbers: Numbers) -> str:
    """``From the loss to layer 1 the error changes by −16.3 decades.``"""
    total = float(shown.profile.error_decades[-1])
    if not math.isfinite(total):
        return ""
    what = "keeps its size" if numbers.decades(total) == "0" else f"changes by {numbers.decades(total)} decades"
    return f"From the loss to {station_words(shown, -1)} the error {what}."


def station_words(shown: Pictures, station: int) -> str:
    """A station in words: ``layer 20``, or its path; a path that is a number, as in a Sequential, is ``module 4``."""
    label = shown.profile.labels[station]
    if shown.error.axes[0].name == "layer":
        return f"layer {label}"
    return f"module {label}" if label.isdigit() else label


def learning_words(run: Run, shown: Pictures, numbers: Numbers) -> str:
    """``layer 20 29 steps, layer 1 5.3 × 10¹⁷ steps: 55 million years at 3.3 ms a step``; "" where none is known."""
    needs = shown.learning.series[0].values
    known = [i for i, v in enumerate(needs) if not math.isnan(v)]
    if not known:
        return ""
    ends = dict.fromkeys((known[0], known[-1]))
    words = [f"{station_words(shown, i)} {_needs(needs[i], numbers)}" for i in ends]
    last, pace = needs[known[-1]], pace_s(run, shown.profile.model)
    if not LEAST_TOLD_S <= last * pace < math.inf:
        return ", ".join(words)
    return f"{', '.join(words)}: {numbers.duration(last * pace)} at {numbers.duration(pace)} a step"


def _needs(steps: float, numbers: Numbers) -> str:
    if math.isinf(steps):
        return "does not move at all"
    return f"needs {numbers.steps(steps)} step{'' if steps == 1 else 's'}"


def state_words(run: Run) -> tuple[str, ...]:
    """What the reader must know of the run itself: not finished, problems inside the watch."""
    last = max((f.step for f in run.frames), default=None)
    until = "no step was recorded" if last is None else f"recorded up to step {last}"
    error = f": {run.info.error}" if run.info.error else ""
    states = {
        "running": f"still running, {until}",
        "crashed": f"the script raised an error, {until}{error}",
        "interrupted": f"interrupted, {until}",
        "stopped": f"stopped after the number of steps that was asked for, {until}",
    }
    out = [states[run.info.state]] if run.info.state in states else []
    if run.problems:
        out += [f"problem inside the watch, the training is untouched: {p}" for p in run.problems]
    return tuple(out)


def model_words(run: Run, diagnosis: Diagnosis, model: str, total_decades: float, numbers: Numbers) -> str:
    """One line for a model whose profile is not shown."""
    network = run.network(model)
    trunk = f"{len(network.hops)} hop{'' if len(network.hops) == 1 else 's'}" if network.hops else "no trunk"
    causes = dict.fromkeys(f.cause for f in diagnosis.findings if f.model == model)
    if causes:
        verdict_words = ", ".join(causes)
    else:
        verdict_words = "nothing found" if diagnosis.healthy is not None and run.frames_of(model) else "no verdict"
    change = numbers.decades(total_decades)
    return f"{trunk}, {change}{' decades' if math.isfinite(total_decades) else ''}, {verdict_words}"


def no_profile(run: Run, model: str) -> str:
    """Why no error profile can be drawn: there is no trunk, or nothing finite on it."""
    network = run.network(model)
    if network.hops:
        return f"the trunk of {model} has {len(network.stations)} sites, and the error is nan, inf or missing on it"
    return f"no trunk was found in {model} ({network.trunk_note or 'no full backward pass was recorded'})"
