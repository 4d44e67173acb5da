"""What no surgery can be done on: said before anything is touched, with what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradiometer.records import ModelError, Prescription, UserError
from gradiometer.surgery import apply

CURE, X = Prescription("orthogonal"), torch.ones(2, 3)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)


class DistributedDataParallel(Wrapped):
    pass


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (nn.Sequential(nn.LazyLinear(3)), r"0\.weight has no shape yet .*Run the network once"),
        (nn.Linear(3, 3, device="meta"), "weight lies on the meta device"),
        (DistributedDataParallel(), "is wrapped already: cure the inner network"),
        (nn.ReLU(), "no linear or convolutional layer"),
        (nn.Sequential(nn.BatchNorm1d(3)), "no linear or convolutional layer"),
    ],
)
def test_networks_that_cannot_be_operated_on(model: nn.Module, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        apply(model, CURE, batch=X)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_module_is_refused() -> None:
    model = nn.Sequential(torch.jit.script(nn.Linear(3, 3)))
    with pytest.raises(ModelError, match="TorchScript"):
        apply(model, CURE, batch=X)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_that_a_hook_makes_are_refused() -> None:
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 3)))
    with pytest.raises(ModelError, match=r"0\.weight is made anew by a hook.*parametrizations\.weight_norm"):
        apply(model, CURE, batch=X)


def test_wrong_calls() -> None:
    model = nn.Linear(3, 3)
    with pytest.raises(UserError, match=r"no cure 'orthogonl'.*orthogonal"):
        apply(model, Prescription("orthogonl"))
    with pytest.raises(UserError, match="no setting 'gain'"):
        apply(model, Prescription("orthogonal", {"gain": 2.0}))
    with pytest.raises(UserError, match=r"seed='two'.*whole number"):
        apply(model, Prescription("orthogonal", {"seed": "two"}))
    with pytest.raises(UserError, match="orthogonal needs batch="):
        apply(model, CURE)
    with pytest.raises(UserError, match="got a dict as model"):
        apply({}, CURE)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="holds no parameter of this Linear"):
        apply(model, CURE, torch.optim.SGD(nn.Linear(3, 3).parameters(), lr=0.1))
    with pytest.raises(UserError, match=r"minimise is advice.*The edit: remove the minus"):
        apply(model, Prescription("minimise"))
    with pytest.raises(UserError, match=r"widen is an edit of the code.*The edit: "):
        apply(model, Prescription("widen"))
