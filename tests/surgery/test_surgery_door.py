"""``gm.cure``: how it is called, where the patch says that it belongs, and networks of other makes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_gain import Functional, batch_for, check_surgery, lab
from surgery_state import whole
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import ModelError, Receipt, UserError

X = torch.randn(16, 8, generator=torch.Generator().manual_seed(5))


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 2))


def test_the_receipt_says_what_was_changed_and_where_the_patch_belongs() -> None:
    model = network()
    receipt = gm.cure(model, "leaky", batch=X, slope=0.1, seed=4)
    assert isinstance(receipt.record, Receipt)
    assert receipt.prescription.params == {"slope": 0.1, "seed": 4}
    first = receipt.changes[0]
    assert (first.site, first.what, first.before, first.after) == (
        "1",
        "activation",
        "sigmoid",
        "leaky_relu(negative_slope=0.1)",
    )
    head = " ".join(line.removeprefix("# ") for line in receipt.as_patch().splitlines() if line.startswith("#"))
    assert "before the optimizer is built: in place of test_surgery_door.py, line " in head
    assert "manual_seed(4)" in receipt.as_patch()
    title, exchanged, *drawn = str(receipt).splitlines()
    assert title == f"leaky: leaky ReLU, slope 0.2, {len(receipt.changes)} changes"
    assert " ".join(exchanged.split()) == "1 activation sigmoid -> leaky_relu(negative_slope=0.1)"
    assert len(drawn) == len(receipt.changes) - 1 and all(" -> " in line for line in drawn)


@pytest.mark.parametrize(
    ("batch", "loss"),
    [
        ((X, torch.zeros(16)), None),
        ({"input": X}, None),
        ({"x": X, "y": 0}, lambda model, batch: model(batch["x"]).square().mean()),
    ],
)
def test_the_ways_to_say_how_the_network_is_called(batch: Any, loss: Any) -> None:
    model, twin = network(), network()
    gm.cure(model, "critical", batch=batch, loss=loss)
    gm.cure(twin, "critical", batch=X)
    assert torch.equal(model[0].weight, twin[0].weight)


def test_batches_that_cannot_be_run() -> None:
    model = network()
    before = whole(model)
    with pytest.raises(UserError, match="`batch` is a int"):
        gm.cure(model, "critical", batch=3)
    with pytest.raises(ModelError, match=r"could not be run on the batch: the network raised RuntimeError"):
        gm.cure(model, "critical", batch=X[:, :3])
    with pytest.raises(ModelError, match=r"loss\(model, batch\) raised KeyError"):
        gm.cure(model, "critical", batch={}, loss=lambda model, batch: model(batch["x"]))
    assert whole(model) == before


def test_a_batch_of_zeros_leaves_no_choice_for_the_first_layer() -> None:
    model = network()
    receipt = gm.cure(model, "critical", batch=torch.zeros(4, 8))
    kept = [c for c in receipt.changes if c.what == "kept"]
    assert [c.site for c in kept] == ["0.weight"]
    assert "mean square of 0" in kept[0].after


def test_frozen_and_tied_weights_stay() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.inner, self.frozen = nn.Embedding(10, 8), nn.Linear(8, 8), nn.Linear(8, 8)
            self.head = nn.Linear(8, 10, bias=False)
            self.head.weight = self.words.weight
            self.frozen.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.frozen(torch.relu(self.inner(self.words(x))))))

    model = Tied()
    kept = {n: p.detach().clone() for n, p in model.named_parameters()}
    receipt = gm.cure(model, "he", batch=torch.arange(10))
    assert {c.site: c.after for c in receipt.changes if c.what == "kept"} == {
        "frozen.weight": "frozen",
        "head.weight": "shared with words.weight",
    }
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, kept[n])}
    assert moved == {"inner.weight", "inner.bias"}


class Sampled(nn.Module):
    """A code drawn around a mean, behind a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.memory, self.mean, self.out = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean(self.memory(x)[0][:, -1])
        return self.out(torch.relu(mean + torch.randn_like(mean)))


def test_what_reads_only_the_shape_ends_nothing_and_recurrent_weights_are_told_as_kept() -> None:
    model = Sampled()
    kept = model.memory.weight_hh_l0.detach().clone()
    receipt = gm.cure(model, "critical", batch=X.view(4, 4, 8))
    assert {c.site: c.what for c in receipt.changes} == {"memory": "kept", "mean.weight": "std", "out.weight": "std"}
    assert torch.equal(model.memory.weight_hh_l0, kept)


def test_a_parametrized_weight_is_set_through_its_parametrization() -> None:
    def make() -> nn.Module:
        torch.manual_seed(0)
        norm = nn.utils.parametrizations.weight_norm
        return nn.Sequential(norm(nn.Linear(8, 200)), nn.ReLU(), norm(nn.Linear(200, 2)))

    model = make()
    gm.cure(model, "he", batch=X)
    assert float(model[0].weight.detach().std()) == pytest.approx(math.sqrt(2 / 8), rel=0.05)
    check_surgery(make(), "he", X)
    spectral = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(8, 200)), nn.ReLU(), nn.Linear(200, 2))
    before = whole(spectral)
    with pytest.raises(ModelError, match=r"0\.weight has a parametrization that sets its size"):
        gm.cure(spectral, "he", batch=X)
    assert whole(spectral) == before


def test_a_transformer_layer_also_on_its_fast_path() -> None:
    def make(activation: str) -> nn.TransformerEncoderLayer:
        return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, activation=activation)

    model, wanted = make("relu"), make("gelu")
    x = X.view(4, 4, 8)
    gm.cure(model, "gelu", batch=x, weights="keep")
    wanted.load_state_dict(model.state_dict())
    assert torch.allclose(model(x), wanted(x), atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(model.eval()(x), wanted.eval()(x), atol=1e-6)
    receipt = gm.cure(make("relu"), "critical", batch=x)
    assert {c.site: c.what for c in receipt.changes} == {
        "self_attn.out_proj.weight": "kept",
        "linear1.weight": "std",
        "linear2.weight": "std",
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_formats(dtype: torch.dtype) -> None:
    model = network().to(dtype)
    gm.cure(model, "prelu", batch=X.to(dtype))
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert model(X.to(dtype)).dtype == dtype


def test_a_compiled_network_takes_what_needs_no_hooks() -> None:
    model = network()
    model.compile(backend="eager")
    receipt = gm.cure(model, "relu", batch=X)
    assert isinstance(model[1], nn.ReLU)
    wanted = F.linear(F.relu(F.linear(X, model[0].weight, model[0].bias)), model[2].weight, model[2].bias)
    assert torch.allclose(model._call_impl(X), wanted)
    receipt.undo()
    assert isinstance(model[1], nn.Sigmoid)


@pytest.mark.parametrize("wrap", ["in place", "wrapper"])
def test_functions_of_a_compiled_network_are_refused_and_its_weights_are_not(wrap: str) -> None:
    model = Functional("sigmoid")
    x = batch_for(model)
    if wrap == "in place":
        model.compile(backend="eager")
    compiled = model if wrap == "in place" else torch.compile(model, backend="eager")
    before = whole(model)
    with pytest.raises(ModelError, match=r"(OptimizedModule|Functional) is compiled.*Cure the network first"):
        gm.cure(compiled, "relu", batch=x)
    assert whole(model) == before
    receipt = gm.cure(compiled, "critical", batch=x)
    assert receipt.changes[0].site == "blocks.0.weight"
    receipt.undo()
    assert whole(model) == before


def test_passes_leave_running_statistics_and_counters() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    gm.cure(model, "lsuv", batch=X)
    assert int(model[1].num_batches_tracked) == 0
    assert torch.equal(model[1].running_mean, torch.zeros(8))


@pytest.mark.parametrize("make", [lambda: lab("plain", "sigmoid"), lambda: Functional("sigmoid")])
def test_a_network_that_was_cured_twice_goes_back_in_two_steps(make: Any) -> None:
    model = make()
    x = batch_for(model)
    before = whole(model)
    first = gm.cure(model, "relu", batch=x)
    second = gm.cure(model, "tanh", batch=x)
    assert second.changes[0].before == "relu"
    second.undo()
    first.undo()
    assert whole(model) == before


def test_one_target_is_named_without_a_list() -> None:
    model, twin = network(), network()
    changes = gm.cure(model, "he", batch=X, targets="0").changes
    assert changes == gm.cure(twin, "he", batch=X, targets=["0"]).changes
    assert {change.site.partition(".")[0] for change in changes} == {"0"}
    with pytest.raises(UserError, match="no module 'inner'"):
        gm.cure(model, "he", batch=X, targets="inner")
