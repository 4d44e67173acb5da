"""Freeze and rescue: does it matter that the early layers hardly move, and is it the size of their steps?

Three copies of a training take the same steps on one batch, with the same random numbers: a plain one; one in which
the early half is put back after each step; one in which every early layer steps as far as the late ones do.
"""

from __future__ import annotations

import copy
import inspect
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from ..diagnosis.causal import fell, freezing, rescuing
from ..diagnosis.reading import Reading
from ..measurement.tap import paused
from ..quantities import loss_seen
from ..records import Event, Network, Run

STEPS = 20  # of each arm: enough to leave the first transient of momentum, cheap enough to be done in passing
FACTOR_MAX = 1e6  # by which a step is raised at most: further down it is rounding
LEAST_LAYERS = 4  # below, the early half is one layer
LEAST_FALL = 1e-6  # of the first loss: a smaller fall is rounding, and nothing is divided by it

LossOf = Callable[[nn.Module], Tensor]


class NotMadeError(Exception):
    """The test cannot be made; the message says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Names of parameters. early: of each layer of the early half, its weight first; late: weights of the late third.

    frozen: everything in the early half, norms between its layers included. count: layers of weights on the trunk.
    """

    early: tuple[tuple[str, ...], ...]
    late: tuple[str, ...]
    frozen: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried: a model and the optimizers that own it, both copies, and its loss on one batch."""

    model: nn.Module
    optimizers: tuple[Optimizer, ...]
    loss_of: LossOf


@dataclass(frozen=True, slots=True)
class Arms:
    """The loss of each arm, before the first step and after each of them [STEPS + 1]."""

    plain: tuple[float, ...]
    frozen: tuple[float, ...]
    rescued: tuple[float, ...]


def _cuda_states() -> list[Tensor]:
    awake = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_rng_state_all() if awake else []


@dataclass(slots=True)
class Numbers:
    """The states of the random number generators: torch (CPU, CUDA), numpy, random."""

    torch_cpu: Tensor = field(default_factory=torch.get_rng_state)
    torch_cuda: list[Tensor] = field(default_factory=_cuda_states)
    arrays: Any = field(default_factory=np.random.get_state)
    plain: Any = field(default_factory=random.getstate)

    def put_back(self) -> None:
        """Make these the current ones."""
        torch.set_rng_state(self.torch_cpu)
        if self.torch_cuda:
            torch.cuda.set_rng_state_all(self.torch_cuda)
        np.random.set_state(self.arrays)
        random.setstate(self.plain)


@contextmanager
def numbers_kept() -> Iterator[None]:
    """The random number generators as they were, whatever happens inside; a CUDA that nobody uses stays asleep."""
    numbers = Numbers()
    try:
        yield
    finally:
        numbers.put_back()


Training = tuple[nn.Module, tuple[Optimizer, ...]]


class Stepping(Protocol):
    """What an arm does around one step."""

    def __call__(self, model: nn.Module, layers: Layers) -> AbstractContextManager[None]: ...


# ---- what is early -------------------------------------------------------------------------------------------------


def layers_of(run: Run, network: Network) -> Layers:
    """The trained layers of the trunk, split; NotMadeError where they are fewer than LEAST_LAYERS."""
    places: dict[str, int] = {}  # weight -> station; a weight that is used twice counts where it is nearest to the loss
    for station, weight in Reading(run, network).trained_weights:
        if not _holds_others(network, station):
            places.setdefault(weight, station)
    if len(places) < LEAST_LAYERS:
        raise NotMadeError(f"The trunk has fewer than {LEAST_LAYERS} trained layers of weights ({len(places)}).")
    weights = list(places)
    half, third = len(weights) // 2, max(1, len(weights) // 3)
    early = weights[-half:]
    late_names = {n for w in weights[:-half] for n in (w, *_beneath(network, places[w]))}
    own = {w: [n for n in _beneath(network, places[w]) if n not in late_names] for w in early}
    start = min(places[w] for w in early)
    frozen = {n for s in range(start, len(network.stations)) for n in _beneath(network, s)} | set(early)
    return Layers(
        early=tuple((w, *(n for n in own[w] if n != w)) for w in early),
        late=tuple(weights[:third]),
        frozen=tuple(sorted(frozen - late_names)),
        count=len(weights),
    )


def _path(network: Network, station: int) -> str:
    name = network.stations[station].split("#")[0]
    return "" if ":" in name else name


def _beneath(network: Network, station: int) -> list[str]:
    """Parameters of the module that stands at a station; none of the root's or a function's."""
    path = _path(network, station)
    return [p.name for p in network.params if path and p.requires_grad and p.name.startswith(f"{path}.")]


def _holds_others(network: Network, station: int) -> bool:
    """A container whose own modules stand on the trunk too: its weights are theirs."""
    path = _path(network, station)
    return any(s.startswith(f"{path}.") for s in network.stations) if path else True


# ---- copies --------------------------------------------------------------------------------------------------------


def copied_optimizer(optimizer: Optimizer, memo: dict[int, Any]) -> Optimizer:
    """A copy of an optimizer over the copies of its parameters that ``memo`` holds; whatever copying raises."""
    made = copy.deepcopy(optimizer, memo)
    for name, value in vars(optimizer).items():
        # torch leaves out attributes of its own (LBFGS needs them); a `step` that a scheduler wrapped stays out
        if name not in vars(made) and not callable(value):
            setattr(made, name, copy.deepcopy(value, memo))
    return made


def check_optimizer(optimizer: Optimizer) -> None:
    """NotMadeError where the optimizer asks for a closure."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if isinstance(optimizer, LBFGS) or (closure is not None and closure.default is inspect.Parameter.empty):
        raise NotMadeError(f"{type(optimizer).__name__} asks for the loss several times a step.")


def _copied(subject: Subject) -> Training:
    memo: dict[int, Any] = {}
    try:
        model = copy.deepcopy(subject.model, memo)
        return model, tuple(copied_optimizer(o, memo) for o in subject.optimizers)
    except Exception as error:
        raise NotMadeError(f"The network cannot be copied ({type(error).__name__}: {error}).") from error


# ---- the arms ------------------------------------------------------------------------------------------------------


def try_arms(subject: Subject, layers: Layers) -> Arms:
    """Train the three arms. Nothing outside the copies changes. NotMadeError where an arm cannot be trained.

    Random numbers: every arm begins with those that are current here, and they are put back.
    """
    for optimizer in subject.optimizers:
        check_optimizer(optimizer)
    with paused(), torch.inference_mode(False), torch.enable_grad():
        return Arms(
            plain=_trained(subject, layers, _plain),
            frozen=_trained(subject, layers, _frozen),
            rescued=_trained(subject, layers, _rescued),
        )


def _trained(subject: Subject, layers: Layers, stepping: Stepping) -> tuple[float, ...]:
    """The losses of one arm. An arm that ends in nan or inf has them: only what is made of them is not made."""
    with numbers_kept():
        model, optimizers = _copied(subject)
        losses = []
        for number in range(STEPS + 1):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = subject.loss_of(model)
            losses.append(float(loss.detach()))
            if number == STEPS or not math.isfinite(losses[-1]):
                break
            if not number:
                _check_leaves(model, loss)
            loss.backward()  # type: ignore[no-untyped-call]
            _check_gradients(model)
            with stepping(model, layers):
                for optimizer in optimizers:
                    optimizer.step()
        return tuple(losses)


def _check_leaves(model: nn.Module, loss: Tensor) -> None:
    """A backward pass would write gradients into weights that are no copies."""
    own = {id(p) for p in model.parameters()}
    seen: set[Any] = set()
    stack = [loss.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) not in own:
            raise NotMadeError("The loss depends on weights that are no part of the network.")
        stack.extend(n for n, _ in node.next_functions)


def _check_gradients(model: nn.Module) -> None:
    if any(p.grad is not None and p.grad.layout != torch.strided for p in model.parameters()):
        raise NotMadeError("The network has sparse gradients.")
    if any(getattr(p, "_local_tensor", None) is not None for p in model.parameters()):
        raise NotMadeError("The network is spread over several devices.")


def _plain(model: nn.Module, layers: Layers) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def _frozen(model: nn.Module, layers: Layers) -> Iterator[None]:
    """Every parameter of the early half is after the step what it was before, to the bit."""
    own = _parameters(model)
    before = [(own[n], own[n].detach().clone()) for n in layers.frozen]
    yield
    with torch.no_grad():
        for p, value in before:
            p.copy_(value)


@contextmanager
def _rescued(model: nn.Module, layers: Layers) -> Iterator[None]:
    """The step of each early layer, times min(r late / r early, FACTOR_MAX).

    Law: r = ‖ΔW‖/‖W‖ of this step; r late is the median over the late third. Early layers take their step from 0, so
    that a change below the rounding of W is not lost, and weight decay is not taken for a step. At r = 0 and where r
    is nan or inf: the step as it is. Source: theory of vanishing, (D) rescue test.
    """
    own = _parameters(model)
    late = [(own[n], own[n].detach().clone()) for n in layers.late]
    early = [[(own[n], own[n].detach().clone()) for n in names] for names in layers.early]
    with torch.no_grad():
        for p, _ in (pair for layer in early for pair in layer):
            p.zero_()
    yield
    with torch.no_grad():
        ratios = [_ratio(p - value, value) for p, value in late]
        there = statistics.median(ratios)
        for layer in early:
            factor = _factor(there, _ratio(*layer[0]))
            for p, value in layer:
                p.mul_(factor).add_(value)


def _factor(late: float, early: float) -> float:
    wanted = late / early if early > 0 else math.nan
    return min(wanted, FACTOR_MAX) if math.isfinite(wanted) else 1.0


def _ratio(change: Tensor, weight: Tensor) -> float:
    size = torch.linalg.vector_norm(weight, dtype=torch.float64)
    return float(torch.linalg.vector_norm(change.detach(), dtype=torch.float64) / size) if size > 0 else math.nan


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters(remove_duplicate=False))


# ---- what they say -------------------------------------------------------------------------------------------------


def causal_events(subject: Subject, run: Run, model: str) -> tuple[Event, ...]:
    """The test on one model of a run, as events of it; one that says why, where it is not made. Never raises."""
    try:
        layers = layers_of(run, run.network(model))
        arms = try_arms(subject, layers)
        return read_arms(arms, layers, _floor(run, model), model)
    except NotMadeError as reason:
        return (not_made(model, str(reason)),)
    except Exception as error:  # the script's own code, called once more than it knows of
        return (not_made(model, f"{type(error).__name__} in a copy of the training: {error}."),)


def not_made(model: str, reason: str) -> Event:
    """The event of a test that is not made."""
    return Event(0, "causal_not_made", model, detail=reason)


def read_arms(arms: Arms, layers: Layers, floor: float | None, model: str) -> tuple[Event, ...]:
    """The figures of the arms. floor: of the loss where known.

    Law: freeze = max |L frozen − L plain| / (L₀ − floor), over |L₀| where the floor is unknown; rescue = (L₀ − L
    rescued) / (L₀ − L plain) after the last step, and (L₀ − L rescued) / |L₀|. A plain fall below LEAST_FALL of L₀
    counts as that; where the plain loss rises, at nan and at inf, the figure is not made. Source: theory of vanishing,
    (D).
    """
    first = arms.plain[0]
    room = abs(first) if floor is None else first - floor
    if not _finite(arms.plain):
        return (not_made(model, "The loss does not stay finite on the batch of the test."),)
    if not room > LEAST_FALL * abs(first):
        return (not_made(model, "The loss is at its floor on the batch of the test."),)
    out = []
    if _finite(arms.frozen):
        share = max(abs(a - b) for a, b in zip(arms.frozen, arms.plain, strict=True)) / room
        said = freezing(len(layers.early), layers.count, share, STEPS)
        out.append(Event(0, "causal_freeze", model, share, said))
    else:
        out.append(not_made(model, "The loss does not stay finite where the early half is frozen."))
    return (*out, *_rescue_events(arms, model))


def _rescue_events(arms: Arms, model: str) -> tuple[Event, ...]:
    first = arms.plain[0]
    plain = _share(first - arms.plain[-1], first)
    if not _finite(arms.rescued):
        return (not_made(model, "The loss does not stay finite where the early layers take longer steps."),)
    if plain < -LEAST_FALL:  # a ratio to a rise says nothing of the early layers
        return (not_made(model, "The loss rises on the batch of the test, so no rescue can be told."),)
    rescued = _share(first - arms.rescued[-1], first)
    return (
        Event(0, "causal_rescue", model, rescued / max(plain, LEAST_FALL), rescuing(plain, rescued)),
        Event(0, "causal_rescued_fall", model, rescued, f"With rescued early layers the loss {fell(rescued)}."),
    )


def _share(fall: float, first: float) -> float:
    return fall / abs(first) if first else 0.0


def _finite(losses: Sequence[float]) -> bool:
    return len(losses) == STEPS + 1 and all(map(math.isfinite, losses))


def _floor(run: Run, model: str) -> float | None:
    """Of one backward pass: the record has the sum over the passes of a step."""
    seen = loss_seen(run, model)
    return seen.floor / seen.passes if seen is not None and seen.floor is not None else None
