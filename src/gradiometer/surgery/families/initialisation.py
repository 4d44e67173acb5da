"""Weights drawn anew: other variances, other spectra."""

from __future__ import annotations

from ..drawing import draw_layer
from ..layers import weight_layers
from ..patient import Patient
from ..registry import operation


@operation("orthogonal")
def orthogonal(patient: Patient) -> None:
    """Orthogonal weights of the variance that each layer has; biases stay."""
    for layer in weight_layers(patient):
        patient.do(draw_layer, layer.path, "orthogonal", layer.std, None)
        patient.note(f"{layer.path}.weight", "spectrum", f"std {layer.std:.4g}", f"orthogonal, std {layer.std:.4g}")
