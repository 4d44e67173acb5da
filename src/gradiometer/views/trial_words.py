"""What a trial says, in words: which cure is proven, what the controls show, how far it reaches."""

from __future__ import annotations

import math
from statistics import median

from gradiometer.catalog import ENTRIES, RATE_CURES
from gradiometer.records import TrialArm, TrialResult, TrialSpec
from gradiometer.records import Verdict as ArmVerdict

from .numbers import Numbers
from .wording import Verdict


def trial_verdict(result: TrialResult, numbers: Numbers) -> Verdict:
    """Tag and sentence that stand first. The best arm is the cure with the largest effect among those that help."""
    best = best_arm(result)
    if result.state != "finished":
        return _unfinished(result)
    if best is not None:
        return Verdict("healthy", "Helps", best.arm, _helps(result, best, numbers))
    decisions = {v.decision for v in result.verdicts}
    if decisions == {"invalid"}:
        return Verdict("warn", "Invalid", "", result.verdicts[0].reasons[0])
    if decisions == {"not comparable"}:
        return Verdict("warn", "Not comparable", "", result.verdicts[0].reasons[0])
    return Verdict("fail", "No cure proved", "", _nothing(result))


def best_arm(result: TrialResult) -> ArmVerdict | None:
    """The cure that helps most, or the rate alone, which is asked only where no cure does; None where neither helps.
    Random cures and ablations are controls and never it."""
    roles = {a.name: a.role for a in result.spec.arms}
    helping = [v for v in result.verdicts if v.decision == "helps" and roles.get(v.arm) in ("cure", "rate")]
    return max(helping, key=lambda v: v.effect, default=None)


def _unfinished(result: TrialResult) -> Verdict:
    """No verdict yet: the trial was stopped, is under way, or its process was killed."""
    done = len([o for o in result.outcomes if o.stage == "trial"])
    runs = "1 run" if done == 1 else f"{done} runs"
    if result.state == "interrupted":
        return Verdict("unknown", "Cut short", "", f"It was stopped after {runs} of the paired trial.")
    return Verdict("unknown", "Not finished", "", f"No verdict yet: {runs} of the paired trial so far.")


def none_arm(result: TrialResult) -> str:
    """The name of the arm that changes nothing, "" where the plan has none."""
    return next((a.name for a in result.spec.arms if a.role == "none"), "")


def within(spec: TrialSpec, numbers: Numbers) -> str:
    """How far the trainings went, which every verdict is limited to."""
    return "over the whole script" if spec.steps is None else f"within {numbers.count(spec.steps)} steps"


def controls(result: TrialResult, numbers: Numbers) -> tuple[str, ...]:
    """Sentences on what keeps the trial honest: sham, seeds, ruler, effect floor, repeated runs."""
    spec = result.spec
    out = [network_words(spec)]
    out += [_sham(result)] if any(a.role == "sham" for a in spec.arms) else []
    out.append(
        f"Seeds {_range(spec.seeds)} are paired; the diagnosis was made on {_range(spec.diagnosed_on)}"
        + (f", rates and cures were chosen on {_range(spec.screening_seeds)}" if spec.screening_seeds else "")
        + "."
    )
    share = f"effect floor {numbers.number(spec.floor)}, from the {spec.floor_source}"
    out.append(f"Outcome: {outcome_words(spec)}; {share}; p corrected over {_family(result)} (Holm).")
    repeated = sum(o.repeats for o in result.outcomes)
    if repeated:
        out.append(f"{repeated} runs were killed and begun anew.")
    return tuple(s for s in out if s)


def network_words(spec: TrialSpec) -> str:
    """Which of several networks was treated, "" where there is one."""
    if not spec.model:
        return ""
    others = f"; {', '.join(spec.others)} beside it stayed as written" if spec.others else ""
    return f"The network that was treated is {spec.model}{others}."


def outcome_words(spec: TrialSpec) -> str:
    """What was compared."""
    primary = spec.primary
    if primary.kind == "loss":
        return "the untreated script's own loss on each arm's outputs, in eval mode, on batches that it has seen"
    source = "printed by the script" if primary.kind == "metric" else "logged by the script"
    return f"{primary.name}, {source}, {primary.better} is better"


def mechanism(result: TrialResult, arm: str) -> float:
    """Change of the error over the trunk at the moment of the cure, decades, median over seeds; nan where unknown."""
    own = [o for o in result.outcomes if o.arm == arm and o.stage == "trial"]
    found = [o.mechanism[result.spec.mechanism] for o in own if result.spec.mechanism in o.mechanism]
    known = [x for x in found if not math.isnan(x)]
    return median(known) if known else math.nan


def predicted_decades(result: TrialResult, arm: str) -> float:
    """What theory predicts for an arm's mechanism, decades: log10 of the gain per hop that the finding's cure of that
    name promises, times the hops; nan where theory has no number, or nobody prescribed it."""
    finding = result.spec.found
    cure = next((c for c in finding.cures if c.name == arm), None) if finding is not None else None
    hops = next((o.mechanism["hops"] for o in result.outcomes if "hops" in o.mechanism), math.nan)
    if cure is None or not (math.isfinite(cure.gain_after) and cure.gain_after > 0):
        return math.nan
    return hops * math.log10(cure.gain_after)


def mechanism_words(result: TrialResult, numbers: Numbers) -> str:
    """The way of the error without a cure (as the sham shows it) and with the best one, "" where unknown."""
    best = best_arm(result)
    sham = next((a.name for a in result.spec.arms if a.role == "sham"), "")
    before = mechanism(result, sham)
    after = mechanism(result, best.arm) if best is not None else math.nan
    if best is None or math.isnan(before) or math.isnan(after):
        return ""
    return (
        f"The error on its way from the loss to the input changes by {numbers.decades(before)} decades without a cure, "
        f"by {numbers.decades(after)} right after {best.arm}."
    )


def patch(result: TrialResult) -> str:
    """The best cure as code, "" where none is proven."""
    best = best_arm(result)
    own = [o.patch for o in result.outcomes if best is not None and o.arm == best.arm and o.stage == "trial"]
    return next((text for text in own if text), "")


def _helps(result: TrialResult, best: ArmVerdict, numbers: Numbers) -> str:
    way = "lower" if result.spec.primary.better == "lower" else "higher"
    arm = next(a for a in result.spec.arms if a.name == best.arm)
    factor = best.lr_factor * _own_factor(arm)
    rate = f", at {numbers.number(factor)} times the script's rate," if factor != 1 else ""
    beside = f"at {arm.of}" if arm.of else "without a cure"
    return (
        f"With {best.arm}{rate} the {result.spec.primary.name} ends {numbers.number(abs(best.effect))} {way} "
        f"(interval {numbers.interval(*best.interval)}) than {beside}, {within(result.spec, numbers)}."
    )


def _own_factor(arm: TrialArm) -> float:
    """What a cure that is nothing but another rate multiplies it by; 1 for any other cure."""
    entry = next((e for e in ENTRIES if e.name == arm.params.get("cure") and e.name in RATE_CURES), None)
    param = None if entry is None else entry.param("factor")
    given = None if param is None else arm.params.get("set.factor", param.default)
    return float(given) if isinstance(given, int | float) else 1.0


def _nothing(result: TrialResult) -> str:
    tried = [v.arm for v in result.verdicts]
    screened = {o.arm for o in result.outcomes if o.stage == "screening"} - set(tried)
    more = len([a for a in result.spec.arms if a.name in screened and a.role == "cure"])
    also = f", and {more} more on other seeds before" if more else ""
    if not tried:
        return f"Nothing went into the paired trial{also}."
    return f"Tried on {len(result.spec.seeds)} paired seeds: {', '.join(tried)}{also}."


def _sham(result: TrialResult) -> str:
    none = next(a.name for a in result.spec.arms if a.role == "none")
    shams = {o.seed: o for a in result.spec.arms if a.role == "sham" for o in result.of(a.name).values()}
    if not shams:
        return ""
    partners = result.of(none)
    equal = [s for s, o in shams.items() if s in partners and o.digest == partners[s].digest]
    if len(equal) == len(shams):
        return f"The sham, treated and undone, is equal to no cure bit for bit, on seeds {_range(tuple(equal))}."
    return "The script is not deterministic: the sham and repeats of no cure differ from no cure, alike."


def _family(result: TrialResult) -> str:
    n = max(result.spec.family, len(result.verdicts))
    return f"{n} comparisons" if n != 1 else "1 comparison"


def _range(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(str(s) for s in seeds)
