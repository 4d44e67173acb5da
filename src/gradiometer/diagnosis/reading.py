"""One model of a run, read once: windows, medians over them, and where its loss stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import quantities
from ..quantities import Profile, medians
from ..records import Frame, LossSeen, Network, OptimizerSeen, Run
from . import limits

Array = NDArray[np.float64]
LONG = int(limits.CRAWL_STEPS.value)
FRAMES, EDGE = 384, 64  # of a model that are read; at either end all of them
Level = Literal["trivial", "partly", "learned", "unknown"]
CLASS_LOSSES = frozenset({"cross_entropy", "nll"})


@dataclass(frozen=True)
class Reading:
    """What the rules see of one model. Everything is derived from the run; nothing is changed or kept outside."""

    run: Run
    network: Network

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.network.name

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """Steps of the recorded frames [frame]."""
        return self.run.steps(self.model)

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in the order of the columns."""
        return tuple(s.name for s in self.run.sites(self.model))

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each site by name."""
        return {name: i for i, name in enumerate(self.sites)}

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What ``remembered`` functions have found about this reading."""
        return {}

    @cached_property
    def _stats(self) -> dict[str, Array]:
        return {}

    def of(self, stat: str) -> Array:
        """A statistic, [frame, site]."""
        if stat not in self._stats:
            self._stats[stat] = self.run.of(stat, self.model)
        return self._stats[stat]

    def at(self, stat: str, site: str | None) -> Array:
        """A statistic at one site over the frames [frame]; nan where the site is unknown."""
        column = self.column.get(site or "", -1)
        return self.of(stat)[:, column] if column >= 0 else np.full(len(self.steps), np.nan)

    # ---- windows ------------------------------------------------------------------------------------------------
    @cached_property
    def early(self) -> NDArray[np.bool_]:
        """Frames near initialisation [frame]: steps 2 to 10 (zero-initialised branches speak from step 1 on)."""
        dense = self.steps <= limits.EARLY_STEPS
        settled = dense & (self.steps >= 2)
        if settled.any():
            return settled
        return dense if dense.any() else np.asarray(np.arange(len(self.steps)) == 0)

    @cached_property
    def late(self) -> NDArray[np.bool_]:
        """The last frames [frame]."""
        return np.asarray(np.arange(len(self.steps)) >= len(self.steps) - limits.WINDOW_FRAMES)

    @cached_property
    def initial(self) -> NDArray[np.bool_]:
        """The first frame with an error on the trunk [frame]: the network before it has learned anything."""
        seen = np.flatnonzero((np.isfinite(self.error) & (self.error > 0)).any(axis=1))
        first = int(seen[0]) if seen.size else 0
        return np.asarray(np.arange(len(self.steps)) == first)

    @cached_property
    def last_step(self) -> int:
        """Last step that is known of the training."""
        curve = self.run.curve(self.model)
        known = [int(self.steps[-1])] if len(self.steps) else [0]
        return max(known + ([int(curve[-1, 0])] if len(curve) else []))

    # ---- trunk --------------------------------------------------------------------------------------------------
    @cached_property
    def error(self) -> Array:
        """‖δ‖ at the stations, [frame, station]."""
        columns = np.array([self.column.get(s, -1) for s in self.network.stations], dtype=np.int64)
        out = np.full((len(self.steps), len(columns)), np.nan)
        out[:, columns >= 0] = self.of("err_norm")[:, columns[columns >= 0]]
        return out

    def decades(self, window: NDArray[np.bool_]) -> Array:
        """Median error profile of a window, decades from the head, [station]."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.log10(self.error[window]) - np.log10(self.error[window][:, :1])
        relative[~np.isfinite(self.error[window][:, :1]).ravel()] = np.nan
        return medians(np.where(np.isneginf(np.nan_to_num(relative, nan=0.0)), -np.inf, relative))

    def gains(self, window: NDArray[np.bool_]) -> Array:
        """Median norm gain of every hop in a window, [hop]."""
        return medians(quantities.of(self.run, "gain", self.model)[window])

    def forward_gains(self, window: NDArray[np.bool_]) -> Array:
        """Median forward gain of every hop in a window, [hop]."""
        return medians(quantities.of(self.run, "forward_gain", self.model)[window])

    def between(self, stat: str, upper: str, lower: str, window: NDArray[np.bool_]) -> float:
        """Median ratio stat[lower] / stat[upper] in a window."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.at(stat, lower)[window] / self.at(stat, upper)[window]
        return quantities.median(np.where(np.isfinite(ratio), ratio, np.nan))

    @cached_property
    def profile(self) -> Profile:
        """The profile at the first frame with an error."""
        return quantities.profile(self.run, self.model)

    # ---- learning -----------------------------------------------------------------------------------------------
    @cached_property
    def trained_weights(self) -> tuple[tuple[int, str], ...]:
        """(station, weight) of the trunk's weights that an optimizer owns and that want a gradient; no embeddings.

        An embedding's step touches only the rows that stand in the batch, so its ratio is not comparable.
        """
        owned = {p.name for p in self.network.params if p.owned and p.requires_grad}
        embeddings = {m.weight for m in self.network.modules if m.kind == "embedding"}
        pairs = enumerate(quantities.station_weights(self.network))
        return tuple((i, w) for i, w in pairs if w is not None and w in owned and w not in embeddings)

    @cached_property
    def growing(self) -> frozenset[str]:
        """Trained trunk weights that grow out of (nearly) nothing in the first steps: zero-initialised heads, branches.

        Their relative step is huge and the error through them small, for a few steps and on purpose.
        """
        first = self.steps <= limits.EARLY_STEPS
        out = []
        for _, weight in self.trained_weights:
            norm = self.at("weight_norm", weight)[first]
            norm = norm[np.isfinite(norm)]
            if norm.size and norm[-1] > limits.GROWS_FROM_NOTHING.value * norm[0]:
                out.append(weight)
        return frozenset(out)

    def early_late_ratio(self, window: NDArray[np.bool_]) -> float:
        """Median relative step of the third of layers nearest to the input / nearest to the loss; nan unknown.

        By ‖ΔW‖/‖W‖; where the optimizer follows the gradient's size also by ‖∇W‖/‖W‖, and the smaller of both, since
        weight decay moves a layer that learns nothing.
        """
        ratios = [self._early_late("update_norm", window)]
        if not self.equalises:
            ratios.append(self._early_late("grad_norm_raw", window))
        kept = [r for r in ratios if math.isfinite(r)]
        return min(kept) if kept else math.nan

    def _early_late(self, stat: str, window: NDArray[np.bool_]) -> float:
        names = [w for _, w in self.trained_weights if w not in self.growing]
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = [self.at(stat, w)[window] / self.at("weight_norm", w)[window] for w in names]
        medians = [quantities.median(np.where(np.isfinite(r), r, np.nan)) for r in rows]
        known = [m for m in medians if math.isfinite(m)]
        if len(known) < 2:
            return math.nan
        third = max(1, len(known) // 3)
        late, early = float(np.median(known[:third])), float(np.median(known[-third:]))
        return early / late if late > 0 else math.nan

    def weight_elasticity(self, window: NDArray[np.bool_]) -> Array:
        """Median elasticity ‖W‖‖∇W‖/L₊ of the trained trunk weights in a window, [weight]."""
        values = quantities.of(self.run, "elasticity", self.model)
        columns = [self.column[w] for _, w in self.trained_weights if w in self.column]
        return np.array([quantities.median(values[window, c]) for c in columns])

    @cached_property
    def optimizer(self) -> OptimizerSeen | None:
        """The optimizer that owns most of the model's parameters."""
        mine = [o for o in self.run.optimizers if o.owned.get(self.model)]
        return max(mine, key=lambda o: len(o.owned[self.model])) if mine else None

    @property
    def equalises(self) -> bool:
        """True where the optimizer makes all layers' steps alike whatever their gradient (Adam, RMSprop, sign)."""
        cls = self.optimizer.cls.lower() if self.optimizer else ""
        return any(word in cls for word in ("adam", "rmsprop", "adagrad", "adadelta", "lion", "rprop", "lamb", "lars"))

    @property
    def rate(self) -> float:
        """Median learning rate of the recorded frames; nan without an optimizer."""
        return quantities.median([f.lr for f in self.run.frames_of(self.model)])

    @property
    def rate_came_down(self) -> bool:
        """The rate of most steps lies far below that of the first ones: what those did is not done any more."""
        curve = self.run.curve(self.model)
        rates = curve[:, 2] if len(curve) else np.array([f.lr for f in self.run.frames_of(self.model)])
        rates = rates[np.isfinite(rates)]
        if not rates.size:
            return False
        start = float(rates[: limits.EARLY_STEPS].max())
        return float(np.median(rates)) <= limits.RATE_CAME_DOWN.value * start

    # ---- loss ---------------------------------------------------------------------------------------------------
    @cached_property
    def loss_seen(self) -> LossSeen | None:
        """The loss at the root of backward."""
        return quantities.loss_seen(self.run, self.model)

    @cached_property
    def losses(self) -> Array:
        """The loss over the steps that are known, nan included [step]; empty where no loss was ever seen."""
        curve = self.run.curve(self.model)
        if len(curve):
            return np.asarray(curve[:, 1])
        return self.frame_losses if np.isfinite(self.frame_losses).any() else np.empty(0)

    @cached_property
    def frame_losses(self) -> Array:
        """The loss of every recorded frame, nan where it is nan and where it was not seen [frame]."""
        return np.array([f.loss for f in self.run.frames_of(self.model)], dtype=np.float64)

    @property
    def first_loss(self) -> float:
        """Median loss of the first steps."""
        kept = self.losses[np.isfinite(self.losses)]
        return quantities.median(kept[: max(1, min(10, len(kept) // 10))])

    @property
    def last_loss(self) -> float:
        """Median loss of the last steps."""
        kept = self.losses[np.isfinite(self.losses)]
        return quantities.median(kept[-max(5, len(kept) // 10) :])

    @cached_property
    def floor(self) -> float:
        """Known floor of the loss, 0 where it is unknown."""
        return self.loss_seen.floor if self.loss_seen and self.loss_seen.floor is not None else 0.0

    @cached_property
    def trivial(self) -> float:
        """Loss of the best constant prediction; nan where unknown or where the targets themselves are constant."""
        seen = self.loss_seen
        if seen is None:
            return math.nan
        if seen.trivial is not None and seen.trivial > self.floor * (1 + 1e-6) + 1e-12 * abs(seen.trivial):
            return seen.trivial
        alone = seen.terms <= 1 and not seen.weighted and not seen.factor < 0
        return math.log(seen.outputs) if seen.kind in CLASS_LOSSES and seen.outputs > 1 and alone else math.nan

    @cached_property
    def level_known(self) -> bool:
        """True where the trivial level is known and in the units of the loss (a factor on the loss is not on it)."""
        first, last, level = (x - self.floor for x in (self.first_loss, self.last_loss, self.trivial))
        if not level > 0:
            return False
        if self.loss_seen is not None and math.isfinite(self.loss_seen.factor):
            return True  # the factor was measured, and the level has it in it
        match, sits = limits.UNITS_MATCH.value, limits.LEVEL_MATCH.value
        near = 1 / match <= first / level <= match
        came_down = match < first / level <= limits.FIRST_LOSS_MAX.value and last / level <= sits
        return bool(near or came_down or limits.TRIVIAL_SHARE.value <= last / level <= sits or self._unit_error)

    @property
    def _unit_error(self) -> bool:
        """The first error at the logits has the size that a mean cross-entropy gives it: no factor stands on the loss.

        Law: ‖δ‖ = ‖p − y‖ / √batch over the examples, and ‖p − y‖ of one example lies below √2, near √(1 − 1/K) for
        outputs near 0. At 0, inf or nan: False. Source: derivative of softmax and cross-entropy.
        """
        seen = self.loss_seen
        if seen is None or seen.kind not in CLASS_LOSSES or seen.reduction != "mean" or not self.error.size:
            return False
        first = quantities.median(self.error[self.initial, 0]) * math.sqrt(seen.batch)
        low, high = limits.UNIT_ERROR
        return low <= first <= high

    @cached_property
    def trivial_share(self) -> float:
        """(last loss − floor) / (reference − floor): 1 is the best constant prediction, 0 the floor.

        The reference is the trivial level; where that is unknown, the first loss. nan where neither is positive.
        """
        first, last = self.first_loss - self.floor, self.last_loss - self.floor
        reference = self.trivial - self.floor if self.level_known else first
        return last / reference if reference > 0 else math.nan

    @property
    def falling(self) -> bool:
        """The loss still falls at the end: its last tenth lies below the half before by more than its noise."""
        kept = self.losses[np.isfinite(self.losses)]
        tail = max(5, len(kept) // 10)
        before = kept[len(kept) // 2 : -tail]
        if before.size < tail:
            return False
        noise = 2.0 * float(np.std(before - np.median(before))) / math.sqrt(tail)
        fall = float(np.median(before)) - self.last_loss
        return fall > max(noise, limits.STILL_FALLING.value * abs(float(np.median(before)) - self.floor))

    @property
    def waited_in_vain(self) -> bool:
        """The loss had time to leave the trivial level and did not; it may be on its way from above."""
        return self.level_known and self.level == "trivial" and self.last_step >= limits.PATIENCE_STEPS.value

    @property
    def crawls(self) -> bool:
        """After many steps the loss is still near the trivial level, moving or not."""
        return self.level_known and self.trivial_share >= limits.CRAWL_SHARE.value and self.last_step >= LONG

    @property
    def limps(self) -> bool:
        """After many steps the loss has come down, and by less than half of the trivial level."""
        return self.level_known and self.level == "partly" and self.last_step >= LONG

    @property
    def stuck(self) -> bool:
        """The loss had time to leave the trivial level, did not, and is not on its way."""
        return self.waited_in_vain and not self.falling

    @property
    def blows_up(self) -> bool:
        """The loss ends as nan or inf, or far above both its first and its trivial value."""
        if len(self.losses) and not np.isfinite(self.losses[-1]):
            return True
        limit = limits.BLOW_UP.value
        level = self.trivial if math.isfinite(self.trivial) else 0.0
        return self.last_loss - self.floor > limit * max(self.first_loss - self.floor, level - self.floor, 0.0) > 0

    @cached_property
    def first_update_ratio(self) -> float:
        """Largest relative step among the first frames, median over the trained trunk weights; nan unknown."""
        window = self.steps <= limits.EARLY_STEPS
        largest = []
        for _, weight in self.trained_weights:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = self.at("update_norm", weight)[window] / self.at("weight_norm", weight)[window]
            kept = ratio[np.isfinite(ratio)]
            largest.extend([float(kept.max())] if kept.size else [])
        return quantities.median(largest)

    @cached_property
    def level(self) -> Level:
        """Where the loss stands at the end: at the trivial level, partly or well below it."""
        share = self.trivial_share
        if not math.isfinite(share):
            return "unknown"
        stays = limits.TRIVIAL_SHARE if self.level_known else limits.PARTLY_SHARE
        if share >= stays.value:
            return "trivial"
        return "learned" if share < limits.LEARNED_SHARE.value else "partly"


def read(run: Run, model: str | None = None) -> Reading:
    """The reading of one model of a run."""
    return Reading(run, run.network(model))


def readings(run: Run) -> tuple[Reading, ...]:
    """A reading of every model that has frames, in the order of the run."""
    seen = {f.model for f in run.frames}
    kept = replace(run, frames=tuple(f for name in seen for f in few_of(run.frames_of(name))))
    return tuple(Reading(kept, n) for n in run.networks if n.name in seen)


def few_of(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """At most about FRAMES of them: both ends, an even part of the middle, and those around the first loss that is nan.

    What rules take are medians over the ends and over the whole; more frames change them by less than their limits.
    """
    if len(frames) <= FRAMES:
        return frames
    bad = next((i for i, f in enumerate(frames) if not math.isfinite(f.loss)), 0)
    chosen = {*range(EDGE), *range(len(frames) - EDGE, len(frames)), *range(max(bad - 2, 0), bad + 3)}
    chosen |= {int(i) for i in np.linspace(0, len(frames) - 1, FRAMES - 2 * EDGE)}
    return tuple(f for i, f in enumerate(frames) if i in chosen)
