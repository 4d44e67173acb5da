"""A trial of cures: what was to be compared, how each training ended, and what was decided."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from .finding import Finding
from .network import Scalar
from .showing import Shows

TRIAL_SCHEMA = 1

ArmRole = Literal["none", "repeat", "written", "rate", "sham", "cure", "random", "ablation"]
Stage = Literal["screening", "trial"]
OutcomeState = Literal["finished", "diverged", "refused", "failed"]
Decision = Literal["helps", "hurts", "no evidence", "not comparable", "invalid"]
TrialState = Literal["running", "finished", "interrupted"]


class TrialArm(msgspec.Struct, frozen=True):
    """One thing that is compared.

    name: unique in the trial. role: ``none`` changes nothing, ``repeat`` and ``written`` (at the script's own rate,
    where no cure trains at another one) neither; ``rate`` is no cure at its searched rate, beside ``written``;
    ``sham`` treats and undoes; ``random`` is drawn from the cures that apply and were not prescribed; ``ablation`` is
    the winner with a part left out. treat: what is called in the training's process at the moment of the cure, as
    ``package.module:function``, "" for nothing. params: what it is called with. lr_factor: of every learning rate of
    the script (1: as the script says). of: the arm that an ablation takes apart; of a cure or a rate, the arm that it
    is compared with, "" for no cure.
    """

    name: str
    role: ArmRole
    treat: str = ""
    params: dict[str, Scalar] = {}
    lr_factor: float = 1.0
    of: str = ""


class Primary(msgspec.Struct, frozen=True):
    """The outcome that decides, the same for every arm.

    kind: ``loss``, the untreated script's own loss in eval mode on batches that it has seen; ``metric``, a number that
    the script prints; ``log``, one that it hands to ``handle.log``. pattern: regular expression of the metric, whose
    first group is the number. name: what it is called on a page, or the name that was logged.
    """

    kind: Literal["loss", "metric", "log"] = "loss"
    better: Literal["lower", "higher"] = "lower"
    name: str = "loss"
    pattern: str = ""


class TrialSpec(msgspec.Struct, frozen=True):
    """What a trial compares, fixed before the first outcome of its arms is seen.

    seeds: of the paired trial; screening_seeds, diagnosed_on: seeds of the choice of rates and of the diagnosis; all
    disjoint. steps: optimizer steps of each training (of a screening: screening_steps); None: the whole script.
    lr_factors: tried for every arm alike. chosen: names of the arms that go into the paired trial, with the rates of
    ``arms``; () before the screening has ended. family: number of arms that are compared with no cure over the whole
    trial, those that come later (the ablation of a winner) and those that are dropped on the way included; 0: as many
    as ``arms`` has. cap: a difference of a pair counts as at most this much, in units of the primary outcome; it is
    what a diverged run counts. floor: the least effect that matters, in the same units; floor_source: how both were
    set. alpha: chance of a wrong ``helps`` or ``hurts`` over all arms together.
    mechanism: the number in ``Outcome.mechanism`` that is told beside the outcome. model: the network that is treated,
    "" for the only one; others: those that train beside it and are left alone. digest: SHA-256 of the script, of code
    that of its start. command: what was typed, "" for code. found: the finding that the trial answers, None where cures
    were asked for and nothing was found.
    """

    arms: tuple[TrialArm, ...]
    seeds: tuple[int, ...]
    steps: int | None
    primary: Primary = Primary()
    screening_seeds: tuple[int, ...] = ()
    screening_steps: int | None = None
    diagnosed_on: tuple[int, ...] = ()
    lr_factors: tuple[float, ...] = (1.0,)
    chosen: tuple[str, ...] = ()
    family: int = 0
    cap: float = math.nan
    floor: float = math.nan
    floor_source: str = ""
    alpha: float = 0.05
    mechanism: str = ""
    model: str = ""
    others: tuple[str, ...] = ()
    script: str = ""
    argv: tuple[str, ...] = ()
    digest: str = ""
    budget_s: float = math.nan
    command: str = ""
    found: Finding | None = None
    schema: int = TRIAL_SCHEMA

    def partner_of(self, arm: TrialArm) -> str:
        """Name of the arm that this one is compared with: no cure, but for a cure or a rate that names another one; ""
        where the plan has no arm without a cure."""
        if arm.role in ("cure", "rate") and arm.of:
            return arm.of
        return next((a.name for a in self.arms if a.role == "none"), "")


class Job(msgspec.Struct, frozen=True):
    """One training to run: an arm with a seed and a learning-rate factor, for so many steps (None: to its end)."""

    arm: TrialArm
    seed: int
    lr_factor: float
    steps: int | None
    stage: Stage

    @property
    def key(self) -> str:
        """What tells this training from the others of its trial."""
        return f"{self.stage}/{self.arm.name}/{self.seed}/{self.lr_factor:.9g}/{self.steps}"


class Outcome(msgspec.Struct, frozen=True):
    """How one training ended.

    key: that of its job. value: the primary outcome, nan where there is none (a diverged run). state: ``refused``
    where the treatment could not be applied, ``failed`` where the script raised; ``note`` says why. incomparable: why
    its outputs cannot be judged by the untreated script's loss, "" where they can. first: the primary outcome before
    the first step, nan unknown. steps: taken. curve: the script's own losses, thinned, [(step, loss)]. seconds: of
    processor time, nan where it was trained side by side with others. repeats: times that its process was killed and
    it was begun anew. digest: of all losses and of the final parameters, which are equal bit for bit where it is
    equal. mechanism: measured numbers by name. patch: the treatment as code, "" where there is none.
    """

    key: str
    arm: str
    seed: int
    lr_factor: float
    stage: Stage
    value: float = math.nan
    state: OutcomeState = "finished"
    note: str = ""
    incomparable: str = ""
    first: float = math.nan
    steps: int = 0
    curve: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    repeats: int = 0
    digest: str = ""
    mechanism: dict[str, float] = {}
    patch: str = ""


class Verdict(Shows, msgspec.Struct, frozen=True):
    """What the trial says of one arm.

    effect: mean difference to no cure over the pairs, capped, positive where the arm is better. interval: of that
    mean. won: pairs in which the arm is better, of ``pairs``. diverged: runs of the arm that diverged; diverged_none:
    of its partners. p: two-sided; p_holm: corrected over the arms that were compared. seconds: median processor time
    of a run, seconds_none: of its partners. nan: there was nothing to compute it from.
    """

    arm: str
    decision: Decision
    reasons: tuple[str, ...] = ()
    effect: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    won: int = 0
    pairs: int = 0
    diverged: int = 0
    diverged_none: int = 0
    p: float = math.nan
    p_holm: float = math.nan
    lr_factor: float = 1.0
    seconds: float = math.nan
    seconds_none: float = math.nan


class TrialResult(Shows, msgspec.Struct, frozen=True):
    """A trial: what was planned, what has ended, what was decided (nothing before it is finished).

    A result whose state is not ``finished`` is valid: its outcomes stand, and the trial can be resumed from it.
    notes: what a reader must know beside the verdicts, a sentence each.
    """

    spec: TrialSpec
    outcomes: tuple[Outcome, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    state: TrialState = "running"
    notes: tuple[str, ...] = ()

    def of(self, arm: str, stage: Stage = "trial") -> dict[int, Outcome]:
        """The outcomes of an arm by seed; of several on one seed (rates that were tried) the last."""
        return {o.seed: o for o in self.outcomes if o.arm == arm and o.stage == stage}
