"""What a layer's step and its error mean for its learning: update ratio, learning time, elasticity."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..records import LossSeen, Run

ElasticityVariant = Literal["excess loss", "output"]


def loss_seen(run: Run, model: str | None = None) -> LossSeen | None:
    """The loss that was seen at the root of the model's backward pass, None where none was."""
    name = run.main if model is None else model
    return next((seen for seen in run.losses if seen.model == name), None)


def frame_losses(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """Loss of every recorded frame [frame], divided by the loss scale."""
    return np.array([f.loss for f in run.frames_of(model)], dtype=np.float64)


def excess_loss(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """L₊ = loss − floor of every recorded frame [frame]; nan where the floor is unknown or the loss lies on it."""
    seen = loss_seen(run, model)
    losses = frame_losses(run, model)
    if seen is None or seen.floor is None:
        return np.full_like(losses, np.nan)
    excess = losses - seen.floor
    return np.where(excess > 0, excess, np.nan)


def elasticity_variant(run: Run, model: str | None = None) -> ElasticityVariant:
    """By what elasticity is divided: the excess loss, or ‖f‖‖∂L/∂f‖ at the head where the floor is unknown."""
    return "excess loss" if np.isfinite(excess_loss(run, model)).any() else "output"


def elasticity_scale(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """The divisor of elasticity [frame]: L₊, or ‖f‖‖∂L/∂f‖ at the head site where the floor is unknown.

    Law: L₊ = L − floor, or ‖f‖‖∂L/∂f‖. Unit: that of the loss. At 0 (converged, or no error at the head): nan.
    At inf/nan: nan. Source: theory of scale-free sensitivity (Euler: ⟨W, ∂L/∂W⟩ = ⟨f, ∂L/∂f⟩ in homogeneous nets).
    """
    if elasticity_variant(run, model) == "excess loss":
        return excess_loss(run, model)
    network = run.network(model)
    frames = len(run.frames_of(model))
    if not network.stations:
        return np.full(frames, np.nan)
    head = run.columns(network.stations[:1], model)[0]
    if head < 0:
        return np.full(frames, np.nan)
    size = run.of("act_norm", model)[:, head] * run.of("err_norm", model)[:, head]
    return np.where(np.isfinite(size) & (size > 0), size, np.nan)


def elasticity(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """Elasticity of outputs and parameters, [frame, site].

    Law: s = ‖x‖‖∂L/∂x‖ / L₊ at an output, e = ‖W‖‖∇W‖ / L₊ at a parameter (gradient before clipping where it was
    seen). Unit: 1; blind to loss scale, reduction and units. At 0: 0 where the error is exactly 0; nan where L₊ is 0.
    At inf/nan: passed on as nan. Source: DESIGN, "elasticity"; the variant is ``elasticity_variant``.
    """
    activation = run.of("act_norm", model) * run.of("err_norm", model)
    raw, used = run.of("grad_norm_raw", model), run.of("grad_norm", model)
    weight = run.of("weight_norm", model) * np.where(np.isfinite(raw), raw, used)
    size = np.where(np.isfinite(weight), weight, activation)  # [frame, site]
    return np.asarray(size / elasticity_scale(run, model)[:, None])


def update_ratio(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """Relative step of every parameter, [frame, site].

    Law: r = ‖ΔW‖ / ‖W‖ with the optimizer's real update. Unit: 1 a step. At 0: 0 where the parameter did not move;
    nan where ‖W‖ = 0. At inf/nan: nan. Source: CS231n (aim 1e-3).
    """
    weight, update = run.of("weight_norm", model), run.of("update_norm", model)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = update / weight
    return np.where(np.isfinite(ratio), ratio, np.nan)


def learning_time(run: Run, model: str | None = None) -> NDArray[np.float64]:
    """Steps until a parameter has moved by its own size, [frame, site].

    Law: T = ‖W‖ / ‖ΔW‖ = 1 / r. Unit: steps. At 0: inf where ΔW = 0. At inf/nan: nan where r is unknown.
    Source: DESIGN, "learning time".
    """
    ratio = update_ratio(run, model)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / ratio)
