"""Networks, figures and reasons that the tests of the causal tests share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradiometer as gm
from gradiometer.records import Run
from gradiometer.session import check_setup

Optim = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
WIDTH = 32


def sgd(lr: float) -> Optim:
    return lambda ps: torch.optim.SGD(ps, lr=lr)


def classes() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    x = torch.randn(128, WIDTH)
    return x, x[:, :4].argmax(dim=1)


def entropy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def plain_mlp(act: type[nn.Module], depth: int, gain: float | None = None) -> nn.Sequential:
    """depth hidden layers; gain: Var W = gain² / width with zero biases, torch's own where None."""
    torch.manual_seed(0)
    layers = [module for _ in range(depth) for module in (nn.Linear(WIDTH, WIDTH), act())]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 4))
    for module in model:
        if gain is not None and isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=gain / WIDTH**0.5)
            nn.init.zeros_(module.bias)
    return model


HE, XAVIER = 2**0.5, 1.0


def figures(run: Run) -> dict[str, float]:
    return {e.kind: e.value for e in run.events}


def reason(run: Run) -> str:
    (event,) = [e for e in run.events if e.kind.startswith("causal")]
    assert event.kind == "causal_not_made"
    return event.detail


def checked(model: nn.Module, make: Optim, loss: Callable[..., Tensor] = entropy) -> Run:
    return check_setup(gm.Setup(model, [classes()], loss, make(list(model.parameters()))), causal=True)
