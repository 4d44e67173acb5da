"""A ruler judges what its loss was made for: shares of one, and no probabilities label by label."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gradiometer.records import Prescription
from gradiometer.surgery import apply
from gradiometer.trial.capture import Sample
from gradiometer.trial.ruler import IncomparableError, measure

X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]] * 4)


def shares(p: Tensor) -> Tensor:
    return -(LABELS * p.log()).sum(1).mean()


def squares(p: Tensor) -> Tensor:
    return F.mse_loss(p, LABELS)


@pytest.mark.parametrize(("loss", "judges"), [(shares, False), (squares, True)])
def test_probabilities_of_several_labels_are_no_shares(loss: Any, judges: bool) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    sample = Sample(0, (X,), {}, (0,), ((8, 3),), make_fx(loss)(torch.rand(8, 3)))  # as it is kept
    assert measure(model, [sample]) == pytest.approx(float(loss(model(X)).detach()))
    apply(model, Prescription("matching-loss"), batch=X)
    measure(model, [sample])  # no loss was computed yet, and nothing was changed
    loss(model(X)).backward()
    if judges:
        labels = torch.sigmoid(model[0](X))
        assert measure(model, [sample]) == pytest.approx(float(loss(labels).detach()))
    else:
        with pytest.raises(IncomparableError, match="each label's own probability"):
            measure(model, [sample])
