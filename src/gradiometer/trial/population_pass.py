"""One pass of all members of a population, and its rehearsal against the passes of single members."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from gradiometer.records import ModelError
from gradiometer.session import Setup

from .population_feeds import Stacked
from .population_pieces import Together
from .population_refusals import Entered, PopulationError

AGREE = 1e-3
"""Of the norm of a member's gradient: further off than this is another computation, not another order of additions.
Single precision leaves 1e-6 to 1e-5 in one pass of the networks of the tests."""
SMALLEST = 1e-30
"""Norms below it are not compared: what is left there depends on how denormal numbers are treated."""
_PLAIN = (bool, int, float, str, type(None), tuple)


Way = Literal["plain", "layered", "looped"]
"""How a pass is vectorised, in the order in which it is tried. vmap knows GRU, LSTM and others only by their parts, and
sees these where a layer of torch.func.vjp lies between: "layered", at the cost of a second graph. "looped": an
operation that it knows neither way is run member by member, within the pass."""
_LOOPS = "There is a performance drop"  # torch's warning that an operation is looped over


class Asked(nn.Module):
    """A network together with what is asked of it: ``ask(model, batch)`` as a forward pass.

    way: how the pass is vectorised; ``rehearse`` finds it.
    """

    way: Way = "plain"

    def __init__(self, model: nn.Module, ask: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.training = model.training
        self.model = model
        self._asking = (ask,)  # in a tuple: a loss that is a module is not a part of the network

    def forward(self, batch: Any) -> Tensor:
        return self._asking[0](self.model, batch)


def asked_all(ask: Asked, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor], seen: Stacked) -> Tensor:
    """What each row answers [row]. Buffers [row, ...] change in place as the forward pass changes them."""
    state = {f"model.{name}": value for name, value in (*params.items(), *buffers.items())}

    def one(state: dict[str, Tensor], batch: Any) -> Any:
        return functional_call(ask, state, (batch,))

    def layered(state: dict[str, Tensor], batch: Any) -> Any:
        trained = {name: state[name] for name in state if name.removeprefix("model.") in params}
        return vjp(lambda floats: one({**state, **floats}, batch), trained)[0]

    whole = vmap(layered if ask.way == "layered" else one, in_dims=(0, seen.axes), randomness="error")
    with _in_parts[ask.way](), sdpa_kernel(SDPBackend.MATH):  # attention by its parts too
        told: Tensor = whole(state, seen.batch)
    return told


@contextmanager
def _loops_allowed() -> Iterator[None]:
    """torch's warning that it loops is told once, by ``Asked.way``, and not in every step."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_LOOPS)
        yield


@contextmanager
def _no_single_piece() -> Iterator[None]:
    """Without oneDNN, whose LSTM is one piece that has no parts; torch warns of Intel GPUs when that is switched."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


_in_parts: dict[Way, Callable[[], AbstractContextManager[Any]]] = {
    "plain": Together,
    "layered": _no_single_piece,
    "looped": _loops_allowed,
}


def plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Numbers, words and the like that a module holds by itself: a forward pass may count in them."""
    return {name: value for name, value in vars(module).items() if isinstance(value, _PLAIN)}


State = tuple[dict[str, Tensor], dict[str, Tensor], Sequence[str]]
"""Copies of parameters and buffers [row, ...], and the names of the parameters that are trained."""


def rehearse(ask: Asked, setups: Sequence[Setup], state: State, seen: Stacked) -> None:
    """One pass of some rows beside the passes of the first and the last of them alone; nothing stays changed.

    Raises PopulationError where the pass cannot be vectorised, or gives another loss or gradient; ModelError where
    the loss is no scalar that depends on the parameters; what a member raises by itself comes through.
    """
    params, buffers, owned = state
    with _nothing_drawn():
        alone = {row: _alone(setups[row], owned, _row(seen, row)) for row in sorted({0, len(setups) - 1})}
        losses, grads = _vectorised(ask, params, buffers, owned, seen)
    for row, (loss, own) in alone.items():
        told = [(losses[row].reshape(1), loss.reshape(1))]
        told += [(grads[name][row], own[name]) for name in own if name in grads]
        if set(own) != set(grads) or not _agree(told[:1]) or not _agree(told[1:]):
            raise PopulationError(
                "",
                "a pass of all members gives another loss or gradient than a member gives by itself (does it use a "
                "tensor that is no parameter or buffer, or draw random numbers?)",
            )


def _alone(setup: Setup, owned: Sequence[str], batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradient of one member by plain autograd; its buffers are put back."""
    named = dict(setup.model.named_parameters())
    with unchanged(setup.model):
        loss = setup.loss(setup.model, batch)
        if not _trains(loss):
            raise ModelError(
                "loss(model, batch) does not return a scalar tensor that depends on the parameters. Return the loss "
                "itself: one number, not detached."
            )
        return loss.detach(), _gradients(loss, [named[name] for name in owned], owned)


def _trains(loss: object) -> bool:
    return isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad


def present(names: Sequence[str], grads: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """Gradients by name, without those that there are none of."""
    return {name: grad for name, grad in zip(names, grads, strict=True) if grad is not None}


def _vectorised(
    ask: Asked, params: dict[str, Tensor], buffers: Mapping[str, Tensor], owned: Sequence[str], seen: Stacked
) -> tuple[Tensor, dict[str, Tensor]]:
    leaves = [params[name].requires_grad_() for name in owned]
    losses = _first_that_works(ask, params, buffers, seen)
    return losses.detach(), _gradients(losses.sum(), leaves, owned)


def _gradients(loss: Tensor, leaves: Sequence[Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    try:
        return present(names, torch.autograd.grad(loss, leaves, allow_unused=True))
    except Exception as error:
        raise PopulationError("", f"its backward pass cannot be shared (checkpoint?): {_said(error)}") from error


def _first_that_works(ask: Asked, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor], seen: Stacked) -> Tensor:
    """Losses [row] of a pass, and the way in which it could be made noted in ``ask``."""
    errors: list[tuple[Way, Exception]] = []
    for way in get_args(Way):
        ask.way = way
        try:
            with unchanged(ask.model), warnings.catch_warnings():
                warnings.filterwarnings("error", message=_LOOPS)
                return asked_all(ask, params, {name: value.clone() for name, value in buffers.items()}, seen)
        except Exception as error:
            errors.append((way, error))
    ask.way, first = errors[0]
    raise PopulationError(
        _culprit(ask, params, buffers, seen), f"torch.func.vmap cannot take it ({_said(first)})"
    ) from first


def _culprit(ask: Asked, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor], seen: Stacked) -> str:
    """The path of the module in which the pass fails, found by a second one; "" where it is in none."""
    entered = Entered()
    with unchanged(ask.model), entered.watching(ask.model):
        try:
            asked_all(ask, params, buffers, seen)
        except Exception:
            return entered.paths[-1] if entered.paths else ""
    return ""


def _said(error: Exception) -> str:
    """The first sentence of what torch says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0].rstrip(".")


def _agree(pairs: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether two lists of tensors agree within ``AGREE`` of the second's norm; two that are not finite agree."""
    if not pairs:
        return True
    far = torch.stack([(a.double() - b.double()).square().sum() for a, b in pairs]).sum().sqrt()
    size = torch.stack([b.double().square().sum() for _, b in pairs]).sum().sqrt()
    share = max(AGREE, 16 * torch.finfo(pairs[0][1].dtype).eps)  # half precision has a coarser grain
    if not torch.isfinite(size):
        return not torch.isfinite(torch.stack([a.double().square().sum() for a, _ in pairs]).sum())
    return bool(far <= share * size + SMALLEST)


def _row(seen: Stacked, row: int) -> Any:
    leaves, spec = pytree.tree_flatten(seen.batch)
    axes = pytree.tree_leaves(seen.axes)
    return pytree.tree_unflatten([v if a is None else v[row] for v, a in zip(leaves, axes, strict=True)], spec)


@contextmanager
def _nothing_drawn() -> Iterator[None]:
    """The global generators are put back."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Buffers, modes, and what modules count in plain attributes, are put back: what goes on inside is no step."""
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    held = [(module, plain_attributes(module)) for module in model.modules()]
    try:
        yield
    finally:
        for module, plain in held:
            vars(module).update(plain)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
