"""What cannot be put together, and why. No torch here, so that lists can be made of what can."""

from __future__ import annotations

from .laws_critical import critical_recipe

DEFAULT_ACTIVATION = "relu"  # of a recipe: networks that bring their own take it for "none was asked for"

CROSS = frozenset({"cross-v1", "cross-v2"})
GATED = frozenset({"gru", "lstm"})
RECURRENT = frozenset({"rnn", "gru", "lstm"})
TRANSFORMERS = frozenset({"transformer-pre", "transformer-post"})
OWN_ACTIVATION = {"cross-v1": "linear", "cross-v2": "linear", "gru": "tanh", "lstm": "tanh"}
"""Networks whose activation is fixed, and its name. They take that name, or a recipe's default."""


def refusal(network: str, activation: str, init: str, norm: str) -> str:
    """Why these four cannot be put together: which two of them, and the reason; "" where they can."""
    return _activation(network, activation) or _norm(network, norm) or _init(network, activation, init, norm)


def _activation(network: str, activation: str) -> str:
    own = OWN_ACTIVATION.get(network)
    if own is not None and activation not in (own, DEFAULT_ACTIVATION):
        what = "has no activation: x₀ ⊙ is what makes it non-linear" if network in CROSS else "has its own, tanh"
        return f"Network {network} and activation {activation} exclude each other: {network} {what}. Leave it out."
    if network == "rnn" and activation not in ("tanh", "relu"):
        return (
            f"Network rnn and activation {activation} exclude each other: torch.nn.RNN knows tanh and relu. Take one."
        )
    return ""


def _norm(network: str, norm: str) -> str:
    if norm == "none" or (network in TRANSFORMERS and norm == "layer"):
        return ""
    if network in CROSS:
        return (
            f"Network {network} and norm {norm} exclude each other: a norm stands before an activation, "
            f"and {network} has none. Use norm none."
        )
    if network in RECURRENT:
        return (
            f"Network {network} and norm {norm} exclude each other: the recurrence of torch.nn has no place for a "
            "norm between its weights and its activation. Use norm none."
        )
    if network in TRANSFORMERS:
        return (
            f"Network {network} and norm {norm} exclude each other: it is built around LayerNorm. Use norm none or "
            "layer, which is the same here."
        )
    return ""


def _init(network: str, activation: str, init: str, norm: str) -> str:
    if init == "lsuv" and network in RECURRENT:
        return (
            f"Network {network} and init lsuv exclude each other: the same weights serve every time step, so there "
            "is no one output to scale to variance 1. Use orthogonal."
        )
    if init != "critical" or network in CROSS:
        return ""
    if network in GATED:
        return (
            f"Network {network} and init critical exclude each other: the gates' biases set its gain, not the "
            "variance of its weights. Use orthogonal or xavier."
        )
    if network in TRANSFORMERS:
        return (
            f"Network {network} and init critical exclude each other: LayerNorm and skips set its gain, for any "
            "variance of its weights. Use xavier."
        )
    if norm != "none":
        return (
            f"Norm {norm} and init critical exclude each other: the norm sets the variance of what enters an "
            "activation, so the weights cannot. Use norm none, or another init."
        )
    if critical_recipe(activation) is None:
        return (
            f"Activation {activation} and init critical exclude each other: no weight variance keeps both the error "
            f"and the signal of {activation}. Use lsuv, or another activation."
        )
    return ""
