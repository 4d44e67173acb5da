"""Auxiliary heads: gradients as of the losses summed by hand, the printed loss as it was, undo, what is refused."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import check_checkpoints, check_copies, check_patch, check_undo, inputs, lab
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradiometer.records import ModelError, Prescription
from gradiometer.surgery import apply

CURE = Prescription("auxiliary-heads", {"weight": 0.5})
NETWORKS = [("plain", "sigmoid"), ("plain", "relu"), ("cnn", "tanh")]


def build(network: str, activation: str, depth: int = 5) -> Any:
    return lab(network, activation=activation, init="torch", depth=depth, width=8)


def data(model: nn.Module, kind: str) -> tuple[Tensor, Tensor]:
    x = inputs(model)
    numbers = torch.Generator().manual_seed(7)
    if kind == "class":
        return x, torch.randint(0, 10, (len(x),), generator=numbers)
    return x, torch.randn(len(x), 10, generator=numbers, dtype=x.dtype)


def by_hand(model: Any, layers: str, x: Tensor, y: Tensor, criterion: Any) -> Tensor:
    """The network's loss and half of each head's, with the heads called here."""
    seen: list[Tensor] = []
    handles = [
        block.get_submodule(layers).register_forward_hook(
            lambda module, args, out: seen.append(out) if hasattr(module, "gm_head") else None
        )
        for block in model.blocks
    ]
    model.eval()  # without the cure's own addition
    total = criterion(model(x), y)
    model.train()
    for handle in handles:
        handle.remove()
    hosts = [block.get_submodule(layers) for block in model.blocks if hasattr(block.get_submodule(layers), "gm_head")]
    for host, z in zip(hosts, seen, strict=True):
        total = total + 0.5 * criterion(host.gm_head(z.flatten(2).mean(2) if z.dim() > 2 else z), y)
    assert hosts
    return total


def gradients(model: nn.Module, value: Tensor) -> list[Tensor]:
    model.zero_grad()
    value.backward()
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
@pytest.mark.parametrize(
    ("kind", "criterion"),
    [("class", nn.CrossEntropyLoss(label_smoothing=0.1)), ("real", F.mse_loss), ("class", nn.CrossEntropyLoss())],
)
def test_the_error_is_that_of_the_losses_summed_by_hand(
    network: str, activation: str, kind: str, criterion: Any
) -> None:
    model, plain = build(network, activation), build(network, activation)
    x, y = data(model, kind)
    receipt = apply(model, CURE, None, (x, y), lambda m, b: criterion(m(b[0]), b[1]))
    assert len(receipt.changes) == (3 if network == "cnn" else 2)
    value = criterion(model(x), y)
    assert torch.equal(value, criterion(plain(x), y))  # as it is printed
    mine = gradients(model, value)
    theirs = gradients(model, by_hand(model, "conv" if network == "cnn" else "linear", x, y, criterion))
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-14) for a, b in zip(mine, theirs, strict=True))
    model.training = False  # its parts still train
    assert type(model(x)) is Tensor
    model.eval()
    assert type(model(x)) is Tensor
    assert torch.equal(model(x), plain(x))


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
def test_the_error_of_the_first_layer_does_not_fall_with_the_depth(network: str, activation: str) -> None:
    shares = []
    for cured in (False, True):
        model = build(network, activation, depth=12)
        x, y = data(model, "class")
        if cured:
            apply(model, Prescription("auxiliary-heads", {"weight": 1.0}), batch=x)
        name = "conv" if network == "cnn" else "linear"
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        first, last = (model.blocks[at].get_submodule(name).weight.grad.norm() for at in (0, 11))
        shares.append(math.log10(float(first / last)))
    # plain: √χ^11 is −9.3 decades for sigmoid (.141) in the error. With heads: one hop, and a head on the next layer.
    hop = {"sigmoid": 0.141, "relu": 0.408, "tanh": 0.577}[activation]
    assert shares[1] > math.log10(hop) - 0.7
    if activation == "sigmoid":
        assert shares[0] < -6


def test_accumulation_and_a_loss_scale_pass_through() -> None:
    model = build("plain", "relu")
    x, y = data(model, "class")
    apply(model, CURE, batch=x)
    once = gradients(model, F.cross_entropy(model(x), y))
    model.zero_grad()
    for part, target in zip(x.chunk(4), y.chunk(4), strict=True):
        (F.cross_entropy(model(part), target) / 4 * 1024.0).backward()
    assert all(torch.allclose(p.grad / 1024, g, rtol=1e-9) for p, g in zip(model.parameters(), once, strict=True))


@pytest.mark.parametrize(("network", "activation"), NETWORKS)
def test_what_holds_for_every_cure(network: str, activation: str) -> None:
    def make() -> nn.Module:
        return build(network, activation)

    x = inputs(make())
    check_undo(make, CURE, x)
    check_copies(make, CURE, x)
    check_patch(make, CURE, x)
    check_checkpoints(make, CURE, x)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    apply(model, CURE, optimizer, x)
    before = [p.detach().clone() for p in model.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), data(model, "class")[1]).backward()
        optimizer.step()
    assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_a_copy_has_heads_of_its_own() -> None:
    model = build("plain", "relu")
    x, y = data(model, "class")
    apply(model, CURE, batch=x)
    other = copy.deepcopy(model)
    mine = gradients(model, F.cross_entropy(model(x), y))
    theirs = gradients(other, F.cross_entropy(other(x), y))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_checkpointing_gives_the_same_gradients_or_an_error() -> None:
    grads = []
    for saved in (False, True):
        model = build("plain", "relu")
        x, y = data(model, "class")
        apply(model, CURE, batch=x)
        if saved:
            for block in model.blocks:
                inside = block.forward
                block.forward = lambda x, f=inside: checkpoint(f, x, use_reentrant=False)
        grads.append(gradients(model, F.cross_entropy(model(x), y)))
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
    for block in model.blocks:
        inside = block.forward
        block.forward = lambda x, f=inside: checkpoint(f, x, use_reentrant=True)
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        model(x.requires_grad_())


def test_activations_in_place_do_not_spoil_the_heads() -> None:
    torch.manual_seed(0)
    parts = [m for _ in range(4) for m in (nn.Linear(6, 6), nn.ReLU(inplace=True))]
    model = nn.Sequential(*parts, nn.Linear(6, 3))
    x, y = torch.randn(8, 6), torch.randint(0, 3, (8,))
    apply(model, CURE, None, (x, y), lambda m, b: F.cross_entropy(m(b[0]), b[1]))
    F.cross_entropy(model(x), y).backward()
    assert model[2].gm_head.weight.grad is not None


def test_what_is_refused() -> None:
    model = build("plain", "relu")
    x, y = data(model, "class")
    with pytest.raises(ModelError, match="none of torch's losses on the output as it is"):
        apply(model, CURE, None, (x, y), lambda m, b: (m(b[0]) + 1).square().mean())
    squashed = nn.Sequential(*(nn.Linear(64, 64) for _ in range(4)), nn.Softmax(1))
    with pytest.raises(ModelError, match="its output comes from softmax"):
        apply(squashed, CURE, batch=x.float())
    with pytest.raises(ModelError, match="only 1 layers of its trunk"):
        apply(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), CURE, batch=x.float())
    apply(model, Prescription("mean-reduction"), batch=x)
    with pytest.raises(ModelError, match="another cure changes its output"):
        apply(model, CURE, batch=x)
    model = build("plain", "relu")
    apply(model, CURE, batch=x)
    with pytest.raises(ModelError, match="auxiliary heads were put in"):
        apply(model, Prescription("mean-reduction"), batch=x)
