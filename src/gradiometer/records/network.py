"""What was seen of a network, its loss and its optimizer: all that a torch-free diagnosis must know."""

from __future__ import annotations

from typing import Literal

import msgspec

Scalar = float | int | str | bool | None

Role = Literal[
    "weights",  # linear, conv, embedding: multiplies by learned weights
    "activation",
    "norm",
    "dropout",
    "recurrent",  # nn.RNN, nn.LSTM, nn.GRU and their cells
    "attention",
    "pool",
    "reshape",  # flatten, identity, permute
    "block",  # a container: residual block, transformer layer, any composite of the user's
    "other",
]

SiteKind = Literal["output", "input", "function", "param", "time"]


class Site(msgspec.Struct, frozen=True):
    """One measured place.

    model: name of the model it belongs to.
    path: dotted module path (``blocks.3.act``; ``""`` is the root), or, for a parameter, the parameter's name.
    call: how manieth call of that module (or op) within one forward pass, from 0.
    kind: ``output`` of a module; ``input`` of a module whose producer is no module (``x + attn(x)``);
        ``function`` an op called as a function inside ``path``; ``param`` a parameter;
        ``time`` one time step of a recurrent module (``call`` is the time step).
    op: what happens there, in lower case: ``linear``, ``conv2d``, ``relu``, ``layernorm``, ``add`` ...
    hop: position on the trunk, 0 nearest to the loss; -1 off the trunk (a branch or a parameter).
    """

    model: str
    path: str
    call: int = 0
    kind: SiteKind = "output"
    op: str = ""
    hop: int = -1

    @property
    def name(self) -> str:
        """The site as it is written everywhere: ``blocks.3.act``, ``blocks.3.act#1``, ``blocks.3:relu#0``."""
        if self.kind == "param":
            return self.path
        if self.kind == "function":
            return f"{self.path}:{self.op}#{self.call}"
        if self.kind == "time":
            return f"{self.path}[t={self.call}]"
        tail = f"#{self.call}" if self.call else ""
        base = self.path or "(root)"
        return f"{base}.input{tail}" if self.kind == "input" else f"{base}{tail}"


class ParamSeen(msgspec.Struct, frozen=True):
    """A parameter: its name is the path of its site."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool
    owned: bool  # some optimizer of the script holds it
    dtype: str = "float32"
    tied_to: str | None = None  # name of the first parameter that is the same tensor

    @property
    def numel(self) -> int:
        """Number of elements (1 for a scalar)."""
        n = 1
        for d in self.shape:
            n *= d
        return n


class ModuleSeen(msgspec.Struct, frozen=True):
    """A module of the network as it stood when it was first called.

    kind: lower-case name of the op: ``linear``, ``conv2d``, ``sigmoid``, ``batchnorm``, ``layernorm``, ``lstm`` ...;
        the class name in lower case where the op is unknown.
    args: the settings that theory and rules need: ``negative_slope``, ``groups``, ``p``, ``eps``, ``num_layers`` ...
    fan_in, fan_out: true fans (conv: k² C_in / groups); 0 where there are no weights.
    weight, bias: names of the parameters, None where missing.
    """

    path: str
    cls: str
    role: Role
    kind: str
    args: dict[str, Scalar] = {}
    fan_in: int = 0
    fan_out: int = 0
    weight: str | None = None
    bias: str | None = None
    training: bool = True


class Part(msgspec.Struct, frozen=True):
    """One factor of a hop: a module or op that the error passes, measured at both of its ends.

    role, kind, args as in ModuleSeen; path: the module (or the enclosing module, for a function).
    upper, lower: names of the sites where the error arrives and where it leaves toward the input.
    weight: name of the weight parameter where role is ``weights``.
    units: number of units (channels, features) of the lower site, 0 where unknown.
    """

    role: Role
    kind: str
    path: str
    upper: str
    lower: str
    args: dict[str, Scalar] = {}
    weight: str | None = None
    bias: str | None = None
    fan_in: int = 0
    units: int = 0


class Hop(msgspec.Struct, frozen=True):
    """The step of the error from one trunk site to the one before it, loss first.

    upper, lower: site names; the gain of the hop is ‖δ lower‖ / ‖δ upper‖.
    parts: its factors in the order in which the error meets them; their gains multiply to the hop's gain.
    skip: an identity path runs beside the branch inside this hop (a residual block).
    spine: True where the network has no dominators here (DenseNet, U-Net): drawn hollow, its ratio is no gain.
    joins: another loss or head joins the error at the lower site.
    """

    upper: str
    lower: str
    parts: tuple[Part, ...] = ()
    skip: bool = False
    spine: bool = False
    joins: bool = False


class Network(msgspec.Struct, frozen=True):
    """One model of a training.

    hops: the trunk, loss first. hops[0].upper is the head site, hops[-1].lower the source site.
        Empty where no trunk was found; ``trunk_note`` then says why.
    stations: names of the trunk sites, loss first (len(hops) + 1, or 0).
    recurrent: path of a recurrent module -> number of time steps measured.
    """

    name: str
    cls: str
    modules: tuple[ModuleSeen, ...] = ()
    params: tuple[ParamSeen, ...] = ()
    hops: tuple[Hop, ...] = ()
    stations: tuple[str, ...] = ()
    trunk_note: str = ""
    dtype: str = "float32"
    device: str = "cpu"
    recurrent: dict[str, int] = {}
    compiled: bool = False

    def module(self, path: str) -> ModuleSeen | None:
        """The module at ``path``, or None."""
        return next((m for m in self.modules if m.path == path), None)


class LossSeen(msgspec.Struct, frozen=True):
    """A loss as it was found at the root of a backward pass.

    kind: ``cross_entropy``, ``nll``, ``mse``, ``l1``, ``smooth_l1``, ``huber``, ``bce``, ``bce_logits``, ``kl_div`` ...
        or ``unknown``.
    pre: op that feeds the loss's input where it tells something: ``softmax``, ``sigmoid``, ``log_softmax``, "".
    outputs: number of outputs (classes) the loss saw, 0 where unknown.
    trivial: loss of the best constant prediction on the targets seen (entropy of the classes, var y); None unknown.
    floor: smallest value the loss can take where known (0 for MSE and cross-entropy on hard targets), else None.
    input_min/max, target_min/max: range of what went in, nan where unknown. target_kind: ``class``, ``real``, "".
    """

    model: str
    kind: str = "unknown"
    reduction: str = ""
    pre: str = ""
    outputs: int = 0
    batch: int = 0
    trivial: float | None = None
    floor: float | None = None
    input_min: float = float("nan")
    input_max: float = float("nan")
    target_min: float = float("nan")
    target_max: float = float("nan")
    target_kind: str = ""


class OptimizerSeen(msgspec.Struct, frozen=True):
    """An optimizer: its class, the settings of its first group, and what it owns.

    owned: model name -> names of its parameters in this optimizer.
    strangers: number of tensors it owns that belong to no model that was seen.
    """

    name: str
    cls: str
    settings: dict[str, Scalar] = {}
    owned: dict[str, tuple[str, ...]] = {}
    strangers: int = 0


class Event(msgspec.Struct, frozen=True):
    """Something that happened in the loop. kind: ``step_skipped`` (the scaler refused a step), ``non_finite`` (the
    loss became nan or inf; detail names the operation or parameter where it was born, "" where that was not seen).
    step counts the completed optimizer steps when it happened; value is what belongs to it, nan where nothing does."""

    step: int
    kind: str
    model: str = ""
    value: float = float("nan")
    detail: str = ""


class NotCovered(msgspec.Struct, frozen=True):
    """Something that was seen and not measured: where, and why."""

    site: str
    reason: str
