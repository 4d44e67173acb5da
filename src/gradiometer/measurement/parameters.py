"""Parameters around the optimizer's step: weights, gradients as used, the real update, epsilon."""

from __future__ import annotations

import gc
import math
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..records import OptimizerSeen, Scalar, SiteKind
from .models import Registry, WatchedModel
from .recorder import Key, Recorder
from .rows import SAMPLE, strided_sample, wide_norm

COPY_LIMIT = 1 << 20  # elements; of a larger parameter only a strided sample is kept to measure its update
ROWS = 64  # units of a layer that are compared with one another
_SETTINGS = ("lr", "momentum", "nesterov", "eps", "weight_decay", "alpha", "amsgrad", "maximize", "dampening")
_SQUARES = ("exp_avg_sq", "square_avg", "sum")  # where Adam-likes, RMSprop and Adagrad keep squared gradients
_KIND: SiteKind = "param"


def param_key(name: str) -> Key:
    """The key of a parameter's site."""
    return (-1, name, 0, _KIND, "param")


def describe_optimizer(optimizer: Optimizer, name: str, registry: Registry) -> OptimizerSeen:
    """An optimizer as a value: class, settings of its first group, what it owns."""
    group = optimizer.param_groups[0] if optimizer.param_groups else {}
    settings: dict[str, Scalar] = {}
    for key in _SETTINGS:
        value = group.get(key)
        if isinstance(value, Tensor):
            value = float(value) if value.numel() == 1 and value.device.type == "cpu" else None
        if isinstance(value, (int, float, bool)):
            settings[key] = value
    if isinstance(group.get("betas"), (tuple, list)):
        settings["beta1"], settings["beta2"] = (float(b) for b in group["betas"][:2])
    owned: dict[str, list[str]] = {}
    strangers = 0
    for p in parameters(optimizer):
        found = registry.owner(p)
        if found is None:
            strangers += 1
        else:
            owned.setdefault(found[0].name, []).append(found[1])
    return OptimizerSeen(
        name=name,
        cls=type(optimizer).__name__,
        settings=settings,
        owned={m: tuple(names) for m, names in owned.items()},
        strangers=strangers,
    )


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """Every tensor that the optimizer holds."""
    return [p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)]


def dense(x: Tensor) -> Tensor | None:
    """A tensor whose norm is its elements' norm: sparse gradients are coalesced first; None where it can't be read."""
    if x.layout == torch.sparse_coo:
        return x.coalesce().values()
    local = getattr(x, "_local_tensor", None)
    if local is not None or x.layout != torch.strided or x.is_complex() or x.is_meta or not x.is_floating_point():
        return None
    return x


def record_gradient(recorder: Recorder, model: WatchedModel, name: str, p: Tensor, stat: str) -> None:
    """A row for a parameter's gradient (``grad`` as the optimizer gets it, ``grad_raw`` before clipping)."""
    if p.grad is None:
        if stat == "grad" and p.requires_grad:
            at = (p.device, recorder.buffer(p.device).write_scalar(torch.ones((), device=p.device)), 1)
            recorder.note(model, param_key(name), "missing", at)
        return
    grad = dense(p.grad.detach())
    if grad is None:
        model.skip(name, f"its gradient is a {type(p.grad).__name__} with layout {p.grad.layout}")
    elif grad.numel():
        recorder.write(model, param_key(name), stat, 0, grad)


def record_rows(recorder: Recorder, model: WatchedModel, name: str, x: Tensor) -> None:
    """How far the units of a layer are from being one and the same: ‖W − mean row‖ / ‖W‖ over the first units.

    x: [unit, ...]. 0 where all rows are equal (and 0 for a weight of zeros); nothing for vectors and single rows.
    """
    if x.dim() < 2 or x.shape[0] < 2 or not x.is_floating_point():
        return
    rows = x[:ROWS].flatten(1).float()
    spread = torch.linalg.vector_norm(rows - rows.mean(0)) / torch.linalg.vector_norm(rows).clamp_min(1e-30)
    at = (x.device, recorder.buffer(x.device).write_scalar(spread), 1)
    recorder.note(model, param_key(name), "rows", at)


def keep(p: Tensor) -> Tensor:
    """A copy to measure the update against: all of a small parameter, a strided sample of a large one."""
    x = p.detach()
    return x.clone() if x.numel() <= COPY_LIMIT else strided_sample(x).clone()


def record_norms(recorder: Recorder, stat: str, owners: list[tuple[WatchedModel, str]], xs: list[Tensor]) -> None:
    """Norms alone of many tensors, one fused call a device and dtype: weights, updates, gradients before clipping.

    In float32, and in float64 for float64 parameters and for those whose norm has left the trusted range.
    """
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for i, x in enumerate(xs):
        model, name = owners[i]
        if x.dtype == torch.float64 or name in model.wide:
            at = (x.device, recorder.buffer(x.device).write_scalar(wide_norm(x)), x.numel())
            recorder.note(model, param_key(name), stat, at)
        else:
            groups.setdefault((x.device, x.dtype), []).append(i)
    for (device, _), members in groups.items():
        buffer = recorder.buffer(device)
        first = buffer.write_norms(list(torch._foreach_norm([xs[i] for i in members], dtype=torch.float32)))
        # a CPU is read at once; on a GPU the writer thread finds what has left the range, one frame later
        doubtful = buffer.doubtful(first) if device.type == "cpu" else set()
        for offset, i in enumerate(members):
            model, name = owners[i]
            row = buffer.write_scalar(wide_norm(xs[i])) if first + offset in doubtful else first + offset
            recorder.note(model, param_key(name), stat, (device, row, xs[i].numel()))


def update_of(p: Tensor, before: Tensor) -> Tensor:
    """ΔW = W after the step - W before it; of a large parameter a sample, scaled to the norm of the whole."""
    now = p.detach()
    if now.numel() <= COPY_LIMIT:
        return now - before
    now = strided_sample(now)
    return (now - before) * math.sqrt(p.numel() / max(now.numel(), 1))


def record_epsilon(recorder: Recorder, model: WatchedModel, name: str, p: Tensor, optimizer: Optimizer) -> None:
    """For Adam, RMSprop and Adagrad: median over a sample of sqrt(v̂) / ε, how far the gradient stands above ε."""
    state: dict[str, Any] = optimizer.state.get(p, {})
    group = next((g for g in optimizer.param_groups if any(q is p for q in g["params"])), None)
    eps = float(group.get("eps", 0.0)) if group is not None else 0.0
    v = next((state[key] for key in _SQUARES if isinstance(state.get(key), Tensor)), None)
    if group is None or v is None or eps <= 0.0 or v.numel() == 0 or v.layout != torch.strided:
        return
    unbiased = 1.0
    if "betas" in group:
        step = state.get("step")
        if step is None or (isinstance(step, Tensor) and step.device.type != "cpu") or float(step) < 1:
            return
        unbiased = 1.0 - float(group["betas"][1]) ** float(step)
    corrected = strided_sample(v.detach())[:SAMPLE].double() / unbiased
    at = (v.device, recorder.buffer(v.device).write_scalar(corrected.sqrt().median() / eps), 1)
    recorder.note(model, param_key(name), "epsilon", at)


def few(optimizer: Optimizer) -> list[Tensor]:
    """At most four of the optimizer's parameters, spread over its groups: enough to tell whom it serves."""
    params = parameters(optimizer)
    last = len(params) - 1
    return [params[i] for i in sorted({0, last // 3, 2 * last // 3, last})] if params else []


def weights_by_hand(recorder: Recorder, touched: list[WatchedModel], before: dict[int, Tensor]) -> dict[int, Tensor]:
    """Rows for weights that the script changes itself: weight, gradient, and the update since ``before``.

    before: id(parameter) -> its copy at the end of the previous step, empty where there is none. Returns new copies.
    """
    kept: dict[int, Tensor] = {}
    for model in touched:
        root = model.root()
        for p in root.parameters() if root is not None else ():
            name = model.params.get(id(p))
            if name is None or dense(p.detach()) is None or not p.numel():
                continue
            recorder.write(model, param_key(name), "weight", 0, p.detach())
            record_gradient(recorder, model, name, p, "grad")
            if id(p) in before:
                recorder.write(model, param_key(name), "update", 0, update_of(p, before[id(p)]))
            kept[id(p)] = keep(p)
    return kept


def living_optimizers() -> list[Optimizer]:
    """Every optimizer in this process, also one made before the attach. Looks at all objects: once, not per step."""
    return [o for o in gc.get_objects() if issubclass(type(o), Optimizer)]
