"""The two ends of a network: what it reads, what it puts out, and the error that enters there.

Everything here is plain PyTorch: its source goes into patches.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .joining import fill_missing_keys
from .steps import plain

SQUASHING = frozenset({"softmax", "sigmoid", "tanh", "relu", "hardsigmoid", "hardtanh", "relu6", "softplus"})
CASTING = frozenset({"contiguous", "float", "double", "to", "cpu", "cuda", "clone"})
BOUNDS = frozenset({"clamp", "clip", "clamp_min", "clamp_max"})
SUMS = frozenset({"add", "__add__", "__radd__"})
HAIR = 1e-3  # from 0 or 1: what is added to a probability, or cut off, so that its logarithm stays finite
SHAPES = ("squeeze", "unsqueeze", "view", "reshape", "flatten", "ravel", "__getitem__", "permute", "transpose")
RESHAPING = CASTING | {*SHAPES, "movedim", "t"}


class OutputMode(TorchFunctionMode):
    """While a network runs: remembers what each squashing function was given, also through changes of shape.

    known: [output, (input, name of the function, its dimension)], newest last. Nothing is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        out = func(*args, **named)
        name, first = getattr(func, "__name__", ""), args[0] if args else named.get("input")
        if not isinstance(out, Tensor) or not isinstance(first, Tensor):
            return out
        if name in SQUASHING and out is not first:
            dim = named.get("dim", args[1] if len(args) > 1 else None) if name == "softmax" else None
            self.known.append((out, (first, name, dim)))
        elif name in RESHAPING and out is not first:
            found = self.find(first)
            if found is not None and (found[1] != "softmax" or name in CASTING):
                rest = (func(found[0], *args[1:], **{k: v for k, v in named.items() if k != "input"}), *found[1:])
                self.known.append((out, rest))
        return out

    def find(self, value: Any) -> Any:
        """What is known of a tensor, None where nothing is."""
        return next((known for out, known in reversed(self.known) if out is value), None)


class Modes(threading.local):
    """The modes of the passes that run, one stack a thread."""

    def __init__(self) -> None:
        self.running: list[Any] = []


MODES = Modes()


def enter_output(root: nn.Module, args: Any) -> None:
    """Forward pre-hook of the whole network: begin to remember. What torch.compile takes cannot be looked at so."""
    if torch.compiler.is_compiling():
        raise RuntimeError("A cure exchanged the output of this network, which torch.compile would not see.")
    mode: Any = OutputMode()
    MODES.running.append((root, mode))
    mode.__enter__()


def leave_output(root: nn.Module) -> Any:
    """What the pass that ends has remembered, None where the network left already."""
    if not MODES.running or MODES.running[-1][0] is not root:
        return None
    mode: Any = MODES.running.pop()[1]
    mode.__exit__(None, None, None)
    return mode


def put_out_raw(root: nn.Module, args: Any, out: Any) -> Any:
    """Forward hook of the whole network, also after an exception: what the last squashing function was given. Where the
    network puts that out itself, an output that the script's own squashing function leaves as it is."""
    mode = leave_output(root)
    if mode is None:
        return None
    found = mode.find(out)
    return found[0] if found is not None else marked_raw(out, "linear")


def put_out_marked(root: nn.Module, args: Any, out: Any) -> Any:
    """Forward hook of the whole network, also after an exception: squashed outputs that remember their logits. Where
    the network puts out logits itself, what the script squashes will remember them."""
    mode = leave_output(root)
    if mode is None:
        return None
    found = mode.find(out)
    return Squashed.of(out, *found) if found is not None else marked_raw(out, "raw")


def marked_raw(out: Any, name: str) -> Any:
    """An output that nothing has squashed yet; None, which leaves it, where it is no plain tensor of numbers."""
    return Squashed.of(out, out, name, None) if type(out) is Tensor and out.is_floating_point() else None


class Squashed(Tensor):
    """Probabilities that remember the logits they were made of: a loss that takes them gets the logits.

    Everything else sees probabilities. Changed in place, or changed in value by more than a hair, they remember
    nothing. taken: how often a loss took logits, or a squashing function was left out, in this process.
    """

    gm_logits: Any
    gm_kind: Any
    taken = 0

    @classmethod
    def of(cls, out: Tensor, logits: Tensor, name: str, dim: Any) -> Any:
        """Mark a tensor. name: of the squashing function; dim: of a softmax.

        Others: ``raw``, nothing has squashed it yet; ``linear``, nothing shall; ``total``, the sum of the marked tensor
        ``logits`` over its classes; ``share``, probabilities picked out, whose logarithm ``logits`` is.
        """
        marked: Any = out.as_subclass(cls)
        marked.gm_logits, marked.gm_kind = logits, (name, dim)
        return marked

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        first: Any = args[0] if args else named.get("input")
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            marked = type(first) is Squashed and first.__dict__.get("gm_logits") is not None
            if not marked:
                return func(*args, **named)
            rest, others = args[1:], {k: v for k, v in named.items() if k != "input"}
            swapped = with_logits(name, first.gm_logits, first.gm_kind)
            if swapped is not None:
                Squashed.taken += 1
                return swapped(*rest, **others)
            if name.endswith("_") and not name.endswith("__"):
                first.gm_logits = None
            out = func(*args, **named)
            known = followed(func, first, rest, others) if isinstance(out, Tensor) and out is not first else None
            return out if known is None else Squashed.of(out.as_subclass(Tensor), *known)


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
    if name in CASTING or (name in RESHAPING and squash != "softmax"):
        return func(logits, *rest, **others), squash, dim
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
        own = type(given[0]) is Squashed and given[0].gm_kind[0] == "total" and given[0].gm_logits is first
        return (logits, "softmax", classes) if own and squash not in ("linear", "share") else None
    if name in ("gather", "__getitem__", "index_select") and squash == "softmax" and dim is not None:
        return func(F.log_softmax(logits, dim), *rest, **others), "share", None
    return None


def raw_output(model: nn.Module) -> None:
    """Let the network put out what its last squashing function is given."""
    model.register_forward_pre_hook(enter_output, prepend=True)
    model.register_forward_hook(put_out_raw, always_call=True, prepend=True)


def logits_for_losses(model: nn.Module) -> None:
    """Let losses that take the network's probabilities as they are compute with the logits."""
    model.register_forward_pre_hook(enter_output, prepend=True)
    model.register_forward_hook(put_out_marked, always_call=True, prepend=True)


def squash_output(root: Any, args: Any, out: Any) -> Any:
    """Forward hook of the whole network: its output, squashed by the function ``gm_squash``; classes on axis 1."""
    if root.gm_squash == "sigmoid":
        return torch.sigmoid(out)
    squash: Any = F.log_softmax if root.gm_squash == "log_softmax" else F.softmax
    return squash(out, dim=1 if out.dim() > 1 else 0)


def add_squash(model: nn.Module, name: str) -> None:
    """Put a squashing function behind the network."""
    held: Any = model
    held.gm_squash = name
    model.register_forward_hook(squash_output)


class ScaledError(torch.autograd.Function):
    """The identity, whose error is multiplied by a factor on its way back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        """The same values."""
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the factor."""
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *errors: Any) -> Any:
        """The error times the factor."""
        return errors[0] * ctx.factor, None


def mean_error(root: Any, args: Any, out: Any) -> Any:
    """Forward hook of the whole network: its error divided by the number of examples, as that of a mean is."""
    if isinstance(out, dict):
        return type(out)({name: mean_error(root, args, part) for name, part in out.items()})
    if not isinstance(out, Tensor):
        each = [mean_error(root, args, part) for part in out]
        return type(out)(*each) if hasattr(out, "_fields") else type(out)(each)
    scaled: Any = ScaledError
    factor = 1.0 / max(len(out), 1)
    if type(out) is not Tensor and getattr(out, "gm_logits", None) is not None:  # both ways back, see Squashed
        marked: Any = out
        parts = (scaled.apply(value.as_subclass(Tensor), factor) for value in (marked, marked.gm_logits))
        return type(marked).of(*parts, *marked.gm_kind)
    return scaled.apply(out, factor)


def divide_error(model: nn.Module) -> None:
    """Divide the error at the network's output by the number of examples."""
    model.register_forward_hook(mean_error)


def standardise_input(root: Any, args: Any) -> Any:
    """Forward pre-hook of the whole network: (x − mean)/std with the buffers ``gm_mean`` and ``gm_std``."""
    return ((args[0] - root.gm_mean) / root.gm_std, *args[1:])


def add_standardisation(model: nn.Module, mean: Any, std: Any, shape: Any) -> None:
    """Standardise what the network reads, column by column. shape: of the numbers against the axes of an input."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    root: Any = model
    for name, values in (("gm_mean", mean), ("gm_std", std)):
        root.register_buffer(name, torch.tensor(values, dtype=torch.float64).view(shape).to(like.device, like.dtype))
    root.register_forward_pre_hook(standardise_input, prepend=True)
    root.register_load_state_dict_pre_hook(fill_missing_keys)


def rescale_output(root: Any, args: Any, out: Any) -> Any:
    """Forward hook of the whole network: mean + std · out, and the error that standardised targets would give."""
    scaled: Any = ScaledError
    return scaled.apply(out * root.gm_target_std + root.gm_target_mean, 1.0 / root.gm_target_std**2)


def standardise_targets(model: nn.Module, mean: float, std: float) -> None:
    """Let the network learn standardised targets, while its outputs and its loss stay in the targets' own units."""
    held: Any = model
    held.gm_target_mean, held.gm_target_std = mean, std
    model.register_forward_hook(rescale_output)


ANY = ("from typing import Any",)


def set_line(name: str, words: frozenset[str]) -> str:
    """A set of words as lines of source, the same in every process."""
    rows = [", ".join(map(repr, sorted(words)[at : at + 6])) for at in range(0, len(words), 6)]
    return "\n".join((f"{name} = {{", *(f"    {row}," for row in rows), "}"))


SETS = (set_line("SQUASHING", SQUASHING), set_line("CASTING", CASTING), set_line("RESHAPING", RESHAPING))
MORE = (*SETS, set_line("BOUNDS", BOUNDS), set_line("SUMS", SUMS), f"HAIR = {HAIR}")
plain(OutputMode, *SETS, imports=(*ANY, "from torch.overrides import TorchFunctionMode"))
plain(Modes, imports=(*ANY, "import threading"))
plain(enter_output, OutputMode, Modes, "MODES = Modes()", imports=ANY)
plain(leave_output, imports=ANY)
plain(with_logits, SETS[0], imports=ANY)
plain(followed, *MORE, imports=ANY)
plain(Squashed, with_logits, followed, imports=ANY)
plain(marked_raw, Squashed, imports=ANY)
plain(put_out_raw, leave_output, marked_raw, imports=ANY)
plain(put_out_marked, leave_output, marked_raw, imports=ANY)
plain(raw_output, enter_output, put_out_raw)
plain(logits_for_losses, enter_output, put_out_marked)
plain(squash_output, imports=ANY)
plain(add_squash, squash_output, imports=ANY)
plain(ScaledError, imports=ANY)
plain(mean_error, ScaledError, imports=ANY)
plain(divide_error, mean_error)
plain(standardise_input, imports=ANY)
plain(add_standardisation, standardise_input, fill_missing_keys, imports=ANY)
plain(rescale_output, ScaledError, imports=ANY)
plain(standardise_targets, rescale_output, imports=ANY)
