"""Outputs that remember what they were made of, so that a loss can take its logits, or be the loss that fits.

Everything here is plain PyTorch: its source goes into patches.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .steps import plain

SQUASHING = frozenset({"softmax", "sigmoid", "tanh", "relu", "hardsigmoid", "hardtanh", "relu6", "softplus"})
CASTING = frozenset({"contiguous", "float", "double", "to", "cpu", "cuda", "clone"})
BOUNDS = frozenset({"clamp", "clip", "clamp_min", "clamp_max"})
PRODUCTS = frozenset({"mul", "multiply", "__mul__", "__rmul__"})
SUMS = frozenset({"add", "__add__", "__radd__"})
ERRORS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
LABELS = 1.5  # labels of one example add up to more: several classes at once
HAIR = 1e-3  # from 0 or 1: what is added to a probability, or cut off, so that its logarithm stays finite
SHAPES = ("squeeze", "unsqueeze", "view", "reshape", "flatten", "ravel", "__getitem__", "permute", "transpose")
RESHAPING = CASTING | {*SHAPES, "movedim", "t"}


class Squashed(Tensor):
    """Probabilities that remember the logits they were made of: a loss that takes them gets the logits.

    Everything else sees probabilities. Changed in place, or changed in value by more than a hair, they remember
    nothing. taken: how often a loss took logits, or a squashing function was left out, in this process.
    """

    gm_logits: Any
    gm_kind: Any
    gm_fit: Any
    taken = 0

    @classmethod
    def of(cls, out: Tensor, logits: Tensor, name: str, dim: Any, fit: Any = None) -> Any:
        """Mark a tensor. name: of the squashing function; dim: of a softmax.

        Others: ``raw``, nothing has squashed it yet; ``linear``, nothing shall; ``total``, the sum of the marked tensor
        ``logits`` over its classes; ``share``, probabilities picked out, whose logarithm ``logits`` is. fit: of the
        network, what its losses have shown, see ``Fitted``.
        """
        marked: Any = out.as_subclass(cls)
        marked.gm_logits, marked.gm_kind, marked.gm_fit = logits, (name, dim), fit
        return marked

    @classmethod
    def swap(cls, name: str, marked: Any, target: Any) -> Any:
        """What is done in place of the function ``name`` of a marked tensor, of the remaining arguments; None for
        itself. target: the first of these."""
        return with_logits(name, marked.gm_logits, marked.gm_kind)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named, name = kwargs or {}, getattr(func, "__name__", "")
        if name in PRODUCTS and len(args) == 2 and type(args[1]) is cls:
            args = (args[1], args[0])
        first: Any = args[0] if args else named.get("input")
        with torch._C.DisableTorchFunctionSubclass():
            marked = type(first) is cls and first.__dict__.get("gm_logits") is not None
            if not marked:
                return func(*args, **named)
            rest, others = args[1:], {k: v for k, v in named.items() if k != "input"}
            swapped = cls.swap(name, first, rest[0] if rest else others.get("target"))
            if swapped is not None:
                Squashed.taken += 1
                return swapped(*rest, **others)
            if name.endswith("_") and not name.endswith("__"):
                first.gm_logits = None
            out = func(*args, **named)
            known = followed(func, first, rest, others) if isinstance(out, Tensor) and out is not first else None
            return out if known is None else cls.of(out.as_subclass(Tensor), known[0], known[1], known[2], first.gm_fit)


def with_logits(name: str, logits: Tensor, kind: Any) -> Any:
    """What is done in place of the function ``name`` of a marked tensor, of the remaining arguments; None for itself.

    A cross-entropy asks for logits, whatever was squashed and over which axis.
    """
    squash, dim = kind
    if squash == "linear":
        return (lambda *rest, **named: logits.as_subclass(Tensor)) if name in SQUASHING else None
    if squash in ("raw", "total", "share"):
        return (lambda: logits) if squash == "share" and name == "log" else None
    classes = 1 if logits.dim() > 1 else 0
    if name == "cross_entropy":
        return lambda *rest, **named: F.cross_entropy(logits, *rest, **named)
    if name == "binary_cross_entropy_with_logits" or (name == "binary_cross_entropy" and squash == "sigmoid"):
        return lambda *rest, **named: F.binary_cross_entropy_with_logits(logits, *rest, **named)
    if name == "nll_loss" and squash == "softmax":
        return lambda *rest, **named: F.nll_loss(F.log_softmax(logits, classes), *rest, **named)
    if name == "log" and squash == "sigmoid":
        return lambda: F.logsigmoid(logits)
    return (lambda: F.log_softmax(logits, dim)) if name == "log" and squash == "softmax" and dim is not None else None


class Fitted(Squashed):
    """Outputs that ask for the loss that fits them and its targets, see ``fitting_loss``. Others see what they are.

    gm_fit: of the network, what its losses have shown. ``several``: several labels an example; ``binary``: its loss has
    a term of 1 − p; ``shares``: its loss takes probabilities to add up to 1, which those of several labels do not, so
    that it judges them no more; ``axis``: over which the loss takes its outputs to be normalised; ``shape``: of its
    last output.
    """

    @classmethod
    def swap(cls, name: str, marked: Any, target: Any) -> Any:
        """What is done in place of the function ``name``, None for itself. target: its next argument."""
        (squash, dim), fit = marked.gm_kind, marked.gm_fit
        if name in ("__rsub__", "rsub") and target == 1:
            fit["binary"] = True
        if name == "nll_loss" and squash == "log_softmax":
            return normalised_loss(marked.as_subclass(Tensor), marked.gm_logits, fit)
        if name in PRODUCTS and squash in ("log_softmax", "labels"):
            return label_terms(marked.as_subclass(Tensor), marked.gm_logits, target, fit, dim)
        fits = isinstance(target, Tensor) and squash not in ("total", "share")
        return fitting_loss(name, (marked.as_subclass(Tensor), marked.gm_logits, squash, fit), target) if fits else None


def fitting_loss(name: str, output: Any, target: Tensor) -> Any:
    """The loss of the remaining arguments that fits a target, in place of the loss ``name``; None where that one does.

    output: (what the network puts out, its logits, the name of what squashed them, see ``Fitted`` for the last). An
    error of numbers whose target has as many numbers in another shape is taken number by number. One of one-hot targets
    becomes a cross-entropy. Several labels an example are each a binary one. The reduction stays.
    """
    out, logits, squash, fit = output
    if name in ERRORS and target.shape != out.shape and target.numel() == out.numel():
        return lambda *rest, **named: getattr(F, name)(out.reshape(target.shape), *rest, **named)
    if target.shape != out.shape or out.dim() < 2 or out.shape[1] < 2 or not target.is_floating_point():
        return None
    sums, bits = target.sum(1), bool(((target == 0) | (target == 1)).all())
    several = bool((sums > LABELS).any())
    soft = name in (*ERRORS, "binary_cross_entropy") and (squash == "softmax" and several and bits)
    if name == "cross_entropy" or soft or (fit["several"] and name in (*ERRORS, "binary_cross_entropy")):
        if not several and not fit["several"]:
            return None
        fit["several"] = fit["several"] or squash == "softmax"
        binary: Any = F.binary_cross_entropy_with_logits
        return lambda *rest, **named: binary(logits, target, reduction=named.get("reduction", "mean"))
    if name in ERRORS and bits and bool((sums == 1).all()):
        return lambda *rest, **named: F.cross_entropy(logits, target, reduction=named.get("reduction", "mean"))
    return None


def label_terms(logs: Tensor, logits: Tensor, target: Any, fit: Any, dim: Any) -> Any:
    """In place of t · log p, where t holds several labels an example: t log σ(z) + (1 − t) log(1 − σ(z)) of each.

    None, which leaves the product, for one label an example, for weights, and where the loss has a term of 1 − p.
    """
    if not isinstance(target, Tensor) or target.shape != logs.shape or fit["binary"] or logs.dim() < 2:
        return None
    if not bool(((target == 0) | (target == 1)).all()):
        return None
    if not fit["several"] and (dim is None or not bool((target.sum(dim) > LABELS).any())):
        return None
    fit["several"] = fit["shares"] = True
    return lambda labels: labels * F.logsigmoid(logits) + (1 - labels.to(logits.dtype)) * F.logsigmoid(-logits)


def normalised_loss(logs: Tensor, logits: Tensor, fit: Any) -> Any:
    """In place of a likelihood of log-probabilities that are normalised over another axis than its classes; else None.

    Where one axis of the network's output alone can be the classes, the network is told so.
    """
    classes = 1 if logs.dim() > 1 else 0
    off = (logs.exp().sum(classes) - 1).abs() > HAIR
    axes = [at for at, n in enumerate(fit["shape"]) if n == logs.shape[classes]]
    if not bool(off.any()) or not axes:
        return None
    fit["axis"] = axes[0] if len(axes) == 1 else None
    return lambda *rest, **named: F.nll_loss(F.log_softmax(logits, classes), *rest, **named)


def followed(func: Any, first: Any, rest: Any, others: Any) -> Any:
    """(logits, name, dim) of what a function makes of a marked tensor, None where that is not known.

    Followed are shapes, a squashing function of raw outputs, 1 − p, p over its own sum (then a softmax of the logits),
    what keeps p away from 0 and 1 by less than ``HAIR``, and picking the probabilities of classes.
    """
    name, logits, (squash, dim) = getattr(func, "__name__", ""), first.gm_logits, first.gm_kind
    given = [value for value in (*rest, *others.values()) if value is not None]
    classes = 1 if first.dim() > 1 else 0
    if name in BOUNDS and given and all(isinstance(v, (int, float)) and min(abs(v), abs(1 - v)) < HAIR for v in given):
        return (logits, squash, dim) if squash not in ("raw", "linear") else None
    if name in SUMS and len(given) == 1 and isinstance(given[0], (int, float)) and 0 <= given[0] < HAIR:
        return (logits, squash, dim) if squash not in ("raw", "linear") else None
    if squash == "total":
        return None
    picked = name == "__getitem__" and squash == "softmax" and dim is not None
    if name in RESHAPING and not picked:  # behind another shape, a softmax ran over an axis that is not known
        soft = squash in ("softmax", "log_softmax") and name not in CASTING
        return func(logits, *rest, **others), squash, None if soft else dim
    if name == "log" and first.gm_fit is not None and not first.gm_fit["binary"]:  # a product with labels may follow
        if squash == "softmax":
            return logits, "log_softmax", dim
        return (logits, "labels", None) if squash == "sigmoid" and first.gm_fit["several"] else None
    if squash in ("log_softmax", "labels") or (squash == "softmax" and dim is None):
        return None
    if squash == "raw":
        at = others.get("dim", rest[0] if rest else None) if name == "softmax" else None
        return (logits, name, at) if name in SQUASHING else None
    if name in ("__rsub__", "rsub") and squash == "sigmoid" and given == [1]:
        return -logits, squash, dim
    if name == "sum" and squash not in ("linear", "share"):
        axes = others.get("dim", rest[0] if rest else None)
        axes = [axes] if isinstance(axes, int) else list(axes or ())
        kept = others.get("keepdim", rest[1] if len(rest) > 1 else False)
        return (first, "total", None) if kept and [a % first.dim() for a in axes] == [classes] else None
    if name in ("div", "true_divide", "__truediv__") and len(given) == 1:
        own = isinstance(given[0], Squashed) and given[0].gm_kind[0] == "total" and given[0].gm_logits is first
        return (logits, "softmax", classes) if own and squash not in ("linear", "share") else None
    if name in ("gather", "__getitem__", "index_select") and squash == "softmax" and dim is not None:
        return func(F.log_softmax(logits, dim), *rest, **others), "share", None
    return None


ANY = ("from typing import Any",)


def set_line(name: str, words: frozenset[str]) -> str:
    """A set of words as lines of source, the same in every process."""
    rows = [", ".join(map(repr, sorted(words)[at : at + 6])) for at in range(0, len(words), 6)]
    return "\n".join((f"{name} = {{", *(f"    {row}," for row in rows), "}"))


SETS = (set_line("SQUASHING", SQUASHING), set_line("CASTING", CASTING), set_line("RESHAPING", RESHAPING))
MORE = (*SETS, set_line("BOUNDS", BOUNDS), set_line("SUMS", SUMS), f"HAIR = {HAIR}")
SWAPS = (set_line("ERRORS", ERRORS), set_line("PRODUCTS", PRODUCTS), f"LABELS = {LABELS}", f"HAIR = {HAIR}")
plain(with_logits, SETS[0], imports=ANY)
plain(followed, *MORE, imports=ANY)
plain(Squashed, set_line("PRODUCTS", PRODUCTS), with_logits, followed, imports=ANY)
plain(fitting_loss, *SWAPS, imports=ANY)
plain(label_terms, *SWAPS, imports=ANY)
plain(normalised_loss, *SWAPS, imports=ANY)
plain(Fitted, Squashed, fitting_loss, label_terms, normalised_loss, imports=ANY)
