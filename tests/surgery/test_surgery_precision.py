"""Networks in bfloat16, in float16, and under autocast: new parts have the network's format, and it trains."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import inputs, lab

from gradiometer.records import Prescription
from gradiometer.surgery import apply

CURES = (
    *("batchnorm", "layernorm", "rmsnorm", "weight-standardise", "skip", "rezero", "skipinit", "highway", "cross"),
    *("dense", "low-rank", "auxiliary-heads", "mean-reduction", "standardise-inputs", "clip", "layerwise-rate"),
)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch on its RMSNorm under autocast
@pytest.mark.parametrize("form", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("cure", CURES)
def test_new_parts_have_the_format_of_the_network(cure: str, form: torch.dtype) -> None:
    model = lab("plain", depth=4, width=8, activation="tanh").to(form)
    x = inputs(model)
    y = torch.randint(0, 10, (len(x),), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    apply(model, Prescription(cure), optimizer, x)
    assert {p.dtype for p in model.parameters()} == {form}
    before = [p.detach().clone() for p in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=form == torch.float32):
            out = model(x)
            loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert any(not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
