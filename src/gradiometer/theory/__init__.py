"""Mean-field theory of error propagation: what a network of random weights does to a signal and to its error.

Notation: z = Wx + b, x = φ(z), σw² = fan-in · Var W, σb² = Var b, q = E z², M2 = E φ², D2 = E φ'², χ = σw² D2.
Squared or not: `chi*`, `*_hop` and `*_total` are SQUARED-norm gains, `*_gain` are gains of the norm, √ of these.
Moments of an activation: `activation("tanh").d2(q)`; every function takes numbers, and arrays where its text says so.
"""

from __future__ import annotations

from .activation import Activation
from .chains import (
    ErrorChain,
    born_dead_probability,
    error_chain,
    finite_width_band,
    finite_width_drift,
    low_rank_drift,
    saturation_probability,
    shattering_curve,
    spectrum_variance,
    tailored_slope,
)
from .critical import (
    Critical,
    critical_at_bias,
    critical_bias,
    critical_point,
    critical_within,
    double_critical,
    max_gain,
)
from .fixed_points import (
    Outlook,
    correlation_fixed_point,
    depth_scale,
    error_depth_scale,
    hops_to_lose,
    outlook,
    variance_fixed_point,
)
from .hops import (
    bn_hop,
    cross_hop,
    dense_total,
    dropout_hop,
    dropout_variance_map,
    forget_gain,
    highway_gain,
    hop_gain,
    ln_hop,
    post_ln_hop,
    pre_ln_total,
    recurrent_limit,
    residual_gain,
    weights_gain,
)
from .initialisation import INIT_KINDS, init_bias_variance, init_outlook, init_variance
from .kinds import ACTIVATION_KINDS, activation
from .maps import chi, chi_parallel, correlation_map, correlation_slope, gradient_correlation, variance_map

__all__ = [
    "ACTIVATION_KINDS",
    "INIT_KINDS",
    "Activation",
    "Critical",
    "ErrorChain",
    "Outlook",
    "activation",
    "bn_hop",
    "born_dead_probability",
    "chi",
    "chi_parallel",
    "correlation_fixed_point",
    "correlation_map",
    "correlation_slope",
    "critical_at_bias",
    "critical_bias",
    "critical_point",
    "critical_within",
    "cross_hop",
    "dense_total",
    "depth_scale",
    "double_critical",
    "dropout_hop",
    "dropout_variance_map",
    "error_chain",
    "error_depth_scale",
    "finite_width_band",
    "finite_width_drift",
    "forget_gain",
    "gradient_correlation",
    "highway_gain",
    "hop_gain",
    "hops_to_lose",
    "init_bias_variance",
    "init_outlook",
    "init_variance",
    "ln_hop",
    "low_rank_drift",
    "max_gain",
    "outlook",
    "post_ln_hop",
    "pre_ln_total",
    "recurrent_limit",
    "residual_gain",
    "saturation_probability",
    "shattering_curve",
    "spectrum_variance",
    "tailored_slope",
    "variance_fixed_point",
    "variance_map",
    "weights_gain",
]
