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
from .marked import ANY, CASTING, RESHAPING, SETS, SQUASHING, Fitted, Squashed
from .steps import plain


class OutputMode(TorchFunctionMode):
    """While a network runs: remembers what each squashing function was given, also through changes of shape.

    known: [output, (input, name of the function, its dimension)], newest last. Nothing is changed. also: names of
    further functions to remember.
    """

    def __init__(self, also: Any = ()) -> None:
        super().__init__()
        self.known: list[Any] = []
        self.also = also

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        out = func(*args, **named)
        name, first = getattr(func, "__name__", ""), args[0] if args else named.get("input")
        if not isinstance(out, Tensor) or not isinstance(first, Tensor):
            return out
        if (name in SQUASHING or name in self.also) and out is not first:
            dim = named.get("dim", args[1] if len(args) > 1 else None) if name.endswith("softmax") else None
            self.known.append((out, (first, name, dim)))
        elif name in RESHAPING and out is not first:
            found = self.find(first)
            if found is not None and (not found[1].endswith("softmax") or name in CASTING):
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
    mode: Any = OutputMode(("log_softmax",) if hasattr(root, "gm_fit") else ())
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


def put_out_fitted(root: Any, args: Any, out: Any) -> Any:
    """Forward hook of the whole network, also after an exception: outputs that ask for the loss that fits them. What
    losses have shown before is put out: probabilities label by label, or normalised over the classes."""
    mode = leave_output(root)
    if mode is None or type(out) is not Tensor or not out.is_floating_point():
        return None
    fit, found = root.gm_fit, mode.find(out)
    logits, name, dim = (out, "raw", None) if found is None else found
    fit["shape"] = tuple(out.shape)
    if fit["several"] and name == "softmax":
        out, name, dim = torch.sigmoid(logits), "sigmoid", None
    elif fit["several"] and name == "log_softmax":
        out, name, dim = F.logsigmoid(logits), "labels", None
    elif fit["axis"] is not None and name == "log_softmax":
        out, dim = F.log_softmax(logits, fit["axis"]), fit["axis"]
    return Fitted.of(out, logits, name, dim, fit)


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


def raw_output(model: nn.Module) -> None:
    """Let the network put out what its last squashing function is given."""
    model.register_forward_pre_hook(enter_output, prepend=True)
    model.register_forward_hook(put_out_raw, always_call=True, prepend=True)


def logits_for_losses(model: nn.Module) -> None:
    """Let losses that take the network's probabilities as they are compute with the logits."""
    model.register_forward_pre_hook(enter_output, prepend=True)
    model.register_forward_hook(put_out_marked, always_call=True, prepend=True)


def fitting_losses(model: nn.Module) -> None:
    """Let losses that do not fit the network's output and their targets be those that do."""
    held: Any = model
    held.gm_fit = {"several": False, "binary": False, "shares": False, "axis": None, "shape": ()}
    model.register_forward_pre_hook(enter_output, prepend=True)
    model.register_forward_hook(put_out_fitted, always_call=True, prepend=True)


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
    """Forward hook of the whole network: mean + std · out, and the error that standardised targets would give: of a
    loss of degree k in the difference, std^k times smaller."""
    scaled: Any = ScaledError
    return scaled.apply(out * root.gm_target_std + root.gm_target_mean, root.gm_target_std**-root.gm_target_degree)


def standardise_targets(model: nn.Module, mean: float, std: float, degree: int) -> None:
    """Let the network learn standardised targets, while its outputs and its loss stay in the targets' own units.

    degree: of the loss in the difference of output and target, 2 of a squared error, 1 of an absolute one.
    """
    held: Any = model
    held.gm_target_mean, held.gm_target_std, held.gm_target_degree = mean, std, degree
    model.register_forward_hook(rescale_output)


plain(OutputMode, *SETS, imports=(*ANY, "from torch.overrides import TorchFunctionMode"))
plain(Modes, imports=(*ANY, "import threading"))
plain(enter_output, OutputMode, Modes, "MODES = Modes()", imports=ANY)
plain(leave_output, imports=ANY)
plain(marked_raw, Squashed, imports=ANY)
plain(put_out_raw, leave_output, marked_raw, imports=ANY)
plain(put_out_marked, leave_output, marked_raw, imports=ANY)
plain(put_out_fitted, leave_output, Fitted, imports=ANY)
plain(fitting_losses, enter_output, put_out_fitted)
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
