"""Other tools' rules, re-expressed from their published thresholds, on the same recorded runs.

What a run file does not hold is told where the rule is: accuracy is re-expressed by the loss, means by norms.
AutoTrainer (Zhang 2021) and SageMaker Debugger (Amazon, defaults of its guide) are as published, not tuned.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gradiometer.diagnosis.reading import Reading, readings
from gradiometer.records import Run

Array = NDArray[np.float64]
Baseline = Callable[[Run], frozenset[str]]
"""A run -> the symptoms that the tool reports; none where it is silent."""


def naive(run: Run) -> frozenset[str]:
    """The last loss is no number, or has not fallen by 40 % from the first."""
    out = set()
    for reading in readings(run):
        losses = reading.losses
        if len(losses) and not math.isfinite(losses[-1]):
            out.add("non-finite")
        elif not reading.last_loss <= 0.6 * reading.first_loss:
            out.add("stalled")
    return frozenset(out)


# ---- AutoTrainer -----------------------------------------------------------------------------------------------------
GV_RATIO, GV_SIZE, GE_RATIO, ZEROS = 1e-3, 1e-4, 70.0, 0.7
OSCILLATION, OSCILLATIONS, SLOW, THETA = 0.03, 0.2, 0.01, 0.6
BEGIN, ABNORMAL = 0.3, 10.0


def autotrainer(run: Run) -> frozenset[str]:
    """Gated by a poor loss (for accuracy < .6: more than .6 of the trivial loss left), from 30 % of the steps on."""
    return frozenset(s for reading in readings(run) for s in _autotrainer(reading))


def _autotrainer(reading: Reading) -> set[str]:
    kernels = [p.name for p in reading.network.params if len(p.shape) > 1]
    losses, out = reading.losses, set()
    if len(losses) and not np.isfinite(losses).all():
        out.add("exploding")
    late = reading.steps >= BEGIN * reading.last_step
    if not kernels or not late.any():
        return out
    poor = not reading.trivial_share <= THETA
    first, last = (reading.at("grad_norm_raw", k)[late] for k in (kernels[0], kernels[-1]))
    with np.errstate(all="ignore"):
        ratio = first / last
    if poor and bool(((ratio < GV_RATIO) & (first < GV_SIZE)).any()):
        out.add("vanishing")
    if poor and bool((ratio > GE_RATIO).any() or (~np.isfinite(first) & ~np.isnan(first)).any()):
        out.add("exploding")
    if poor and _zero_gradients(reading, late) >= ZEROS:
        out.add("zero")
    curve = _epochs(losses)
    scale = curve[0] if curve.size and curve[0] > 0 else math.nan
    rises = np.diff(curve) >= OSCILLATION * scale
    if curve.size > 2 and rises.mean() >= OSCILLATIONS:
        out.add("unstable")
    if curve.size > 2 and poor and not (-np.diff(curve)).max() >= SLOW * scale:
        out.add("stalled")
    if _largest_output(reading) >= ABNORMAL:
        out.add("exploding")
    return out


def _zero_gradients(reading: Reading, late: NDArray[np.bool_]) -> float:
    sizes = {p.name: p.numel for p in reading.network.params}
    shares = [
        (n, np.nanmean(reading.at("grad_zero_share", n)[late])) for n in sizes if reading.column.get(n) is not None
    ]
    known = [(sizes[n], s) for n, s in shares if s == s]
    return sum(n * s for n, s in known) / sum(n for n, _ in known) if known else 0.0


def _epochs(losses: Array) -> Array:
    """Twenty epochs of mean loss, as many as there are steps for."""
    kept = losses[np.isfinite(losses)]
    parts = np.array_split(kept, min(20, len(kept))) if len(kept) else []
    return np.array([p.mean() for p in parts])


def _largest_output(reading: Reading) -> float:
    """Largest root mean square of a module's output: a mean of absolute values is not recorded."""
    with np.errstate(all="ignore"):
        rms = reading.of("act_norm") / np.sqrt(reading.of("act_numel"))
    kept = rms[np.isfinite(rms)]
    return float(kept.max()) if kept.size else 0.0


# ---- SageMaker Debugger ----------------------------------------------------------------------------------------------
SM_VANISHING, SM_DEAD, SM_VARIANCES, SM_UPDATE = 1e-7, 0.5, 10.0, (1e-8, 10.0)
SM_LOSS_STEPS, SM_UNCHANGED = 10, 3


def sagemaker(run: Run) -> frozenset[str]:
    """Every built-in rule that a run file can answer, with its default; saturation beyond |x| > 9.5 is not recorded."""
    return frozenset(s for reading in readings(run) for s in _sagemaker(reading))


def _sagemaker(reading: Reading) -> set[str]:
    out: set[str] = set()
    params = [p for p in reading.network.params if p.requires_grad]
    size = {p.name: math.sqrt(p.numel) for p in params}
    grads = [reading.at("grad_norm", n) / s for n, s in size.items()]  # root mean square, for the mean of |g|
    if any(bool((g < SM_VANISHING).any()) for g in grads):
        out.add("vanishing")
    finite = (reading.of(s) for s in ("act_nonfinite", "err_nonfinite", "weight_nonfinite"))
    if any(bool((x == 1).any()) for x in finite) or not np.isfinite(reading.losses).all():
        out.add("non-finite")
    if bool((reading.of("act_dead_share") > SM_DEAD).any()):
        out.add("zero")
    if bool((reading.of("act_zero_share") == 1).any()):
        out.add("zero")
    out |= _poor_init(reading, [p.name for p in params if len(p.shape) > 1], size) | _updates(reading, size)
    losses = reading.losses
    if len(losses) > SM_LOSS_STEPS and bool((losses[SM_LOSS_STEPS:] >= losses[:-SM_LOSS_STEPS]).any()):
        out.add("stalled")
    return out


def _poor_init(reading: Reading, kernels: list[str], size: dict[str, float]) -> set[str]:
    first = reading.steps <= 10
    variances = []
    for name in kernels:
        values = (reading.at("weight_norm", name)[first] / size[name]) ** 2
        kept = values[np.isfinite(values)]
        variances += [float(kept[0])] if kept.size else []
    low, high = (min(variances), max(variances)) if len(variances) > 1 else (1.0, 1.0)
    return {"stalled"} if low == 0 or high / low > SM_VARIANCES else set()


def _updates(reading: Reading, size: dict[str, float]) -> set[str]:
    out: set[str] = set()
    for name in size:
        update, weight = reading.at("update_norm", name), reading.at("weight_norm", name)
        with np.errstate(all="ignore"):
            ratio = update / (weight + 1e-9)
        kept = ratio[np.isfinite(ratio)]
        if kept.size and kept.max() > SM_UPDATE[1]:
            out.add("exploding")
        if kept.size and kept.min() < SM_UPDATE[0]:
            out.add("vanishing")
        still = update[np.isfinite(update)] == 0
        if still.size >= SM_UNCHANGED and still[-SM_UNCHANGED:].all():
            out.add("zero")
    return out


BASELINES: dict[str, Baseline] = {
    "loss did not fall by 40 %": naive,
    "AutoTrainer": autotrainer,
    "SageMaker Debugger": sagemaker,
}


def flagged(name: str, run: Run) -> frozenset[str]:
    """What a baseline says of a run; numpy is not to complain about empty slices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BASELINES[name](run)
