"""Targets standardised behind absolute errors: against the same loss of targets that are standardised by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import lab
from surgery_outputs import data, gradients, loss_of
from torch import nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply


@pytest.mark.parametrize(
    ("written", "standard"),
    [
        (F.l1_loss, F.l1_loss),
        (lambda out, y: (out - y).abs().sum(), lambda out, y: F.l1_loss(out, y, reduction="sum")),
        (F.smooth_l1_loss, lambda out, y: F.smooth_l1_loss(out, y, beta=1 / 600)),  # the bend in units of σ
        (nn.HuberLoss(), lambda out, y: 600 * F.huber_loss(out, y, delta=1 / 600)),
    ],
)
def test_targets_of_absolute_errors_are_standardised(written: Any, standard: Any) -> None:
    model, plain = (lab("plain", activation="tanh", depth=3, width=8) for _ in range(2))
    x, y = data(plain, "real")
    y = (y - y.mean()) / y.std(correction=0) * 600.0 + 5000.0
    receipt = apply(model, Prescription("standardise-targets"), None, (x, y), loss_of(written))
    assert "× 600 + 5e+03" in receipt.changes[0].after
    grads = [gradients(model, written(model(x), y)), gradients(plain, standard(plain(x), (y - 5000.0) / 600.0))]
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-9) for a, b in zip(*grads, strict=True))
    other = lab("plain", activation="tanh", depth=3, width=8)
    given = {"mean": 5000.0, "std": 600.0, "degree": 1}
    apply(other, Prescription("standardise-targets", given), batch=x)  # as a trial knows them from the diagnosis
    ours = gradients(other, written(other(x), y))
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-9) for a, b in zip(ours, grads[1], strict=True))
    with pytest.raises(ModelError, match="degree is 3"):
        apply(plain, Prescription("standardise-targets", {"degree": 3}), batch=x)
