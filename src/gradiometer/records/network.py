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


class InputSeen(msgspec.Struct, frozen=True):
    """A tensor that went into a model in the first pass that was trained on.

    name: the parameter of ``forward`` that took it, ``x``; where the root itself is never called, that of the module
        that was called first, ``conv1.input``. Of integers (token ids) only shape, dtype, min and max are known.
    mean, std (of the population), rms, min, max: over all elements that are finite; finite: their share.
    whole: all are whole numbers. binary: share of elements that are 0 or 1; one_hot: share of rows [example] that
        hold one 1 and else 0.
    column_std_min/max, column_mean_max: least and largest standard deviation, and largest |mean|, of a column: the last
        dimension, or the channel of images [N, C, H, W]; nan where the input has one dimension.
    similarity: mean cosine between different examples, nan for fewer than two.
    """

    model: str
    name: str
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    min: float = float("nan")
    max: float = float("nan")
    mean: float = float("nan")
    std: float = float("nan")
    rms: float = float("nan")
    finite: float = 1.0
    whole: bool = False
    column_std_min: float = float("nan")
    column_std_max: float = float("nan")
    column_mean_max: float = float("nan")
    similarity: float = float("nan")
    binary: float = 0.0
    one_hot: float = 0.0


class Network(msgspec.Struct, frozen=True):
    """One model of a training.

    hops: the trunk, loss first. hops[0].upper is the head site, hops[-1].lower the source site.
        Empty where no trunk was found; ``trunk_note`` then says why.
    stations: names of the trunk sites, loss first (len(hops) + 1, or 0).
    recurrent: path of a recurrent module -> number of time steps measured.
    inputs: the tensors that went into it.
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
    computes: tuple[str, ...] = ()  # dtypes of module outputs: under autocast others than the parameters'
    ops: tuple[str, ...] = ()  # names of the autograd nodes that one forward pass made, without "Backward0"
    inputs: tuple[InputSeen, ...] = ()

    def module(self, path: str) -> ModuleSeen | None:
        """The module at ``path``, or None."""
        return next((m for m in self.modules if m.path == path), None)


class LossSeen(msgspec.Struct, frozen=True):
    """A loss as it was found at the root of a backward pass; of several that were added, the one of largest value.

    kind: ``cross_entropy``, ``nll`` (pre says whether a ``log`` stands before it), ``mse``, ``l1``, ``smooth_l1``,
        ``huber``, ``bce``, ``bce_logits``, ``kl_div``, ``poisson_nll``, ``hinge``, ``soft_margin``, ``euclidean`` (a
        norm an example), ``policy_gradient`` (log-probabilities times weights), torch's others, or ``unknown``.
    reduction: ``sum`` where the examples are summed and not divided by their number, else ``mean``; however written.
    pre: what stands between the last weights and the loss, nearest the loss first, joined by "/": ``softmax``,
        ``log_softmax``, ``sigmoid``, ``log_sigmoid``, ``relu``, ``tanh``, ``exp``, ``log``, ``clamp``, ``softplus``,
        ``hardtanh``, ``normalise`` (division by the sum), ``dropout`` ...; "" where nothing does. The log_softmax of
        cross-entropy and the logarithms of bce are their own and no part of it.
    outputs: number of outputs (classes) the loss saw, 0 where unknown. batch: number of examples.
    trivial: what the loss curve shows at the best constant prediction on the targets seen: in units of the root's
        loss (``factor`` is in it), summed over the terms and the passes of a step; None unknown.
    floor: smallest value the curve can take where known (0 for MSE and cross-entropy on hard targets), else None.
    input_min/max/mean/std: of the prediction that went in, nan where unknown. input_spread: its standard deviation
        over the examples, averaged over the outputs: 0 where it does not depend on the input.
    target_min/max/mean/std (of the population), target_values (distinct ones, at most 1000), target_whole (all are
        whole numbers): of the targets of all looks, from a sample where they are many. target_kind: ``class``
        (integers), ``real``, "".
    target_row_sum_min/max: of real targets [example, output]; 1 where they are one-hot or shares, nan where they have
        one column or another number of dimensions. target_columns_equal: all columns are one and the same, which
        differs over the examples: one label that was spread over several outputs.
    classes_seen: number of different classes among the targets, 0 where they are none.
    terms: number of losses found under the root. looks: backward passes that were looked at.
    passes: backward passes of one optimizer step.
    factor: value at the root / value of the loss as a mean (over examples, or over all elements where the loss is one
        of numbers); negative where the loss is maximised; nan unknown.
    reduced: number of elements the loss was summed or averaged over.
    weighted: weights other than a mask's multiply the single losses.
    pre_dim, pre_size, pre_dims: the softmax or log_softmax nearest the loss runs over dimension pre_dim (from 0) of
        pre_dims, which has pre_size elements; of several the one over the examples or over one element; -1, 0, 0.
    pre_min, pre_max: range of what leaves the activation nearest the loss, or the last weights where there is none.
    prediction_shape, target_shape, loss_shape: of the prediction, of the targets, and of the single losses before they
        are reduced; () unknown. loss_shape differs from prediction_shape where one was spread over the other.
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
    terms: int = 0
    looks: int = 1
    passes: int = 1
    factor: float = float("nan")
    reduced: int = 0
    weighted: bool = False
    pre_dim: int = -1
    pre_size: int = 0
    pre_dims: int = 0
    pre_min: float = float("nan")
    pre_max: float = float("nan")
    input_mean: float = float("nan")
    input_std: float = float("nan")
    input_spread: float = float("nan")
    target_mean: float = float("nan")
    target_std: float = float("nan")
    target_values: int = 0
    target_whole: bool = False
    target_row_sum_min: float = float("nan")
    target_row_sum_max: float = float("nan")
    target_columns_equal: bool = False
    classes_seen: int = 0
    prediction_shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    loss_shape: tuple[int, ...] = ()


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
    loss became nan or inf; detail names the operation or parameter where it was born, "" where that was not seen),
    ``gradient_carried`` (the gradients of the step before stood in the new ones), ``step_without_gradient`` (none of
    the optimizer's parameters had one), ``causal_freeze``, ``causal_rescue``,
    ``causal_rescued_fall`` (what the causal tests of the early layers found; detail says it in a sentence) and
    ``causal_not_made`` (detail says why one was not made).
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
