"""Everything that can be put together builds, trains three steps, and is measured; the rest says why not."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gradiometer.lab import Form, Recipe, build_network
from gradiometer.lab.menu_networks import ACTIVATIONS, INITS, NETWORKS, NORMS
from gradiometer.lab.networks.base import Outputs
from gradiometer.lab.networks.build import Ports
from gradiometer.lab.refusals import refusal
from gradiometer.quantities import profile
from gradiometer.records import UserError
from gradiometer.session import Options, start

pytestmark = [pytest.mark.torch, pytest.mark.slow]

SHAPES: dict[Form, tuple[int, ...]] = {"vector": (6,), "grid": (1, 4), "sequence": (3, 4)}
N_OUT, EXAMPLES, STEPS, LR = 3, 32, 3, 1e-3
ALL_NETWORKS = tuple(NETWORKS)


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """A watch looks once at every object of the process for optimizers. What stands before these tests holds none, so
    it is put out of the collector's sight: some thousand sessions then take seconds and not minutes."""
    for network in ("plain", "lstm", "transformer-pre"):
        assert complaint(recipe(network)) == ""  # loads what torch loads at first use
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def recipe(network: str, activation: str = "relu", init: str = "torch", norm: str = "none") -> Recipe:
    return Recipe(network=network, activation=activation, init=init, norm=norm, depth=2, width=4)


def ports(network: str) -> Ports:
    return Ports(SHAPES[NETWORKS[network].forms[0]], N_OUT)


def complaint(asked: Recipe) -> str:
    """What is wrong with the network of a recipe; "" where it builds, trains and has a finite profile."""
    return trouble(build_network(asked, ports(asked.network)), SHAPES[NETWORKS[asked.network].forms[0]])


def trouble(network: nn.Module, shape: tuple[int, ...]) -> str:
    """Three steps on random numbers under a watch that records the first of them."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(EXAMPLES, *shape, generator=draws)
    y = torch.randint(N_OUT, (EXAMPLES,), generator=draws)
    optimizer = torch.optim.SGD(network.parameters(), LR)
    session = start(Options(keep_file=False, every=STEPS + 1))
    try:
        losses = [step(network, optimizer, x, y) for _ in range(STEPS)]
    finally:
        run = session.stop("finished")
    if session.warnings or run is None:
        return f"the watch says {session.warnings}"
    if not np.isfinite(losses).all():
        return f"losses {losses}"
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        return "a weight that is not finite"
    seen = profile(run)
    if len(seen.stations) < 3:
        return f"a trunk of {seen.stations}"
    for name in ("error_decades", "activation_decades", "elasticity_decades"):
        if not np.isfinite(getattr(seen, name)).all():
            return f"{name} {getattr(seen, name)} at {seen.stations}"
    return ""


def step(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    optimizer.zero_grad()
    out = network(x)
    outputs = (out.main, *out.auxiliary) if isinstance(out, Outputs) else (out,)
    loss = torch.stack([nn.functional.cross_entropy(o, y) for o in outputs]).sum()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("network", ALL_NETWORKS)
def test_what_is_offered_builds_trains_and_is_measured_and_the_rest_says_why_not(network: str) -> None:
    asked = [recipe(network, activation, init) for activation in ACTIVATIONS for init in INITS]
    asked += [recipe(network, norm=norm) for norm in NORMS]
    failed, offered = [], 0
    for one in asked:
        told = refusal(one.network, one.activation, one.init, one.norm)
        if told:
            with pytest.raises(UserError) as caught:
                build_network(one, ports(network))
            assert str(caught.value) == told
            continue
        offered += 1
        found = complaint(one)
        if found:
            failed.append(f"{one.activation} {one.init} {one.norm}: {found}")
    assert failed == []
    assert offered >= len(INITS) - 2, "a network that is hardly offered is not tested"


def test_a_network_whose_error_dies_is_seen() -> None:
    flat = build_network(recipe("plain", "hardtanh"), ports("plain"))
    with torch.no_grad():
        for block in flat.blocks:
            block.linear.bias.fill_(1e3)
    assert "error_decades" in trouble(flat, SHAPES["vector"])


def test_a_network_that_diverges_is_seen() -> None:
    huge = build_network(recipe("plain"), ports("plain"))
    with torch.no_grad():
        for p in huge.parameters():
            p.mul_(1e30)
    assert trouble(huge, SHAPES["vector"]) != ""
