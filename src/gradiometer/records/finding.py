"""What a diagnosis says: findings with their evidence, or that nothing was found."""

from __future__ import annotations

from typing import Literal

import msgspec

from .showing import Shows

Symptom = Literal["vanishing", "exploding", "zero", "non-finite", "stalled", "unstable", "none"]
Severity = Literal["fail", "warn"]


class Evidence(msgspec.Struct, frozen=True):
    """One measured quantity beside the limit it was judged by.

    limit: None where the quantity is shown without a limit. beyond: True where the value is past its limit
    (guilty), False where it is clear. limit_source: where the limit comes from.
    """

    quantity: str
    value: float
    unit: str
    limit: float | None = None
    limit_source: str = ""
    beyond: bool = False


class Cure(msgspec.Struct, frozen=True):
    """A cure as a diagnosis proposes it: a prediction, never a claim of success.

    name: its name in the catalog. title: what it does, a few words. gain_before, gain_after: predicted norm gain per
    hop, nan where theory has no number. enough: False where the prediction says that it does not suffice alone.
    edit: the change to make, one or two lines of PyTorch or of plain words.
    """

    name: str
    title: str
    gain_before: float = float("nan")
    gain_after: float = float("nan")
    enough: bool = True
    edit: str = ""


class Alternative(msgspec.Struct, frozen=True):
    """Another cause that was considered, and why it ranks below."""

    cause: str
    reason: str


class Finding(Shows, msgspec.Struct, frozen=True):
    """One root cause, with everything that it explains.

    sites: names of the guilty sites, loss first. steps: recorded steps (first, last) in which it was seen.
    """

    model: str
    symptom: Symptom
    cause: str
    severity: Severity
    sites: tuple[str, ...]
    steps: tuple[int, int]
    summary: str
    evidence: tuple[Evidence, ...] = ()
    cures: tuple[Cure, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


class Diagnosis(Shows, msgspec.Struct, frozen=True):
    """The document of ``--json``: schema 1.

    healthy: True nothing failed and the coverage suffices (warnings alone leave it True); False a finding failed;
    None coverage below 95 % and nothing failed, or nothing was measured.
    checked: the causes that were looked for. not_covered: what was not measured, and why. findings: most severe first.
    """

    schema: int
    run: str
    healthy: bool | None
    coverage: float
    checked: tuple[str, ...]
    not_covered: tuple[str, ...]
    overhead_share: float
    findings: tuple[Finding, ...] = ()
    accepted: tuple[str, ...] = ()  # findings that --ignore or pyproject.toml accept, as CAUSE:SITE
    note: str = ""
