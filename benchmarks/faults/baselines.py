"""Other tools' rules, re-expressed from their published thresholds, on the same recorded runs.

AutoTrainer (Zhang et al., ICSE 2021, thresholds of its source), SageMaker Debugger (Amazon, defaults of its developer
guide), and a rule that anybody could write. They are as published and not tuned. What a run file does not hold is
re-expressed: accuracy by the loss, epochs by twentieths of the training, means of |x| by root mean squares.

A rule that fires is read generously: ``symptoms`` and ``causes`` are all that its name could mean in our vocabulary.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradiometer.records import LossSeen, Network, Run

Array = NDArray[np.float64]
MEAN_OF_RMS = math.sqrt(2 / math.pi)  # mean of |x| / root mean square, for normal numbers


@dataclass(frozen=True, slots=True)
class Alarm:
    """One rule that fired, and what it may be taken to mean."""

    rule: str
    symptoms: tuple[str, ...]
    causes: tuple[str, ...] = ()


Baseline = Callable[[Run], tuple[Alarm, ...]]


@dataclass(frozen=True)
class Model:
    """What the rules see of one network of a run."""

    run: Run
    network: Network

    @cached_property
    def losses(self) -> Array:
        """The loss at every step [step]."""
        return np.asarray(self.run.curve(self.network.name)[:, 1])

    @cached_property
    def epochs(self) -> Array:
        """Mean loss of twenty equal parts, or as many as there are steps for: a run file knows no epochs [epoch]."""
        parts = np.array_split(self.losses, min(20, len(self.losses))) if len(self.losses) else []
        return np.array([p.mean() for p in parts])

    @cached_property
    def seen(self) -> LossSeen | None:
        """What was seen of the loss."""
        return next((x for x in self.run.losses if x.model == self.network.name), None)

    @cached_property
    def share(self) -> Array:
        """Loss that is left, as a share of the trivial loss, or of the first part where that is unknown [epoch]."""
        trivial = self.seen.trivial if self.seen and self.seen.trivial is not None else math.nan
        whole = trivial if trivial > 0 else (self.epochs[0] if len(self.epochs) else math.nan)
        return self.epochs / whole

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """Steps of the recorded frames [frame]."""
        return self.run.steps(self.network.name)

    @cached_property
    def last_step(self) -> int:
        """Last step of the training."""
        return max(len(self.losses) - 1, int(self.steps[-1]) if len(self.steps) else 0)

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of a site by its name."""
        return {s.name: i for i, s in enumerate(self.run.sites(self.network.name))}

    def of(self, stat: str) -> Array:
        """A statistic [frame, site]."""
        return self.run.of(stat, self.network.name)

    def at(self, stat: str, site: str) -> Array:
        """A statistic at a site [frame], nan where the site was not recorded."""
        column = self.column.get(site, -1)
        return self.of(stat)[:, column] if column >= 0 else np.full(len(self.steps), np.nan)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Elements of every parameter that wants a gradient."""
        return {p.name: p.numel for p in self.network.params if p.requires_grad}

    @cached_property
    def kernels(self) -> list[str]:
        """Its parameters of two dimensions or more, in the order of the network."""
        return [p.name for p in self.network.params if len(p.shape) > 1 and p.requires_grad]


def _models(run: Run) -> Iterator[Model]:
    return (Model(run, network) for network in run.networks if any(f.model == network.name for f in run.frames))


def _once(alarms: Iterator[Alarm]) -> tuple[Alarm, ...]:
    return tuple(dict.fromkeys(alarms))


# ---- the naive rule --------------------------------------------------------------------------------------------------
FALL = 0.4


def naive(run: Run) -> tuple[Alarm, ...]:
    """The last loss is no number, or (in the mean of the last tenth) has not fallen by 40 % from the first."""
    return _once(alarm for model in _models(run) for alarm in _naive(model.losses))


def _naive(losses: Array) -> Iterator[Alarm]:
    if len(losses) and not math.isfinite(losses[-1]):
        yield Alarm("loss not finite", ("non-finite",))
    elif len(losses):
        first, last = losses[0], losses[-max(1, len(losses) // 10) :].mean()
        if not first - last >= FALL * abs(first):
            yield Alarm("loss did not fall", ("stalled",))


# ---- AutoTrainer -----------------------------------------------------------------------------------------------------
GV_RATIO, GV_SIZE, GE_RATIO, ZEROS = 1e-3, 1e-4, 70.0, 0.7  # beta1, beta2, beta3, gamma
OSCILLATION, OSCILLATIONS = 0.03, 0.2  # zeta, eta
SLOW, THETA = 0.01, 0.6  # delta, Theta
BEGIN, MIDDLE = 0.3, 0.5  # share of the training after which gradients and layer outputs are looked at
ABNORMAL, PROBABILITY = 10.0, 1.1  # omega1, omega2 + .1
PROBABILITIES = ("nll", "bce")


def autotrainer(run: Run) -> tuple[Alarm, ...]:
    """Its eight problems. An accuracy below .6 is read as more than .6 of the trivial loss that is left."""
    return _once(alarm for model in _models(run) for alarm in _autotrainer(model))


def _autotrainer(model: Model) -> Iterator[Alarm]:
    share = model.share[np.isfinite(model.share)]
    if not np.isfinite(model.losses).all():
        yield Alarm("gradient exploding", ("exploding", "non-finite", "unstable"))
    poor = not (len(share) and share.min() <= THETA)
    slow = len(share) > 2 and not (-np.diff(share)).max() >= SLOW
    if poor or slow:
        yield from _gradients(model)
    if len(share) > 2 and np.mean(np.diff(share) >= OSCILLATION) >= OSCILLATIONS:
        yield Alarm("oscillating loss", ("unstable",), ("lr-too-high", "noise-dominates"))
    if len(share) > 2 and poor and slow:
        yield Alarm("slow convergence", ("stalled",), ("lr-too-low",))
    yield from _outputs(model)


def _gradients(model: Model) -> Iterator[Alarm]:
    """Norms of the weights' gradients, first layer over last, and exact zeros among all gradients."""
    late = model.steps >= BEGIN * model.last_step
    if not (model.kernels and late.any()):
        return
    first, last = (model.at("grad_norm_raw", name)[late] for name in (model.kernels[0], model.kernels[-1]))
    ratio = first / last
    if ((ratio < GV_RATIO) & (first < GV_SIZE)).any():
        yield Alarm("gradient vanishing", ("vanishing",))
    if (ratio > GE_RATIO).any() or np.isinf(first).any():
        yield Alarm("gradient exploding", ("exploding", "non-finite", "unstable"))
    known = [(n, np.nanmean(model.at("grad_zero_share", name)[late])) for name, n in model.sizes.items()]
    known = [(n, share) for n, share in known if math.isfinite(share)]
    if known and sum(n * share for n, share in known) >= ZEROS * sum(n for n, _ in known):
        yield Alarm("dying ReLU", ("zero", "stalled"), ("activation-dead",))


def _outputs(model: Model) -> Iterator[Alarm]:
    """What it reads from the layers' outputs at half of the training, and from the loss function."""
    late = model.steps >= MIDDLE * model.last_step
    rms = (model.of("act_norm") / np.sqrt(model.of("act_numel")))[late]
    if (MEAN_OF_RMS * rms >= ABNORMAL).any():
        yield Alarm("abnormal data", ("exploding", "unstable", "stalled"), ("input-scale",))
    seen = model.seen
    if seen is None:
        return
    if seen.kind in PROBABILITIES and (seen.input_max > PROBABILITY or seen.pre in ("", "relu")):
        yield Alarm("improper activation", ("stalled", "non-finite"), ("output-range", "loss-mismatch"))
    classes = seen.target_kind == "class" or seen.classes_seen > 1
    if classes and (seen.kind in ("mse", "l1") or (seen.kind.startswith("bce") and seen.outputs > 2)):
        yield Alarm("improper loss", ("stalled",), ("loss-mismatch", "target-encoding"))


# ---- SageMaker Debugger ----------------------------------------------------------------------------------------------
SM_VANISHING, SM_DEAD, SM_INITIAL = 1e-7, 0.5, 10
SM_VARIANCES, SM_SPREAD, SM_PATIENCE = 10.0, 1e-3, 5
SM_UPDATE, SM_SAME, SM_UNCHANGED = (1e-8, 10.0), 1e-5, 3
SM_LOSS_STEPS, SM_IMAGE = 10, 0.2
P95_TO_P5 = 3.29  # of a normal distribution, in its standard deviations


def sagemaker(run: Run) -> tuple[Alarm, ...]:
    """The built-in rules that a run file can answer, at every recorded step. SaturatedActivation is left out: how much
    lies beyond its limits (9.5 for tanh) is not recorded. So are the rules about evaluation and about other runs."""
    return _once(alarm for model in _models(run) for alarm in _sagemaker(model))


def _sagemaker(model: Model) -> Iterator[Alarm]:
    gradients = {name: model.at("grad_norm", name) / math.sqrt(n) for name, n in model.sizes.items()}
    if any((MEAN_OF_RMS * g < SM_VANISHING).any() for g in gradients.values()):
        yield Alarm("VanishingGradient", ("vanishing", "zero", "stalled"))
    broken = any((model.of(s) == 1).any() for s in ("act_nonfinite", "err_nonfinite", "weight_nonfinite"))
    if broken or not np.isfinite(model.losses).all():
        yield Alarm("ExplodingTensor", ("exploding", "non-finite"))
    if (model.of("act_dead_share") > SM_DEAD).any():
        yield Alarm("DeadRelu", ("zero", "stalled"), ("activation-dead",))
    if (model.of("act_zero_share") == 1).any() or (model.of("grad_zero_share") == 1).any():
        yield Alarm("AllZero", ("zero",))
    yield from _initial(model, gradients)
    yield from _updates(model)
    losses = model.losses
    if len(losses) > SM_LOSS_STEPS and (losses[SM_LOSS_STEPS:] >= losses[:-SM_LOSS_STEPS]).any():
        yield Alarm("LossNotDecreasing", ("stalled", "unstable"))
    if any(len(x.shape) == 4 and abs(x.mean) > SM_IMAGE for x in model.network.inputs):
        yield Alarm("CheckInputImages", ("stalled", "unstable"), ("input-scale",))


def _initial(model: Model, gradients: dict[str, Array]) -> Iterator[Alarm]:
    """PoorWeightInitialization: any of its three conditions in the first ten steps."""
    first = model.steps < SM_INITIAL
    if not first.any():
        return
    squares = [model.at("weight_norm", name)[first][0] ** 2 / model.sizes[name] for name in model.kernels]
    kept = [s for s in squares if math.isfinite(s)]
    uneven = len(kept) > 1 and max(kept) > SM_VARIANCES * min(kept)
    narrow = any((P95_TO_P5 * gradients[name][first] < SM_SPREAD).any() for name in model.kernels)
    early = model.losses[:SM_INITIAL]
    still = any((early[i + 1 : i + 1 + SM_PATIENCE] >= early[i]).all() for i in range(len(early) - SM_PATIENCE))
    if uneven or narrow or still:
        causes = ("init-too-small", "init-too-large", "init-symmetric", "init-wrong-fan")
        yield Alarm("PoorWeightInitialization", ("stalled", "vanishing", "exploding"), causes)


def _updates(model: Model) -> Iterator[Alarm]:
    for name in model.kernels:  # a bias starts at 0, and every update is large beside it
        ratio = model.at("update_norm", name) / (model.at("weight_norm", name) + 1e-9)
        known = ratio[np.isfinite(ratio)]
        if (known > SM_UPDATE[1]).any():
            yield Alarm("WeightUpdateRatio, large", ("exploding", "unstable"), ("lr-too-high",))
        if (known < SM_UPDATE[0]).any():
            yield Alarm("WeightUpdateRatio, small", ("vanishing", "zero", "stalled"), ("lr-too-low",))
        same = known <= SM_SAME
        if any(same[i : i + SM_UNCHANGED].all() for i in range(len(same) - SM_UNCHANGED + 1)):
            yield Alarm("UnchangedTensor", ("zero", "stalled"))


BASELINES: dict[str, Baseline] = {
    "loss did not fall by 40 %": naive,
    "AutoTrainer": autotrainer,
    "SageMaker Debugger": sagemaker,
}


def alarms(name: str, run: Run) -> tuple[Alarm, ...]:
    """What a baseline says of a run; numpy is not to complain about nan and empty slices."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return BASELINES[name](run)
