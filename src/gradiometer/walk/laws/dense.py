"""Laws of matrices: a layer's weights, and products of two signals.

[N, I]: examples and inputs of a layer; [N, O]: its outputs; W [O, I]. A [.., M, K], B [.., K, P]: factors of a product.
Matrices are real.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .law import Kept, Law, Settings, Tensors, given, unbroadcast

_DERIVATIVES = "Giles 2008, Collected matrix derivative results"
_BACKPROPAGATION = "Rumelhart and others 1986, Learning representations by back-propagating errors, equations 6 and 7"


def linear_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = x Wᵀ + b over the last axis. x [.., I], W [O, I], b [O] or None -> [.., O]."""
    z = given(inputs, 0) @ given(inputs, 1).T
    bias = inputs[2]
    return (z if bias is None else z + bias,)


def linear_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: δx = δ W, ∂L/∂W = δᵀ x, ∂L/∂b = Σ δ, summed over all leading axes."""
    arrived = given(errors, 0)
    rows = arrived.reshape(-1, arrived.shape[-1])  # [N, O]
    at_x = arrived @ given(kept.inputs, 1) if kept.wanted[0] else None
    at_weight = None
    if kept.wanted[1]:
        x = given(kept.inputs, 0)
        at_weight = rows.T @ x.reshape(-1, x.shape[-1])
    return at_x, at_weight, rows.sum(dim=0) if kept.wanted[2] else None


def _product(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def _summed_product(a: Tensor, b: Tensor) -> Tensor:
    """Σ over the batch of A_n B_n. a [N, M, K], b [N, K, P] -> [M, P]."""
    return torch.einsum("nmk,nkp->mp", a, b)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a.unsqueeze(1) * b.unsqueeze(0)


def _product_errors(arrived: Tensor, kept: Kept, first: int) -> tuple[Tensor | None, Tensor | None]:
    """Law: δA = δ Bᵀ, δB = Aᵀ δ, for the factors at ``first`` and behind it; a batch axis of either is as in δ."""
    at_a = arrived @ given(kept.inputs, first + 1).transpose(-2, -1) if kept.wanted[first] else None
    at_b = given(kept.inputs, first).transpose(-2, -1) @ arrived if kept.wanted[first + 1] else None
    return at_a, at_b


def _vector_errors(arrived: Tensor, kept: Kept, first: int) -> tuple[Tensor | None, Tensor | None]:
    """Law of z = A v: δA = δ vᵀ, δv = Aᵀ δ. A [M, K], v [K], δ [M]."""
    at_a = _outer(arrived, given(kept.inputs, first + 1)) if kept.wanted[first] else None
    at_v = given(kept.inputs, first).T @ arrived if kept.wanted[first + 1] else None
    return at_a, at_v


def _dot_errors(arrived: Tensor, kept: Kept, first: int) -> tuple[Tensor | None, Tensor | None]:
    """Law of z = ⟨a, b⟩: δa = δ b, δb = δ a. δ is a scalar."""
    at_a = arrived * given(kept.inputs, first + 1) if kept.wanted[first] else None
    at_b = arrived * given(kept.inputs, first) if kept.wanted[first + 1] else None
    return at_a, at_b


def _outer_errors(arrived: Tensor, kept: Kept, first: int) -> tuple[Tensor | None, Tensor | None]:
    """Law of z = a bᵀ: δa = δ b, δb = δᵀ a. a [M], b [P], δ [M, P]."""
    at_a = arrived @ given(kept.inputs, first + 1) if kept.wanted[first] else None
    at_b = arrived.T @ given(kept.inputs, first) if kept.wanted[first + 1] else None
    return at_a, at_b


_Multiply = Callable[[Tensor, Tensor], Tensor]
_Errors = Callable[[Tensor, Kept, int], tuple[Tensor | None, Tensor | None]]


def _plain(multiply: _Multiply, errors_of: _Errors) -> tuple[Callable[..., Tensors], Callable[..., Tensors]]:
    """Value and error of a product z = A · B of two inputs."""

    def value(inputs: Tensors, settings: Settings) -> Tensors:
        return (multiply(given(inputs, 0), given(inputs, 1)),)

    def error(errors: Tensors, kept: Kept) -> Tensors:
        return errors_of(given(errors, 0), kept, 0)

    return value, error


def _added(multiply: _Multiply, errors_of: _Errors) -> tuple[Callable[..., Tensors], Callable[..., Tensors]]:
    """Value and error of z = β b + α A · B; b is broadcast, and left out where β = 0, even if it is not finite."""

    def value(inputs: Tensors, settings: Settings) -> Tensors:
        z = _scaled(multiply(given(inputs, 1), given(inputs, 2)), settings["alpha"])
        if settings["beta"] == 0:
            return (z,)
        return (z + _scaled(given(inputs, 0), settings["beta"]),)

    def error(errors: Tensors, kept: Kept) -> Tensors:
        arrived = given(errors, 0)
        at_bias = None
        shape = kept.shapes[0]
        if kept.wanted[0] and shape is not None:
            at_bias = _scaled(unbroadcast(arrived, shape), kept.settings["beta"])
        at_a, at_b = errors_of(_scaled(arrived, kept.settings["alpha"]), kept, 1)
        return at_bias, at_a, at_b

    return value, error


def _scaled(x: Tensor, by: float) -> Tensor:
    return x if by == 1 else x * by


def _summed_product_errors(arrived: Tensor, kept: Kept, first: int) -> tuple[Tensor | None, Tensor | None]:
    """Law of z = Σ_n A_n B_n: every example of the batch gets the same δ. δ [M, P]."""
    return _product_errors(arrived.unsqueeze(0), kept, first)


def trilinear_value(inputs: Tensors, settings: Settings) -> Tensors:
    """Law: z = Σ a ⊙ b ⊙ c over the axes ``summed``, after each factor got its ``missing`` axes; F.bilinear's core."""
    factors = [given(inputs, i) for i in range(3)]
    axes = _trilinear_axes(factors[0].dim() + len(settings["missing"][0]), settings)
    return (torch.einsum(*(x for pair in zip(factors, axes[:3], strict=True) for x in pair), axes[3]),)


def trilinear_error(errors: Tensors, kept: Kept) -> Tensors:
    """Law: the error at one factor is Σ δ ⊙ (the other two), over the axes that this factor lacks."""
    arrived = given(errors, 0)
    axes = _trilinear_axes(arrived.dim() + len(kept.settings["summed"]), kept.settings)
    found: list[Tensor | None] = []
    for i, wanted in enumerate(kept.wanted):
        others = [x for j in range(3) if wanted and j != i for x in (given(kept.inputs, j), axes[j])]
        found.append(torch.einsum(arrived, axes[3], *others, axes[i]) if wanted else None)
    return tuple(found)


def _trilinear_axes(total: int, settings: Settings) -> list[list[int]]:
    """Which of the axes of the full product each factor has, and, last, the result."""
    of_factors = [[axis for axis in range(total) if axis not in missing] for missing in settings["missing"]]
    return [*of_factors, [axis for axis in range(total) if axis not in settings["summed"]]]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum()


_MATRICES = _plain(_product, _product_errors)
_MATRICES_ADDED = _added(_product, _product_errors)
_SUMMED_ADDED = _added(_summed_product, _summed_product_errors)
_VECTOR = _plain(_product, _vector_errors)
_VECTOR_ADDED = _added(_product, _vector_errors)
_VECTORS = _plain(_dot, _dot_errors)
_OUTER_ADDED = _added(_outer, _outer_errors)

LINEAR = Law(
    name="linear",
    role="weights",
    title="weights",
    value=r"z = x W^{\top} + b",
    error=r"\delta_x = \delta_z W, \frac{\partial L}{\partial W} = \delta_z^{\top} x, "
    r"\frac{\partial L}{\partial b} = \sum_n \delta_{z, n}",
    step=r"W_{@u}^{\top} @d",
    source=_BACKPROPAGATION,
    forward=linear_value,
    backward=linear_error,
)

ADDMM = Law(
    name="addmm",
    role="weights",
    title="weights",
    value=r"z = \beta b + \alpha x W^{\top}",
    error=r"\delta_x = \alpha \delta_z W, \frac{\partial L}{\partial W^{\top}} = \alpha x^{\top} \delta_z, "
    r"\frac{\partial L}{\partial b} = \beta \sum_n \delta_{z, n}",
    step=r"W_{@u}^{\top} @d",
    source=_BACKPROPAGATION,
    forward=_MATRICES_ADDED[0],
    backward=_MATRICES_ADDED[1],
)

MM = Law(
    name="mm",
    role="weights",
    title="weights",
    value=r"z = x W^{\top}",
    error=r"\delta_x = \delta_z W, \frac{\partial L}{\partial W^{\top}} = x^{\top} \delta_z",
    step=r"W_{@u}^{\top} @d",
    source=_BACKPROPAGATION,
    forward=_MATRICES[0],
    backward=_MATRICES[1],
)

BMM = Law(
    name="bmm",
    role="product",
    title="matrix product",
    value=r"C_n = A_n B_n",
    error=r"\delta_{A, n} = \delta_{C, n} B_n^{\top}, \delta_{B, n} = A_n^{\top} \delta_{C, n}",
    step=r"@d B_{@u}^{\top}",
    source=_DERIVATIVES,
    forward=_MATRICES[0],
    backward=_MATRICES[1],
)

BADDBMM = Law(
    name="baddbmm",
    role="product",
    title="matrix product",
    value=r"C_n = \beta D_n + \alpha A_n B_n",
    error=r"\delta_{A, n} = \alpha \delta_{C, n} B_n^{\top}, \delta_{B, n} = \alpha A_n^{\top} \delta_{C, n}, "
    r"\delta_{D, n} = \beta \delta_{C, n}",
    step=r"@d B_{@u}^{\top}",
    source=_DERIVATIVES,
    forward=_MATRICES_ADDED[0],
    backward=_MATRICES_ADDED[1],
)

ADDBMM = Law(
    name="addbmm",
    role="product",
    title="matrix product",
    value=r"C = \beta D + \alpha \sum_n A_n B_n",
    error=r"\delta_{A, n} = \alpha \delta_C B_n^{\top}, \delta_{B, n} = \alpha A_n^{\top} \delta_C, "
    r"\delta_D = \beta \delta_C",
    step=r"@d B_{@u}^{\top}",
    source=_DERIVATIVES,
    forward=_SUMMED_ADDED[0],
    backward=_SUMMED_ADDED[1],
)

MV = Law(
    name="mv",
    role="product",
    title="matrix product",
    value=r"z = A v",
    error=r"\delta_v = A^{\top} \delta_z, \delta_A = \delta_z v^{\top}",
    step=r"A_{@u}^{\top} @d",
    source=_DERIVATIVES,
    forward=_VECTOR[0],
    backward=_VECTOR[1],
)

ADDMV = Law(
    name="addmv",
    role="product",
    title="matrix product",
    value=r"z = \beta b + \alpha A v",
    error=r"\delta_v = \alpha A^{\top} \delta_z, \delta_A = \alpha \delta_z v^{\top}, \delta_b = \beta \delta_z",
    step=r"A_{@u}^{\top} @d",
    source=_DERIVATIVES,
    forward=_VECTOR_ADDED[0],
    backward=_VECTOR_ADDED[1],
)

DOT = Law(
    name="dot",
    role="product",
    title="matrix product",
    value=r"z = \sum_i a_i b_i",
    error=r"\delta_a = \delta_z b, \delta_b = \delta_z a",
    step=r"@d \cdot b_{@u}",
    source=_DERIVATIVES,
    forward=_VECTORS[0],
    backward=_VECTORS[1],
)

ADDR = Law(
    name="addr",
    role="product",
    title="matrix product",
    value=r"C = \beta D + \alpha a b^{\top}",
    error=r"\delta_a = \alpha \delta_C b, \delta_b = \alpha \delta_C^{\top} a, \delta_D = \beta \delta_C",
    step=r"@d b_{@u}",
    source=_DERIVATIVES,
    forward=_OUTER_ADDED[0],
    backward=_OUTER_ADDED[1],
)

TRILINEAR = Law(
    name="trilinear",
    role="product",
    title="bilinear product",
    value=r"z_o = \sum_{i, j} x_i W_{o, i, j} y_j",
    error=r"\delta_{x, i} = \sum_{o, j} \delta_{z, o} W_{o, i, j} y_j, "
    r"\delta_{y, j} = \sum_{o, i} \delta_{z, o} W_{o, i, j} x_i, "
    r"\frac{\partial L}{\partial W_{o, i, j}} = \sum_n \delta_{z, o} x_i y_j",
    step=r"\left( W_{@u} y_{@u} \right)^{\top} @d",
    source="definition",
    forward=trilinear_value,
    backward=trilinear_error,
)

LAWS: tuple[Law, ...] = (LINEAR, ADDMM, MM, BMM, BADDBMM, ADDBMM, MV, ADDMV, DOT, ADDR, TRILINEAR)
