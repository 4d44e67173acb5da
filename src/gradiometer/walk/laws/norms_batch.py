"""Laws of the batch norm: with the batch's own mean and variance (training), and with the running ones (eval).

N batch, C channels: x is [N, C, ...], all else [C]. Inputs: x, weight, bias, None where there is none.
Settings: running_mean, running_var (None where none are kept), momentum, eps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given
from .norms_parts import THREE_PARTS, THREE_PARTS_STEP, TO_AFFINE, affine, less_mean_and_projection, moments


def _others(x: Tensor) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return tuple(i for i in range(x.dim()) if i != 1)


def _along(channels: Tensor, x: Tensor) -> Tensor:
    return channels.reshape(1, -1, *(1,) * (x.dim() - 2))


def _scaled(unit: Tensor, inputs: Tensors) -> Tensor:
    _, weight, bias = inputs
    return affine(
        unit,
        _along(weight, unit) if weight is not None else None,
        _along(bias, unit) if bias is not None else None,
    )


def _affine_errors(delta: Tensor, unit: Tensor, kept: Kept) -> tuple[Tensor | None, Tensor | None]:
    return (
        (delta * unit).sum(dim=_others(unit)) if kept.wanted[1] else None,
        delta.sum(dim=_others(unit)) if kept.wanted[2] else None,
    )


def _carried(delta: Tensor, kept: Kept) -> Tensor:
    """g = γ ⊙ δ_y."""
    weight = kept.inputs[1]
    return delta * _along(weight, delta) if weight is not None else delta


def _batch_norm(inputs: Tensors, settings: Settings) -> Tensors:
    x = given(inputs, 0)
    mean, rstd = moments(x, _others(x), settings["eps"])
    return _scaled((x - mean) * rstd, inputs), mean.reshape(-1), rstd.reshape(-1)


def _batch_moments(kept: Kept) -> tuple[Tensor, Tensor]:
    """μ and 1/s of the batch as they were kept, else made again, along x."""
    x = given(kept.inputs, 0)
    _, mean, rstd = kept.outputs
    if mean is None or rstd is None:
        return moments(x, _others(x), kept.settings["eps"])
    return _along(mean, x), _along(rstd, x)


def _batch_norm_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None, None
    x = given(kept.inputs, 0)
    mean, rstd = _batch_moments(kept)
    unit = (x - mean) * rstd
    rule = less_mean_and_projection(_carried(delta, kept), unit, _others(x)) * rstd if kept.wanted[0] else None
    return rule, *_affine_errors(delta, unit, kept)


def running_update(kept: Kept) -> tuple[Tensor, Tensor] | None:
    """The running mean and variance after this batch, None where none are kept.

    They are (1 − m) · old + m · the batch's, m the momentum; the variance that goes in is n σ² / (n − 1), n = N · ….
    A law changes nothing in place: who owns the tape copies these into the buffers of ``kept.settings``, once a pass.
    """
    mean, var = kept.settings.get("running_mean"), kept.settings.get("running_var")
    if mean is None or var is None:
        return None
    x, momentum = given(kept.inputs, 0), kept.settings["momentum"]
    batch_mean = _batch_moments(kept)[0]
    count = x.numel() // max(x.shape[1], 1)
    batch_var = ((x - batch_mean) ** 2).sum(dim=_others(x)) / (count - 1)
    return (
        (1 - momentum) * mean + momentum * batch_mean.reshape(-1).to(mean.dtype),
        (1 - momentum) * var + momentum * batch_var.to(var.dtype),
    )


BATCH_NORM = Law(
    name="batch_norm",
    role="norm",
    title="batch norm",
    value=r"y = \gamma \odot \frac{x - \mu}{s} + \beta, s = \sqrt{\sigma^2 + \epsilon}",
    error=THREE_PARTS + TO_AFFINE,
    step=THREE_PARTS_STEP,
    source="Ioffe & Szegedy 2015",
    forward=_batch_norm,
    backward=_batch_norm_back,
)


def _frozen(x: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """The running μ and 1/s, along x."""
    rstd = torch.rsqrt(settings["running_var"] + settings["eps"])
    return _along(settings["running_mean"], x), _along(rstd, x)


def _batch_norm_eval(inputs: Tensors, settings: Settings) -> Tensors:
    """Like torch's operation it has two empty outputs more, where training has μ and 1/s."""
    x = given(inputs, 0)
    mean, rstd = _frozen(x, settings)
    return _scaled((x - mean) * rstd, inputs), x.new_empty(0), x.new_empty(0)


def _batch_norm_eval_back(errors: Tensors, kept: Kept) -> Tensors:
    delta = errors[0]
    if delta is None:
        return None, None, None
    mean, rstd = _frozen(delta, kept.settings)
    to_input = _carried(delta, kept) * rstd if kept.wanted[0] else None
    if not kept.wanted[1]:
        return to_input, None, delta.sum(dim=_others(delta)) if kept.wanted[2] else None
    return to_input, *_affine_errors(delta, (given(kept.inputs, 0) - mean) * rstd, kept)


BATCH_NORM_EVAL = Law(
    name="batch_norm_eval",
    role="norm",
    title="batch norm",
    value=r"y = \gamma \odot \frac{x - \bar{\mu}}{\bar{s}} + \beta, \bar{s} = \sqrt{\bar{\sigma}^2 + \epsilon}",
    error=r"\delta_x = \frac{\gamma}{\bar{s}} \odot \delta_y, \hat{x} = \frac{x - \bar{\mu}}{\bar{s}}" + TO_AFFINE,
    step=r"\frac{\gamma_{@v}}{\bar{s}_{@v}} \odot @d",
    source="Ioffe & Szegedy 2015",
    forward=_batch_norm_eval,
    backward=_batch_norm_eval_back,
)


def batch_norm_in(training: bool) -> Law:
    """The law of the batch norm in this mode."""
    return BATCH_NORM if training else BATCH_NORM_EVAL
