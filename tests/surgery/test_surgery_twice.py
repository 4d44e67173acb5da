"""One cure on top of another: what would be put in twice is refused, and the rest is undone in turn."""

from __future__ import annotations

import pytest
import torch
from surgery_checks import inputs, lab, step
from surgery_state import whole
from torch import nn

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

ONCE = [
    ("plain", Prescription("batchnorm")),
    ("plain", Prescription("layernorm")),
    ("preact", Prescription("rmsnorm")),
    ("plain", Prescription("weight-standardise")),
    ("plain", Prescription("skip")),
    ("plain", Prescription("rezero")),
    ("residual", Prescription("rezero")),
    ("residual", Prescription("branch-scale")),
    ("plain", Prescription("highway")),
    ("plain", Prescription("dense")),
    ("plain", Prescription("cross")),
    ("plain", Prescription("low-rank")),
    ("cnn", Prescription("separable")),
    ("plain", Prescription("auxiliary-heads")),
    ("plain", Prescription("mean-reduction")),
    ("plain", Prescription("standardise-inputs")),
    ("plain", Prescription("standardise-targets", {"mean": 1.0, "std": 2.0})),
]


@pytest.mark.parametrize(("network", "cure"), ONCE, ids=lambda v: v if isinstance(v, str) else v.cure)
def test_nothing_is_put_in_twice(network: str, cure: Prescription) -> None:
    model = lab(network, activation="tanh", depth=4, width=8)
    x = inputs(model)
    apply(model, cure, batch=x)
    before = whole(model)
    with pytest.raises(ModelError, match=f"{cure.cure} cannot be applied"):
        apply(model, cure, batch=x)
    assert whole(model) == before


@pytest.mark.parametrize(
    "cures",
    [
        ("batchnorm", "skip", "adam", "clip"),
        ("skip", "layernorm", "lower-lr"),
        ("low-rank", "highway", "momentum", "warm-up"),
        ("standardise-inputs", "auxiliary-heads", "rezero", "layerwise-rate"),
        ("weight-standardise", "dense", "adagrad"),
    ],
)
def test_several_cures_train_and_are_undone_in_turn(cures: tuple[str, ...]) -> None:
    model = lab("plain", activation="tanh", depth=5, width=12)
    x = inputs(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    states, receipts = [], []
    for cure in cures:
        states.append(whole(model, optimizer))
        receipts.append(apply(model, Prescription(cure), optimizer, x))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert held == {id(p) for p in model.parameters()}
    for receipt, state in zip(receipts[::-1], states[::-1], strict=True):
        receipt.undo()
        assert whole(model, optimizer) == state
    for cure in cures:
        apply(model, Prescription(cure), optimizer, x)
    for _ in range(3):
        step(model, optimizer, x)
    idle = "linear.bias" if cures[0] == "batchnorm" else "-"  # the mean over the batch takes it out again
    still = [n for n, p in model.named_parameters() if n in before and torch.equal(p, before[n]) and idle not in n]
    assert not still
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("cure", ["skip", "standardise-inputs", "dense", "auxiliary-heads"])
def test_a_patch_with_many_layers_keeps_to_its_width(cure: str) -> None:
    model = lab("plain", depth=20, width=6)
    text = apply(model, Prescription(cure), batch=inputs(model)).as_patch()
    assert max(map(len, text.splitlines())) <= 120
    compile(text, "patch", "exec")


@pytest.mark.parametrize("cure", ["skip", "layernorm", "weight-standardise", "low-rank", "mean-reduction"])
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # both are torch's own,
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # while it traces
def test_a_network_that_ran_compiled_beside_is_not_left_behind(cure: str) -> None:
    model = lab("plain", depth=3, width=12).float()
    x = inputs(model)
    compiled = torch.compile(model, backend="eager")
    plain = compiled(x).detach()

    def bias(network: nn.Module) -> torch.Tensor:
        model.zero_grad()
        network(x).sum().backward()
        return model.head.bias.grad

    receipt = apply(model, Prescription(cure), batch=x)
    assert torch.allclose(compiled(x), model(x), atol=1e-6)
    assert torch.allclose(bias(compiled), bias(model))
    receipt.undo()
    assert torch.equal(compiled(x), plain)
