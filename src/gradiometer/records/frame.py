"""One recorded step of one model: a matrix of statistics, site by statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STATS: tuple[str, ...] = (
    # of the value at an output, input, function or time site
    "act_norm",  # ‖x‖₂ over batch and units, exact
    "act_numel",  # number of elements
    "act_mean",  # from a fixed strided sample
    "act_std",  # from a fixed strided sample
    "act_max",  # max|x| of the sample
    "act_zero_share",  # share of exact zeros in the sample
    "act_saturated_share",  # share in the flat parts of the activation (nan where it has none), sample
    "act_nonfinite",  # 1 where any element is nan or inf (exact), 0 where none is
    "act_dead_share",  # share of units that are <= 0 (rectifiers) for the whole batch; exact, thinner cadence
    "act_similarity",  # mean cosine between the values of different examples; thinner cadence
    "act_rank_share",  # effective rank (exp entropy of the Gram spectrum) / examples used; thinner cadence
    # of the error at the same site
    "err_norm",  # ‖δ‖₂ as it arrives at the output, divided by the loss scale
    "err_in_norm",  # ‖δ‖₂ that this module itself sends toward its input (not the sum over consumers)
    "err_max",
    "err_zero_share",
    "err_underflow_share",  # share of non-zero |δ·scale| below 2^-24 (float16) in the sample
    "err_nonfinite",
    "err_estimated",  # 1 where the float32 norm left [1e-17, 1e17] and a float64 estimate stands in
    # of a parameter at the optimizer's step
    "weight_norm",
    "weight_mean",
    "grad_norm",  # as the optimizer used it: unscaled and clipped
    "grad_norm_raw",  # at the end of backward, before any clipping, unscaled
    "grad_zero_share",
    "grad_missing",  # 1 where .grad was None at the step
    "update_norm",  # ‖ΔW‖, the real update
    "epsilon_ratio",  # Adam-likes: median sqrt(v̂) / ε; nan elsewhere
    "weight_nonfinite",
    "weight_row_spread",  # ‖W − mean row‖ / ‖W‖ over the first 64 units: 0 where all units are equal; first steps
    "grad_turn",  # cosine of this gradient with that of the step before, from the sample; nan where that was not seen
    "update_along",  # cosine of the update with −gradient, from the sample; negative climbs
    "update_zero_share",  # share of the sample that the step left exactly as it was, where the gradient is not 0
    "err_similarity",  # root mean square cosine between the errors of different examples; thinner cadence
)
STAT_INDEX: dict[str, int] = {name: i for i, name in enumerate(STATS)}


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded optimizer step of one model.

    step: completed steps of the optimizer that owns the model, when its backward ran (the first is 0).
    loss: value at the root of backward, divided by the loss scale, summed over accumulated micro-batches.
    lr: learning rate of the first param group at that step (nan without an optimizer).
    loss_scale: the AMP scale that was live in backward (1 without a scaler); everything here is already divided by it.
    overhead_s: what measuring this step cost, seconds. step_s: wall time since the previous step, seconds.
    values: [site, stat] float64, rows in the order of Run.sites(model) (shorter in early frames: later sites are
        nan), columns in the order of STATS. A site that was not reached is a nan row and never 0.
    """

    model: str
    step: int
    loss: float
    lr: float
    loss_scale: float
    overhead_s: float
    step_s: float
    values: NDArray[np.float64]
