"""Units that never fire on the batch get fresh incoming weights."""

from __future__ import annotations

from torch import Tensor, nn

from ...measurement.describe import RECTIFIERS
from ..drawing import redraw_units, set_bias
from ..layers import Layer, weight_layers
from ..passes import undisturbed
from ..patient import Patient
from ..registry import operation
from ..tracing import Trace, traced


@operation("reinit-dead", needs=("batch",))
def reinit_dead(patient: Patient) -> None:
    """Rows of variance 2/fan-in; the bias so that a unit fires for half of the inputs.

    Layer after layer, each looked at anew: what is revived below shifts what arrives above.
    """
    found = []
    for layer in weight_layers(patient):
        trace = traced(patient.model, patient.given_batch())
        units = _dead(trace, layer)
        if not units:
            continue
        found.append((layer, units))
        patient.do(redraw_units, layer.path, units, (2 / layer.fan_in) ** 0.5)
        if layer.has_bias and layer.path not in trace.normed:
            patient.do(set_bias, layer.path, units, tuple(-m for m in _medians(patient, layer, units)))
    if not found:
        raise patient.refuse("every unit before a rectifier fires for some example of this batch.")
    after = traced(patient.model, patient.given_batch())
    left = [len(_dead(after, layer)) for layer, _ in found]
    for (layer, units), still in zip(found, left, strict=True):
        patient.note(layer.path, "units that never fire", len(units), still)
    if left == [len(units) for _, units in found]:
        raise patient.refuse(
            "its dead units stay dead with fresh weights: what stands behind the layer holds them down. "
            "Look at the biases of the normalisation."
        )


def _dead(trace: Trace, layer: Layer) -> tuple[int, ...]:
    """Units of a layer that no example of the batch turned on, where a rectifier alone follows the layer."""
    follows = trace.follows.get(layer.path, set())
    acts = [trace.activations[key] for key in follows if key in trace.activations]
    if len(follows) != 1 or len(acts) != 1 or acts[0].kind not in RECTIFIERS:
        return ()
    firing = acts[0].firing.get(-1 if isinstance(layer.module, nn.Linear) else 1)
    units = layer.module.out_features if isinstance(layer.module, nn.Linear) else layer.module.out_channels
    if firing is None or firing.numel() != units:
        return ()
    return tuple((~firing.cpu()).nonzero().flatten().tolist())


def _medians(patient: Patient, layer: Layer, units: tuple[int, ...]) -> list[float]:
    """The median over the batch of what each of the units puts out."""
    found: list[Tensor] = []
    axis = -1 if isinstance(layer.module, nn.Linear) else 1

    def keep(module: nn.Module, args: object, out: Tensor) -> None:
        found.append(out.detach().movedim(axis, 0).flatten(1)[list(units)])

    with undisturbed(patient.model):
        layer.module.register_forward_hook(keep)
        patient.forward()
    return [float(values.float().median()) for values in found[0]]
