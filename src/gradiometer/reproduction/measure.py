"""One backward pass of a fresh network, measured by Gradiometer itself: the measured side of an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from gradiometer.quantities import Profile, profile
from gradiometer.records import ModelError, Run
from gradiometer.session import Options
from gradiometer.session.live import Session
from gradiometer.theory import activation

Array = NDArray[np.float64]
Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True, slots=True)
class FirstPass:
    """What one backward pass left in a run. Sites and parameters are named as in the run."""

    run: Run
    profile: Profile

    def error_norms(self, sites: Iterable[str]) -> Array:
        """‖δ‖ at each site.

        law: total L2 norm of ∂L/∂(output) over batch and units.
        shapes, units: [site], in the order asked for; units of the loss over units of the value.
        at 0: 0.
        at inf/nan: nan where the site was not recorded or its error is not finite.
        source: DESIGN, "gain".
        """
        return self._column("err_norm", sites)

    def error_rms(self, sites: Iterable[str]) -> Array:
        """Root mean square of δ over batch and units at each site.

        law: ‖δ‖/√(number of elements).
        shapes, units: [site], as ``error_norms``.
        at 0: 0.
        at inf/nan: nan.
        source: per-unit variance of He 2015 and Glorot 2010.
        """
        names = tuple(sites)
        return np.asarray(self._column("err_norm", names) / np.sqrt(self._column("act_numel", names)))

    def value_power(self, sites: Iterable[str]) -> Array:
        """Mean square of the value at each site: q, where the site is a pre-activation.

        law: ‖x‖²/(number of elements).
        shapes, units: [site], squared units of the value.
        at 0: 0.
        at inf/nan: nan.
        source: Poole 2016.
        """
        names = tuple(sites)
        return np.asarray(self._column("act_norm", names) ** 2 / self._column("act_numel", names))

    def sent_gain(self, sites: Iterable[str]) -> Array:
        """Norm gain of each module alone: error that it sends to its input over error that arrived at its output.

        law: ‖δ in‖/‖δ out‖.
        shapes, units: [site], pure number.
        at 0: nan for 0/0.
        at inf/nan: nan.
        source: DESIGN, "gain".
        """
        names = tuple(sites)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self._column("err_in_norm", names) / self._column("err_norm", names))

    def gradient_norms(self, parameters: Iterable[str]) -> Array:
        """‖∇‖ of each parameter.

        law: L2 norm of ∂L/∂(parameter).
        shapes, units: [parameter].
        at 0: 0.
        at inf/nan: nan where there is no such parameter or its gradient is not finite.
        source: definition.
        """
        return self._column("grad_norm", parameters)

    def _column(self, stat: str, names: Iterable[str]) -> Array:
        columns = self.run.columns(tuple(names))
        row = self.run.of(stat)[0]
        return np.where(columns >= 0, row[np.maximum(columns, 0)], np.nan)


class _Still(Optimizer):
    """Ends a step without moving anything, also where a gradient is inf (0 · inf would not)."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, {})

    def step(self, closure: Any = None) -> Any:
        """Nothing."""
        return None


def first_pass(model: nn.Module, batch: Any, loss: Loss) -> FirstPass:
    """Record one forward and one backward pass of ``loss(model, batch)``; the weights stay as they are.

    The gradients of this pass are left in the parameters. ModelError where it could not be measured.
    """
    optimizer = _Still(model.parameters())
    session = Session(Options(keep_file=False, every=1), say=lambda text: None)
    try:
        session.registry.add(model, "net")
        session.steps.accept = lambda other: other is optimizer
        session.steps.cadence.all_full = True
        session.attach(discover=False)
        optimizer.zero_grad()
        loss(model, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    finally:
        run = session.stop("finished")
    told = " ".join((*session.warnings, *(run.problems if run is not None else ())))
    if run is None or told or all(p.grad is None for p in model.parameters()):
        told = told or "No error went back through it: look whether the loss runs the model."
        raise ModelError(f"{type(model).__name__} could not be measured. {told}")
    return FirstPass(run, profile(run))


def first_profile(model: nn.Module, batch: Any, loss: Loss) -> Profile:
    """The error profile of one backward pass (see ``first_pass``)."""
    return first_pass(model, batch, loss).profile


def injected(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A loss whose error at the output is ``batch[1]``, whatever the output is; its input is ``batch[0]``."""
    out: Tensor = model(batch[0])
    return (out * batch[1]).sum()


def classified(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of class numbers ``batch[1]``."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def slope_per_hop(decades: Array) -> float:
    """Slope of a profile over its hops.

    law: least squares line through the values over 0, 1, 2, ...
    shapes, units: [station], loss first; the unit of the values, a hop.
    at 0: fewer than two stations give nan.
    at inf/nan: nan.
    source: definition.
    """
    if len(decades) < 2 or not np.isfinite(decades).all():
        return math.nan
    return float(np.polyfit(np.arange(len(decades)), decades, 1)[0])


def finite_width_bounds(kind: str, q: float, hops_per_width: float, draws: int) -> tuple[float, float]:
    """Range of the mean of ln(gain²) over draws, around its mean-field value.

    law: one example is shifted by −N/2 and spread by √N, N = κb Σ 1/n, and a batch averages some of both:
        [−N/2 − 3 √(N/draws), 3 √(N/draws)].
    shapes, units: an activation's name, its variance, Σ 1/n over the hops, number of draws; ln of a squared norm.
    at 0: ZeroDivisionError for no draws.
    at inf/nan: nan passes on.
    source: Hanin and Nica 2018.
    """
    noise = float(activation(kind).kappa_backward(q)) * hops_per_width
    error = 3 * math.sqrt(noise / draws)
    return -noise / 2 - error, error


def seeded(seed: int) -> torch.Generator:
    """A generator of its own, so that the global ones stay as they were."""
    return torch.Generator().manual_seed(seed)
