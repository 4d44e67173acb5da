"""Operations between a network and its loss as functions of one tensor, made of what autograd nodes have saved."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .lossnodes import RESHAPES, SAME, Reader, Vertex, children, dim_of, op, shape, signed

Function = Callable[..., Tensor]
Maker = Callable[[Vertex, Reader], Function]
_REDUCTIONS = ("none", "mean", "sum")


class RefusedError(Exception):
    """The loss could not be rebuilt; the message says what stands in the way."""


def _saved(vertex: Vertex, reader: Reader, name: str) -> Tensor:
    """A saved tensor, copied: the script may write into its own."""
    found = reader.saved(vertex, name)
    if found is None:
        raise RefusedError(f"what `{op(vertex).lower()}` was measured on cannot be read any more")
    return found.clone()


def _optional(vertex: Vertex, reader: Reader, name: str) -> Tensor | None:
    found = reader.saved(vertex, name)
    return found.clone() if found is not None else None


def _number(vertex: Vertex, reader: Reader, name: str, default: float) -> float:
    found = reader.number(vertex, name)
    return default if found is None else found


def _reduction(vertex: Vertex) -> str:
    return _REDUCTIONS[int(vertex[0]._saved_reduction)]


def constant_of(vertex: Vertex, reader: Reader) -> Tensor | float | None:
    """The factor or divisor without gradient."""
    side = "self" if children(vertex)[0] is None else "other"
    found = reader.saved(vertex, side)
    if found is None:
        return reader.number(vertex, side)
    # a plain number is saved as a scalar in double; as a tensor of its own it would make the loss double
    return found.clone() if found.dim() else found.to(vertex[0]._input_metadata[vertex[1]].dtype, copy=True)


def _certain(vertex: Vertex, reader: Reader) -> Tensor | float:
    found = constant_of(vertex, reader)
    if found is None:
        raise RefusedError(f"what `{op(vertex).lower()}` was made of cannot be read any more")
    return found


# ---- losses --------------------------------------------------------------------------------------------------------


def _mse(vertex: Vertex, reader: Reader) -> Function:
    target, reduction = _saved(vertex, reader, "target"), _reduction(vertex)
    return lambda x: F.mse_loss(x, target, reduction=reduction)


def _nll(vertex: Vertex, reader: Reader) -> Function:
    target, weight = _saved(vertex, reader, "target"), _optional(vertex, reader, "weight")
    ignored, reduction = signed(vertex[0]._saved_ignore_index), _reduction(vertex)
    return lambda x: F.nll_loss(x, target, weight, ignore_index=ignored, reduction=reduction)


def _bce(vertex: Vertex, reader: Reader) -> Function:
    target, weight = _saved(vertex, reader, "target"), _optional(vertex, reader, "weight")
    reduction = _reduction(vertex)
    return lambda x: F.binary_cross_entropy(x, target, weight, reduction=reduction)


def _bce_logits(vertex: Vertex, reader: Reader) -> Function:
    target, reduction = _saved(vertex, reader, "target"), _reduction(vertex)
    weight, positive = _optional(vertex, reader, "weight"), _optional(vertex, reader, "pos_weight")
    return lambda x: F.binary_cross_entropy_with_logits(x, target, weight, reduction=reduction, pos_weight=positive)


def _smooth_l1(vertex: Vertex, reader: Reader) -> Function:
    target, reduction, beta = _saved(vertex, reader, "target"), _reduction(vertex), _number(vertex, reader, "beta", 1.0)
    return lambda x: F.smooth_l1_loss(x, target, reduction=reduction, beta=beta)


def _huber(vertex: Vertex, reader: Reader) -> Function:
    target, reduction = _saved(vertex, reader, "target"), _reduction(vertex)
    delta = _number(vertex, reader, "delta", 1.0)
    return lambda x: F.huber_loss(x, target, reduction=reduction, delta=delta)


# ---- operations ----------------------------------------------------------------------------------------------------


def _of_dims(function: Function) -> Maker:
    """A mean or a sum over all dimensions, or over those that were saved."""

    def make(vertex: Vertex, reader: Reader) -> Function:
        dims = getattr(vertex[0], "_saved_dim", None)
        if dims is None:
            return function
        over, keep = tuple(signed(d) for d in dims), bool(vertex[0]._saved_keepdim)
        return lambda x: function(x, dim=over or None, keepdim=keep)

    return make


def _of_dim(function: Function) -> Maker:
    def make(vertex: Vertex, reader: Reader) -> Function:
        dim = signed(vertex[0]._saved_dim)
        return lambda x: function(x, dim=dim)

    return make


def _always(function: Function) -> Maker:
    return lambda vertex, reader: function


def _mul(vertex: Vertex, reader: Reader) -> Function:
    factor = _certain(vertex, reader)
    return lambda x: x * factor


def _div(vertex: Vertex, reader: Reader) -> Function:
    other = _certain(vertex, reader)
    return (lambda x: other / x) if children(vertex)[0] is None else (lambda x: x / other)


def _pow(vertex: Vertex, reader: Reader) -> Function:
    exponent = vertex[0]._saved_exponent
    if not isinstance(exponent, (int, float)):
        raise RefusedError("a power with a tensor as exponent lies between output and loss")
    return lambda x: x**exponent


def _clamp(vertex: Vertex, reader: Reader) -> Function:
    low, high = getattr(vertex[0], "_saved_min", None), getattr(vertex[0], "_saved_max", None)
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise RefusedError("a clamp between tensors lies between output and loss")
    return lambda x: x.clamp(low, high)


def _softplus(vertex: Vertex, reader: Reader) -> Function:
    beta, threshold = (float(getattr(vertex[0], f"_saved_{name}")) for name in ("beta", "threshold"))
    return lambda x: F.softplus(x, beta, threshold)


def _masked_fill(vertex: Vertex, reader: Reader) -> Function:
    mask = _saved(vertex, reader, "mask")
    return lambda x: x.masked_fill(mask, 0)  # another number shows in the value


def _logsumexp(vertex: Vertex, reader: Reader) -> Function:
    over, keep = [signed(d) for d in vertex[0]._saved_dim], bool(vertex[0]._saved_keepdim)
    return lambda x: torch.logsumexp(x, over, keepdim=keep)


def _norm(vertex: Vertex, reader: Reader) -> Function:
    order, dims, keep = vertex[0]._saved_ord, vertex[0]._saved_dim, bool(vertex[0]._saved_keepdim)
    over = [signed(d) for d in dims] if dims else None
    return lambda x: torch.linalg.vector_norm(x, order, over, keepdim=keep)


def _reshape(vertex: Vertex, reader: Reader) -> Function:
    sizes = shape(vertex)
    return lambda x: x.reshape(sizes)


def _expand(vertex: Vertex, reader: Reader) -> Function:
    sizes = shape(vertex)
    return lambda x: x.expand(sizes)


def _to_copy(vertex: Vertex, reader: Reader) -> Function:
    kind = vertex[0]._input_metadata[vertex[1]]
    return lambda x: x.to(kind.device, kind.dtype)


def _permute(vertex: Vertex, reader: Reader) -> Function:
    dims = [signed(d) for d in vertex[0]._saved_dims]
    return lambda x: x.permute(dims)


def _transpose(vertex: Vertex, reader: Reader) -> Function:
    first, second = signed(vertex[0]._saved_dim0), signed(vertex[0]._saved_dim1)
    return lambda x: x.transpose(first, second)


def _select(vertex: Vertex, reader: Reader) -> Function:
    dim, index = signed(vertex[0]._saved_dim), signed(vertex[0]._saved_index)
    return lambda x: x.select(dim, index)


def _slice(vertex: Vertex, reader: Reader) -> Function:
    node = vertex[0]
    dim = dim_of(node._saved_dim, len(shape(vertex)))
    cut = slice(signed(node._saved_start), signed(node._saved_end), signed(node._saved_step))
    return lambda x: x[(slice(None),) * dim + (cut,)]


def _gather(vertex: Vertex, reader: Reader) -> Function:
    dim, index = signed(vertex[0]._saved_dim), _saved(vertex, reader, "index")
    return lambda x: x.gather(dim, index)


def _index(vertex: Vertex, reader: Reader) -> Function:
    indices = tuple(slice(None) if i is None else i.clone() for i in reader.indices(vertex))
    if not indices:
        raise RefusedError("which outputs were picked cannot be read any more")
    return lambda x: x[indices]


MAKERS: dict[str, Maker] = {
    "MseLoss": _mse,
    "NllLoss": _nll,
    "NllLoss2D": _nll,
    "BinaryCrossEntropy": _bce,
    "BinaryCrossEntropyWithLogits": _bce_logits,
    "SmoothL1Loss": _smooth_l1,
    "HuberLoss": _huber,
    "Sigmoid": _always(torch.sigmoid),
    "LogSigmoid": _always(F.logsigmoid),
    "Tanh": _always(torch.tanh),
    "Relu": _always(torch.relu),
    "Exp": _always(torch.exp),
    "Log": _always(torch.log),
    "Sqrt": _always(torch.sqrt),
    "Abs": _always(torch.abs),
    "Neg": _always(torch.neg),
    "Softplus": _softplus,
    "Softmax": _of_dim(torch.softmax),
    "LogSoftmax": _of_dim(torch.log_softmax),
    "Logsumexp": _logsumexp,
    "LinalgVectorNorm": _norm,
    "Mean": _of_dims(torch.mean),
    "Sum": _of_dims(torch.sum),
    "Mul": _mul,
    "Div": _div,
    "Pow": _pow,
    "Clamp": _clamp,
    "ClampMin": _clamp,
    "ClampMax": _clamp,
    "MaskedFill": _masked_fill,
    "Expand": _expand,
    "ToCopy": _to_copy,
    "Permute": _permute,
    "Transpose": _transpose,
    "T": _always(torch.t),
    "Select": _select,
    "Slice": _slice,
    "Gather": _gather,
    "Index": _index,
    **dict.fromkeys(RESHAPES, _reshape),
    **dict.fromkeys(SAME - {"ToCopy"}, _always(lambda x: x)),
}
