"""Hidden activations exchanged, as modules or as functions, each with the weight variance that fits it."""

from __future__ import annotations

from ... import theory
from ...records import Scalar, UserError
from ..exchanging import exchange_function, exchange_module
from ..layers import parameter_beside
from ..patient import Patient
from ..refusals import check_not_compiled
from ..registry import operation
from ..tracing import GATE, Activation, Trace, traced
from .initialisation import draw_around

CRITICAL, KEEP = "critical", "keep"


@operation("tanh", needs=("batch",))
def tanh(patient: Patient) -> None:
    """tanh at its critical point."""
    _exchange(patient, "tanh", {}, _weights(patient))


@operation("relu", needs=("batch",))
def relu(patient: Patient) -> None:
    """ReLU with σw² = 2."""
    _exchange(patient, "relu", {}, _weights(patient))


@operation("relu-bare", needs=("batch",))
def relu_bare(patient: Patient) -> None:
    """ReLU, the weights as they are."""
    _exchange(patient, "relu", {}, KEEP)


@operation("leaky", needs=("batch",))
def leaky(patient: Patient) -> None:
    """Leaky ReLU of a chosen slope with σw² = 2/(1 + a²)."""
    _exchange(patient, "leaky_relu", {"negative_slope": patient.number("slope")}, _weights(patient))


@operation("prelu", needs=("batch",))
def prelu(patient: Patient) -> None:
    """PReLU: one learned slope a place, 0.25 at first."""
    _exchange(patient, "prelu", {}, _weights(patient))


@operation("leaky-bare", needs=("batch",))
def leaky_bare(patient: Patient) -> None:
    """Leaky ReLU, the weights as they are."""
    _exchange(patient, "leaky_relu", {"negative_slope": patient.number("slope")}, KEEP)


@operation("prelu-bare", needs=("batch",))
def prelu_bare(patient: Patient) -> None:
    """PReLU, the weights as they are."""
    _exchange(patient, "prelu", {}, KEEP)


@operation("elu", needs=("batch",))
def elu(patient: Patient) -> None:
    """ELU at its critical point."""
    _exchange(patient, "elu", {}, _weights(patient))


@operation("selu", needs=("batch",))
def selu(patient: Patient) -> None:
    """SELU at its critical point."""
    _exchange(patient, "selu", {}, _weights(patient))


@operation("gelu", needs=("batch",))
def gelu(patient: Patient) -> None:
    """GELU at its double-critical point."""
    _exchange(patient, "gelu", {}, _weights(patient))


@operation("centred-sigmoid", needs=("batch",))
def centred_sigmoid(patient: Patient) -> None:
    """sigmoid − 1/2 at its critical point."""
    _exchange(patient, "centred_sigmoid", {}, _weights(patient))


@operation("tailored", needs=("batch",))
def tailored(patient: Patient) -> None:
    """Leaky ReLU with the slope for which orthogonal inputs end with the wanted cosine, by the number of its places."""
    trace = traced(patient.model, patient.given_batch())
    depth = len(_hidden(patient, trace))
    if not depth:
        raise patient.refuse("it has no hidden activation, so there is no depth to tailor a slope to.")
    slope = theory.tailored_slope(depth, patient.number("correlation"))
    _exchange(patient, "leaky_relu", {"negative_slope": float(slope)}, _weights(patient))


def _weights(patient: Patient) -> str:
    """The setting ``weights``."""
    chosen = patient.word("weights")
    if chosen not in (CRITICAL, KEEP):
        raise UserError(f"The cure {patient.prescription.cure} got weights={chosen!r}. It wants {CRITICAL} or {KEEP}.")
    return chosen


def _exchange(patient: Patient, kind: str, settings: dict[str, Scalar], weights: str) -> None:
    trace = traced(patient.model, patient.given_batch())
    acts = _hidden(patient, trace)
    fresh = (kind, tuple(sorted(settings.items())))
    wanted = [act for act in acts if (act.kind, tuple(sorted(act.args.items()))) != fresh]
    if not wanted:
        reasons = sorted({f"{c.site} stays ({c.after})" for c in patient.changes if c.what == "kept"})
        told = f": {'; '.join(reasons[:3])}" if reasons else ""
        if acts:
            raise patient.refuse(f"every hidden activation is {kind} already, so there is none to exchange.")
        raise patient.refuse(
            f"no activation stands between its layers as their signal{told}. There is none to exchange."
        )
    if any(act.form == "function" for act in wanted):
        _check_functions(patient, trace)
    for act in wanted:
        _put(patient, act, kind, settings)
    if weights == CRITICAL:
        known = {"init": 0.25} if kind == "prelu" else settings
        draw_around(patient, trace, {act.key: (kind, tuple(sorted(known.items()))) for act in wanted})


def _hidden(patient: Patient, trace: Trace) -> list[Activation]:
    """Chosen activations that a layer of weights reads and that gate nothing; the others are told as kept."""
    out = []
    for act in trace.activations.values():
        if not patient.chosen(act.host):
            continue
        reason = ""
        if GATE in act.feeds:
            reason = "gates another signal"
        elif not any(path in trace.follows for path in act.feeds):
            reason = "no layer of weights reads it"
        elif act.form == "function" and act.kind.startswith("scaled"):
            reason = "its input is scaled by a number"
        if not reason:
            out.append(act)
        elif not any(c.site == act.site for c in patient.changes):
            patient.note(act.site, "kept", reason, reason)
    return out


def _check_functions(patient: Patient, trace: Trace) -> None:
    """Functions are exchanged by hooks, which some networks would pass by without a word."""
    if trace.checkpointed:
        raise patient.refuse(
            "it calls activations as functions and computes parts again by torch.utils.checkpoint, where an exchange "
            "would not be in place. Write the activations as modules (nn.ReLU()), or leave checkpointing off."
        )
    handed = patient.model if patient.handed is None else patient.handed
    check_not_compiled(handed, patient.prescription.cure)


def _put(patient: Patient, act: Activation, kind: str, settings: dict[str, Scalar]) -> None:
    beside = parameter_beside(patient.model, act.follows)
    if act.form == "function":
        patient.do(exchange_function, act.host, act.number, kind, dict(settings), beside)
    else:
        module = patient.model.get_submodule(act.host)
        paths = [path for path, m in patient.model.named_modules(remove_duplicate=False) if m is module]
        patient.do(exchange_module, tuple(paths), kind, dict(settings), beside)
    patient.note(act.site, "activation", _named(act.kind, act.args), _named(kind, settings))


def _named(kind: str, settings: dict[str, Scalar]) -> str:
    inner = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in settings.items())
    return f"{kind}({inner})" if inner else kind
