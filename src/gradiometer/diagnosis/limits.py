"""Every threshold of the panel, each a named constant with its source.

THEORY is the scale-free definition of a vanishing error; OURS marks a choice of this project.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

OURS = "Gradiometer"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and where it comes from."""

    value: float
    source: str


# the fade over the trunk
DROP_WARN_DECADES = Limit(-math.log10(100.0), "total drop of ln 100, Schoenholz 2017: 6 depth scales")
DROP_FAIL_DECADES = Limit(-math.log10(1000.0), "total drop of ln 1000, depth scale of mean field")
HOP_GAIN_LOW = Limit(0.80, "norm gain per hop, critical 0.95 to 1.05")
HOP_GAIN_HIGH = Limit(1.25, "norm gain per hop, critical 0.95 to 1.05")
GROWTH_WARN_DECADES = Limit(2.0, "total growth of ln 100, depth scale of mean field")
GROWTH_FAIL_DECADES = Limit(3.0, "total growth of ln 1000, depth scale of mean field")
CRITICAL_VARIANCE_MAX = Limit(4.0, "no weight variance to 4 is critical: the activation is guilty")
MIN_HOPS = Limit(3, OURS)  # a slope over fewer hops is no profile

# its consequence
UPDATE_RATIO_APART = Limit(1e-2, "early / late update ratio; CS231n aims at 1e-3 in every layer")
ELASTICITY_TINY = Limit(1e-3, "elasticity of every layer, scale-free sensitivity")
ELASTICITY_SMALL = Limit(1e-2, "elasticity of every layer, where the loss has stayed trivial for 50 steps")
UPDATE_RATIO_GROWS = Limit(100.0, "early / late update ratio; CS231n aims at 1e-3 in every layer")
BLOW_UP = Limit(10.0, OURS)  # the last loss is so many times the first one and the trivial one
TRIVIAL_SHARE = Limit(0.95, "share of the best constant prediction's loss")
PARTLY_SHARE = Limit(0.80, OURS)  # the same where only the first loss is known to compare with
STILL_FALLING = Limit(0.02, OURS)  # a fall of the loss between its third quarter and its end that counts
GROWS_FROM_NOTHING = Limit(1.5, OURS)  # growth of a weight's norm over the first steps: initialised near zero
LEARNED_SHARE = Limit(0.50, OURS)  # below: the network learns, and nothing of the signal is called broken
UNITS_MATCH = Limit(5.0, OURS)  # first loss / trivial level outside [1/5, 5]: the two may be in different units
UNIT_ERROR = (0.6, math.sqrt(2.0))  # ‖p − y‖ an example before learning; two outputs near 0 give 0.7, √2 is its bound
FIRST_LOSS_MAX = Limit(100.0, OURS)  # a first loss so many times the trivial level may come from large outputs
CRAWL_SHARE = Limit(0.80, OURS)  # of the trivial loss, after
CRAWL_STEPS = Limit(100, OURS)  # so many steps: a network that explodes does not learn, it creeps
LEVEL_MATCH = Limit(1.3, OURS)  # a last loss within [0.95, 1.3] of the trivial level sits on it
PATIENCE_STEPS = Limit(20, OURS)  # before so many steps a trivial loss says nothing
COLLAPSE_STEPS = Limit(50, OURS)  # before so many steps depth alone is not blamed
EARLY_STEPS = 10  # the dense first frames
WINDOW_FRAMES = 10  # frames at the end over which medians are taken

ACTIVATION_SPREAD = Limit(10.0, "SageMaker Debugger, PoorWeightInitialization: ratio 10")

# units
SATURATED_TANH = Limit(0.50, "share |tanh| > 0.97; theory 14 % at q = 2, 30 % at q = 4")
SATURATED_SIGMOID = Limit(0.30, "share outside (0.03, 0.97); theory 8 % at q = 4, 38 % at q = 16")
SATURATED_GROWTH = Limit(0.15, OURS)  # less than this added during training is drift
DEAD_FAIL = Limit(0.40, "CS231n: as much as 40 % dead with a rate too high")
DEAD_WARN = Limit(0.10, "CS231n")
DEAD_ZEROS = Limit(0.70, "40 % dead and the rest half on: 0.4 + 0.6 / 2")
DEAD_GROWTH = Limit(0.10, OURS)
KILLED_GROWTH = Limit(0.25, OURS)  # so many more dead units after steps beyond UPDATE_RATIO_HIGH
RATE_CAME_DOWN = Limit(0.1, OURS)  # the rate of most steps / the first ones: more than any cosine over the run
DEAD_ALL = Limit(0.999, "no unit fires")
SIMILARITY_COLLAPSE = Limit(0.99, "cosine of different inputs near the loss, c-map")
COLLAPSE_HOPS = Limit(10, OURS)
BLOCKED_TRUNK_SHARE = Limit(0.8, OURS)  # so much of the trunk trains, and the head does not

# inputs
INPUT_RMS_HIGH = Limit(10.0, "unit scale, LeCun 1998")

# steps and numbers
UPDATE_RATIO_HIGH = Limit(0.1, "CS231n: 1e-3; above 0.1 a layer is replaced, not trained")
GROWTH_BEFORE_NAN = Limit(10.0, OURS)  # loss or weights grew by so much before they became nan
SCALER_SHARE = Limit(0.5, OURS)  # a loss scaler skips fewer steps than this
COVERAGE = Limit(0.95, "DESIGN: no verdict of health below 95 %")
