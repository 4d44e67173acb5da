"""Cured networks of equal structure as one population of torch.func: the gradients of each by itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from surgery_checks import inputs, lab
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from gradiometer.records import Prescription
from gradiometer.surgery import apply

PLAIN = (
    *("batchnorm", "layernorm", "rmsnorm", "weight-standardise", "skip", "rezero", "skipinit", "highway", "cross"),
    *("dense", "low-rank", "auxiliary-heads", "mean-reduction", "standardise-inputs"),
)
CURED: list[tuple[str, str, dict[str, Any]]] = [
    *(("plain", cure, {}) for cure in PLAIN),
    ("residual", "branch-scale", {}),
    ("cnn", "separable", {}),
    ("plain", "standardise-targets", {"std": 2.0}),
]


@pytest.mark.parametrize(("network", "cure", "settings"), CURED, ids=[cure for _, cure, _ in CURED])
def test_a_member_of_a_population_gets_its_own_gradient(network: str, cure: str, settings: dict[str, Any]) -> None:
    members = [lab(network, seed, depth=4, width=6, activation="tanh") for seed in range(3)]
    x = inputs(members[0])
    y = torch.randint(0, 10, (len(x),), generator=torch.Generator().manual_seed(1))
    for member in members:
        apply(member, Prescription(cure, settings), batch=x)
    base = copy.deepcopy(members[0])
    params, buffers = stack_module_state(members)

    def loss(p: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(functional_call(base, (p, b), (x,)), y)

    together = vmap(grad(loss))(params, buffers)
    for at, member in enumerate(members):
        F.cross_entropy(member(x), y).backward()
        for name, p in member.named_parameters():
            assert torch.allclose(together[name][at], p.grad, rtol=1e-10, atol=1e-15), name
