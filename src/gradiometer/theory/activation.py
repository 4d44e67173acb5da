"""What mean-field theory must know of an activation: its Gaussian moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .quadrature import (
    SMALLEST_VARIANCE,
    FloatArray,
    Function,
    checked_variance,
    expect,
    expect_fourth,
    expect_pair,
    expect_with_g,
)

OFFSET_FLOOR = 1e-10


@dataclass(frozen=True)
class Activation:
    """An activation φ and its moments under z ~ N(0, q); built by `activation`, never by hand.

    kind: its name. args: the settings that shape it, as (name, value) pairs.
    offset: φ(0). rise: x -> φ(x) - φ(0). slope: x -> φ'(x).
    This class integrates numerically; the subclasses of `closed` know closed forms and override.
    """

    kind: str
    args: tuple[tuple[str, float | str], ...]
    offset: float
    rise: Function
    slope: Function

    def value(self, x: ArrayLike) -> FloatArray:
        """φ(x).

        law: φ.
        shapes, units: any shape, the answer has the same.
        at 0: φ(0).
        at inf/nan: IEEE 754; nan stays nan.
        source: the definition of the activation.
        """
        return np.asarray(self.offset + self.rise(np.asarray(x, dtype=np.float64)))[()]

    def derivative(self, x: ArrayLike) -> FloatArray:
        """φ'(x).

        law: dφ/dx.
        shapes, units: any shape, the answer has the same.
        at 0: φ'(0); the left derivative where φ has a kink.
        at inf/nan: IEEE 754; nan stays nan.
        source: the definition of the activation.
        """
        return np.asarray(self.slope(np.asarray(x, dtype=np.float64)))[()]

    def mean(self, q: ArrayLike) -> FloatArray:
        """Eφ: the mean that the next layer's pre-activations share over the inputs.

        law: E φ(z).
        shapes, units: q any shape, the answer has the same; units of φ.
        at 0: φ(0).
        at inf/nan: nan; a negative q is a UserError.
        source: Poole 2016.
        """
        return self.offset + self._rise_mean(q)

    def m2(self, q: ArrayLike) -> FloatArray:
        """M2: second moment of the output, what the forward signal carries on.

        law: E φ(z)².
        shapes, units: q any shape, the answer has the same; squared units of φ.
        at 0: φ(0)².
        at inf/nan: nan; a negative q is a UserError.
        source: Poole 2016.
        """
        rise_mean = self._rise_mean(q) if self.offset else 0.0
        return self.offset**2 + 2 * self.offset * rise_mean + self._rise_m2(q)

    def d2(self, q: ArrayLike) -> FloatArray:
        """D2: second moment of the derivative, what the error signal keeps.

        law: E φ'(z)².
        shapes, units: q any shape, the answer has the same; pure number.
        at 0: the limit q -> 0+, which is φ'(0)² where φ is smooth there.
        at inf/nan: nan; a negative q is a UserError.
        source: Schoenholz 2017.
        """
        return expect(lambda x: self.slope(x) ** 2, q)

    def variance(self, q: ArrayLike) -> FloatArray:
        """Var φ: what is left of the signal after a batch norm has taken its mean.

        law: E φ(z)² - (E φ(z))².
        shapes, units: q any shape, the answer has the same; squared units of φ.
        at 0: 0.
        at inf/nan: nan; a negative q is a UserError.
        source: Yang 2019. Computed from φ - φ(0), so that a sigmoid keeps its digits at q = 1e-12.
        """
        return self._rise_m2(q) - self._rise_mean(q) ** 2

    def m2_slope(self, q: ArrayLike) -> FloatArray:
        """dM2/dq: how the second moment answers a change of the variance.

        law: E[g φ φ'(√q g)] / √q (integration by parts, so that no second derivative of a kink is needed).
        shapes, units: q any shape, the answer has the same; squared units of φ per unit of q.
        at 0: the limit q -> 0+.
        at inf/nan: nan; a negative q is a UserError.
        source: Schoenholz 2017; Stein's lemma.
        """
        scale = np.sqrt(np.maximum(checked_variance(q), SMALLEST_VARIANCE))
        moving = expect_with_g(lambda x: self.rise(x) * self.slope(x), q) / scale
        if not self.offset:
            return moving
        # Here the difference φ'(x) - φ'(-x) is divided by √q, and rounding with it; at 1e-10 the limit q -> 0 is
        # reached to ten digits, and rounding still spares eleven.
        floor = np.maximum(checked_variance(q), OFFSET_FLOOR)
        return moving + self.offset * expect_with_g(self.slope, floor) / np.sqrt(floor)

    def kappa_forward(self, q: ArrayLike) -> FloatArray:
        """κf: strength of the finite-width noise of the forward signal.

        law: E φ⁴ / M2² - 1.
        shapes, units: q any shape, the answer has the same; pure number.
        at 0: the limit q -> 0+ (0 where φ(0) is not 0).
        at inf/nan: nan; a negative q is a UserError.
        source: Hanin and Nica 2018, from ReLU (κ = 5) to any φ.
        """
        safe = np.maximum(checked_variance(q), SMALLEST_VARIANCE)
        rms = np.sqrt(self.m2(safe))
        noise = expect_fourth(lambda x: np.asarray(self.offset + self.rise(x)), safe, rms) - 1
        return np.maximum(noise, 0.0)[()]  # rounding must not make a constant φ quieter than silence

    def kappa_backward(self, q: ArrayLike) -> FloatArray:
        """κb: strength of the finite-width noise of the error signal.

        law: 3 E φ'⁴ / D2² - 1 (the 3 is the fourth moment of a Gaussian weight).
        shapes, units: q any shape, the answer has the same; pure number.
        at 0: the limit q -> 0+ (2 where φ is smooth at 0).
        at inf/nan: nan; a negative q is a UserError.
        source: Hanin 2018, from ReLU (κ = 5) to any φ.
        """
        return 3 * expect_fourth(self.slope, q, np.sqrt(self.d2(q))) - 1

    def pair_moment(self, q: float, c: float) -> float:
        """E φ(z1) φ(z2): what two inputs still share after the activation.

        law: expectation over two N(0, q) variables of correlation c.
        shapes, units: numbers in, a number out; squared units of φ.
        at 0: q = 0 gives φ(0)²; c = 0 gives (E φ)².
        at inf/nan: nan; a negative q or |c| > 1 is a UserError.
        source: Poole 2016.
        """
        rises = expect_pair(self.rise, q, c) if q > 0 else 0.0 * q
        return self.offset**2 + 2 * self.offset * float(self._rise_mean(q)) + rises

    def pair_slope_moment(self, q: float, c: float) -> float:
        """E φ'(z1) φ'(z2): how much of a difference between two inputs passes.

        law: expectation over two N(0, q) variables of correlation c; D2 at c = 1.
        shapes, units: numbers in, a number out; pure number.
        at 0: q = 0 is the limit q -> 0+; c = 0 gives (E φ')².
        at inf/nan: nan; a negative q or |c| > 1 is a UserError.
        source: Poole 2016.
        """
        return expect_pair(self.slope, q, c)

    def _rise_mean(self, q: ArrayLike) -> FloatArray:
        return _zero_at_zero(expect(self.rise, q), q)

    def _rise_m2(self, q: ArrayLike) -> FloatArray:
        return _zero_at_zero(expect(lambda x: self.rise(x) ** 2, q), q)


def _zero_at_zero(moment: FloatArray, q: ArrayLike) -> FloatArray:
    return np.where(np.asarray(q) == 0, 0.0, moment)[()]
