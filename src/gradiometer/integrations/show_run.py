"""A run and its findings as one output: verdict, profile, evidence, cures; the words and numbers of all other doors."""

from __future__ import annotations

import math
from pathlib import Path

from rich.text import Text

from gradiometer.diagnosis import diagnose
from gradiometer.quantities import profile
from gradiometer.records import Cure, Diagnosis, Finding, Run
from gradiometer.views import LiveStatus, RunRow, report
from gradiometer.views.numbers import UNICODE
from gradiometer.views.rows import rows
from gradiometer.views.signals import Pictures, pictures, told_model
from gradiometer.views.style import Style, paragraph, render
from gradiometer.views.text import run_path, text_page
from gradiometer.views.text_findings import finding_lines, short_lines, tag_line
from gradiometer.views.wording import (
    Verdict,
    finding_verdict,
    footer,
    model_words,
    no_profile,
    nothing_measured,
    state_words,
    verdict,
)

from .frame import foot, framed, head, tag, top, verdict_head
from .markup import Html, Piece, code, el, folded, joined, table
from .picture import loss_picture, profile_picture

MOST_CURES, MOST_FINDINGS, MOST_MISSED = 5, 6, 8
PLAIN = Style(80, colour=False)


def show_run(run: Run, path: Path | None = None) -> dict[str, str]:
    """A run, diagnosed now. path: of its file, where the run itself does not know it."""
    diagnosis = diagnose(run)
    plain = text_page(run, diagnosis, PLAIN).rstrip("\n")
    return {"text/plain": plain, "text/html": run_html(run, diagnosis, path)}


def run_html(run: Run, diagnosis: Diagnosis, path: Path | None = None) -> str:
    """The whole output of a run."""
    model = told_model(run, diagnosis)
    shown = pictures(run, diagnosis, model) if run.networks else None
    first = verdict(run, diagnosis, shown, UNICODE)
    return framed(
        top(run.info.name, report.strapline(run, shown)),
        verdict_head(first, report.lead(run, diagnosis, shown)),
        *(el("div", el("b", "!"), f" {words}", cls="state") for words in state_words(run)),
        _facts(run, diagnosis, shown),
        _loss(run, model),
        _profile(run, diagnosis, shown, model),
        findings_part(diagnosis, len(run.networks) > 1, first.sentence),
        _others(run, diagnosis, model),
        _missed(run),
        _foot(run, diagnosis, path),
    )


def show_live(run: Run, cost_share: float) -> dict[str, str]:
    """A training that goes on: the same without evidence and cures. cost_share: of the wall time, for the pictures."""
    diagnosis = diagnose(run)
    said = verdict(run, diagnosis, None, UNICODE)
    status = live_status(run, diagnosis)
    plain = f"step {UNICODE.count(status.step)}, loss {UNICODE.number(status.loss)}. {_said_plainly(said)}"
    word = f"live, pictures {UNICODE.percent(cost_share)} of the time"
    return {"text/plain": plain, "text/html": live_html(run, diagnosis, word)}


def live_status(run: Run, diagnosis: Diagnosis) -> LiveStatus:
    """Step, loss, what is left of the error, and the learning time of the first layer, as they stand now."""
    curve = run.curve()
    step = int(curve[-1, 0]) if len(curve) else max((f.step for f in run.frames), default=0)
    loss = float(curve[-1, 1]) if len(curve) else math.nan
    row = RunRow.of("", run, diagnosis)
    return LiveStatus(step, loss, row.drop_decades, row.learning_steps)


def live_html(run: Run, diagnosis: Diagnosis, word: str) -> str:
    """The output of a training that goes on. word: what is said of the drawing."""
    model = told_model(run, diagnosis)
    shown = pictures(run, diagnosis, model) if run.networks else None
    return framed(
        top(run.info.name, report.strapline(run, shown)),
        verdict_head(verdict(run, diagnosis, shown, UNICODE), report.lead(run, diagnosis, shown)),
        *(el("div", el("b", "!"), f" {words}", cls="state") for words in state_words(run)[1:]),
        _facts(run, diagnosis, shown),
        _loss(run, model),
        _profile(run, diagnosis, shown, model),
        foot(*footer(run, diagnosis, UNICODE), word),
    )


def _facts(run: Run, diagnosis: Diagnosis, shown: Pictures | None) -> Html | None:
    if nothing_measured(run):
        return None
    out = []
    for f in report.facts(run, diagnosis, shown):
        inside = [el("dt", f.number), el("dd", f.name), el("dd", f.reference)]
        out.append(el("div", *inside, cls="beyond" if f.beyond else None))
    return el("dl", *out, cls="facts")


def _loss(run: Run, model: str) -> Html | None:
    curve = run.curve(model)
    trivial = next((seen.trivial for seen in run.losses if seen.model == model), None)
    picture = loss_picture([(float(s), float(v)) for s, v in curve[:, :2]], trivial)
    return joined([head("Loss"), picture]) if picture is not None else None


def _profile(run: Run, diagnosis: Diagnosis, shown: Pictures | None, model: str) -> Html | None:
    if shown is None:
        known = run.networks and not nothing_measured(run)
        return el("div", f"No profile: {no_profile(run, model)}.", cls="lead") if known else None
    several = f" of {shown.profile.model}" if len(run.networks) > 1 else ""
    words = report.profile_caption(shown)
    limits = report.gain_limits(diagnosis.findings, model)
    return joined(
        [
            head(f"Error profile{several}", words),
            profile_picture(shown.error, shown.hops, limits),
            folded("Table", profile_table(shown)),
        ]
    )


def profile_table(shown: Pictures) -> Html:
    """The rows of the terminal's table: one a site, or one a stretch of sites where they are many."""
    factors = [s.name for s in shown.hops.series if s.kind == "bar"]
    columns = ["site", "error left, decades", "gain", *factors, "layer needs, steps", ""]
    body: list[list[Piece]] = []
    for row in rows(shown):
        gain = UNICODE.gain(row.gain) if row.first else ""
        gain = f"({gain})" if row.hollow else gain
        split = ["" if math.isnan(f) else UNICODE.factor(f) for f in row.factors_gain]
        note = ", ".join(w for w in (row.word, row.passage, "guilty" if row.guilty else "") if w)
        needs = "" if math.isnan(row.learning_steps) else UNICODE.steps(row.learning_steps)
        left = row.word or UNICODE.decades(row.total_decades)
        body.append([code(row.label), left, el("span", gain, cls="bad") if row.guilty else gain, *split, needs, note])
    last = len(columns) - 1
    return table(columns, body, numbers=range(1, last), lesser=range(3, last - 1))


# ---- findings ----------------------------------------------------------------------------------------------------


def show_diagnosis(diagnosis: Diagnosis) -> dict[str, str]:
    """The findings alone, or that nothing was found."""
    said = _verdict_of(diagnosis)
    lines = [tag_line(said, PLAIN), *paragraph(said.sentence, PLAIN.columns)]
    if diagnosis.findings:
        lines += finding_lines(diagnosis.findings[0], PLAIN, "")
    for finding in diagnosis.findings[1:]:
        lines += [Text(""), *short_lines(finding, PLAIN, "")]
    lines += paragraph(diagnosis.note, PLAIN.columns) if diagnosis.note else []
    causes, coverage, overhead = _counts(diagnosis)
    html = framed(
        top(diagnosis.run, "findings"),
        verdict_head(said) if not diagnosis.findings else None,
        el("div", diagnosis.note, cls="state") if diagnosis.note else None,
        findings_part(diagnosis, len({f.model for f in diagnosis.findings}) > 1),
        folded(report.groups_title(diagnosis), _groups(diagnosis)),
        _missed_of(diagnosis.not_covered),
        foot(causes, coverage, overhead, _accepted(diagnosis)),
    )
    lines += [Text(""), *paragraph(" · ".join((causes, coverage, overhead)), PLAIN.columns)]
    return {"text/plain": render(lines, PLAIN).rstrip("\n"), "text/html": html}


def show_finding(finding: Finding) -> dict[str, str]:
    """One finding."""
    told = finding_verdict(finding)
    lines = [tag_line(told, PLAIN), *paragraph(told.sentence, PLAIN.columns), *finding_lines(finding, PLAIN, "")]
    return {
        "text/plain": render(lines, PLAIN).rstrip("\n"),
        "text/html": framed(_finding(finding, True), cures_part(finding)),
    }


def _said_plainly(told: Verdict) -> str:
    return " ".join(w for w in (f"{told.tag.upper()}", told.cause) if w) + f": {told.sentence}"


def _verdict_of(diagnosis: Diagnosis) -> Verdict:
    """The verdict without the run."""
    if diagnosis.findings:
        return finding_verdict(diagnosis.findings[0])
    n = len(diagnosis.checked)
    if diagnosis.healthy:
        return Verdict("healthy", "Nothing found", "", f"{n} causes were checked, none was found.")
    share = UNICODE.percent(diagnosis.coverage)
    return Verdict("warn", f"Coverage {share}", "", f"No verdict: {share} of the calls were recorded.")


def _counts(diagnosis: Diagnosis) -> tuple[str, str, str]:
    found = len(dict.fromkeys(f.cause for f in diagnosis.findings))
    n = len(diagnosis.checked)
    return (
        f"{n} cause{'' if n == 1 else 's'} checked, {found} found",
        f"coverage {UNICODE.percent(diagnosis.coverage)}",
        f"overhead {UNICODE.percent(diagnosis.overhead_share)}",
    )


def _accepted(diagnosis: Diagnosis) -> str:
    return f"accepted: {', '.join(diagnosis.accepted)}" if diagnosis.accepted else ""


def findings_part(diagnosis: Diagnosis, several: bool, said: str = "") -> Html | None:
    """The findings with their evidence, the cures of the first one below it. said: a sentence that stands above."""
    if not diagnosis.findings:
        return None
    first, others = diagnosis.findings[0], diagnosis.findings[1:MOST_FINDINGS]
    more = len(diagnosis.findings) - 1 - len(others)
    n = len(diagnosis.findings)
    return joined(
        [
            head("Finding" if n == 1 else f"{n} findings", "Each number stands beside the limit it was judged by."),
            _finding(first, several, said),
            cures_part(first),
            *(_finding(f, several) for f in others),
            el("div", f"and {more} more", cls="note") if more > 0 else None,
        ]
    )


def _finding(finding: Finding, several: bool, said: str = "") -> Html:
    card = report.card(finding, several)
    told = card.verdict
    evidence: list[list[Piece]] = []
    for e in card.evidence:
        sign = el("span", e.sign, cls="bad" if e.beyond else "ok")
        measured = el("span", e.measured, cls="bad") if e.beyond else e.measured
        evidence.append([sign, e.quantity, measured, e.limit, el("span", e.source, cls="quiet")])
    considered = [el("b", "Considered as well: "), _considered(finding)] if finding.alternatives else []
    return el(
        "div",
        *([] if told.sentence == said else _told(told)),
        el("div", card.where, cls="note"),
        table(["", "evidence", "measured", "limit", "source"], evidence, numbers=(2, 3), lesser=(4,))
        if evidence
        else None,
        el("div", *considered, cls="note") if considered else None,
        cls=f"finding {told.tone}",
    )


def _told(told: Verdict) -> list[Html]:
    mark = el("div", tag(told.tone, told.tag), el("span", told.cause, cls="cause"), cls="tags")
    return [mark, el("div", el("b", told.sentence))]


def _considered(finding: Finding) -> str:
    return "; ".join(f"{a.cause}, {a.reason}" for a in finding.alternatives)


def cures_part(finding: Finding) -> Html | None:
    """The cures of a finding in their order, as predictions."""
    if not finding.cures:
        return None
    body: list[list[Piece]] = []
    for cure in finding.cures[:MOST_CURES]:
        alone = "" if cure.enough else " (not enough alone)"
        body.append([code(cure.name), cure.title + alone, _gain(cure), code(cure.edit)])
    more = finding.cures[MOST_CURES:]
    also = f"And {len(more)} more: {', '.join(c.name for c in more)}." if more else ""
    note = f"Predictions until a trial has proven them: gm.prove(make), gradiometer prove. {also}"
    return joined(
        [
            head("Cures", note),
            table(["name", "what it does", "gain per hop", "edit"], body, numbers=(2,), lesser=(3,)),
        ]
    )


def _gain(cure: Cure) -> str:
    known = not (math.isnan(cure.gain_before) or math.isnan(cure.gain_after))
    return f"{UNICODE.gain(cure.gain_before)} → {UNICODE.gain(cure.gain_after)}" if known else ""


def _groups(diagnosis: Diagnosis) -> Html:
    return table(["group", "causes"], [[g["name"], g["words"]] for g in report.group_words(diagnosis)])


def _others(run: Run, diagnosis: Diagnosis, model: str) -> Html | None:
    """One line a model whose profile is not shown."""
    body: list[list[Piece]] = []
    for name in (n.name for n in run.networks if n.name != model):
        body.append([code(name), model_words(run, diagnosis, name, _total_decades(run, name), UNICODE)])
    return (
        joined([head("Other models"), table(["model", "trunk, change of the error, verdict"], body)]) if body else None
    )


def _total_decades(run: Run, model: str) -> float:
    known = run.network(model).hops and run.frames_of(model)
    return float(profile(run, model).error_decades[-1]) if known else math.nan


def _missed(run: Run) -> Html | None:
    return _missed_of(tuple(f"{m.site}: {m.reason}" for m in run.not_covered))


def _missed_of(places: tuple[str, ...]) -> Html | None:
    if not places:
        return None
    shown = [el("div", p) for p in places[:MOST_MISSED]]
    more = el("div", f"and {len(places) - MOST_MISSED} more") if len(places) > MOST_MISSED else None
    return folded(f"Not measured: {len(places)}", *shown, more)


def _foot(run: Run, diagnosis: Diagnosis, path: Path | None) -> Html:
    file = run_path(run) or (str(path) if path is not None else "")
    where = el("span", "file ", code(file)) if file else None
    whole = el("span", "whole report: ", code('gm.report(run, "report.html")'))
    return foot(*footer(run, diagnosis, UNICODE), _accepted(diagnosis), where, whole)
