"""Other steps for an optimizer that a script holds. Everything here is plain PyTorch: its source goes into patches.

The object stays, with its groups, its hooks and the scheduler that writes its rates: only what a step does changes.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from .steps import plain


def owners(model: nn.Module, optimizers: Any) -> list[Any]:
    """The optimizers that hold a parameter of the network."""
    own = {id(p) for p in model.parameters()}
    return [o for o in optimizers if any(id(p) in own for group in o.param_groups for p in group["params"])]


def reference_rate(group: Any) -> float:
    """The rate that a group was given: the largest of a scheduler that warms up, the first of any other."""
    return float(group.get("max_lr", group.get("initial_lr", group["lr"])))


class Rate:
    """Step hooks: the learning rates times a factor while a step is made, and the scheduler's own again afterwards.

    factor: of every step. ramp: number of first steps over which it grows linearly to that, 0 for none.
    """

    def __init__(self, factor: float, ramp: int) -> None:
        self.factor, self.ramp = factor, ramp
        self.steps = 0
        self.saved: list[Any] = []

    def before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Before a step."""
        self.after(optimizer, args, kwargs)  # where the step before raised, its rates were not put back
        self.steps += 1
        factor = self.factor * min(1.0, self.steps / max(self.ramp, 1))
        for group in optimizer.param_groups:
            self.saved.append((group, group["lr"]))
            group["lr"] = group["lr"] * factor

    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After it."""
        for group, rate in self.saved:
            group["lr"] = rate
        self.saved.clear()


def around_steps(optimizer: Any, hooks: Any) -> None:
    """Put ``hooks.before`` before every step and ``hooks.after`` behind it, inside of those that stand already."""
    optimizer.register_step_pre_hook(hooks.before)
    handle = optimizer.register_step_post_hook(hooks.after)
    optimizer._optimizer_step_post_hooks.move_to_end(handle.id, last=False)


def scale_rate(model: nn.Module, factor: float, ramp: int, optimizers: Any) -> None:
    """Multiply the learning rates of every step."""
    for optimizer in owners(model, optimizers):
        around_steps(optimizer, Rate(factor, ramp))


def exchange_optimizer(model: nn.Module, name: str, settings: Any, rate: float, optimizers: Any) -> None:
    """Let optimizers step as ``torch.optim.<name>`` does, with fresh state. settings: of that class.

    rate: the learning rate that stands for what the script gave; 0 leaves the script's. Weight decay stays unless
    ``settings`` names it. Schedulers go on, and momenta that they cycle stay theirs.
    """
    cls: Any = getattr(torch.optim, name)
    given = dict(settings)
    keeps = {"params", "lr", "weight_decay", "maximize", "foreach", "fused", "capturable", "differentiable"}
    keeps -= given.keys()
    for optimizer in owners(model, optimizers):
        donor = cls([nn.Parameter(torch.zeros(1))], **given)  # made once, so that the class has its step hooked
        optimizer.__class__ = cls
        for group in optimizer.param_groups:
            for key, value in donor.param_groups[0].items():
                if key in keeps:
                    group.setdefault(key, value)
                else:
                    group[key] = value
            group["fused"] = False
        for key, value in donor.defaults.items():
            if key not in keeps:
                optimizer.defaults[key] = value
        optimizer.__dict__.pop("_step_supports_amp_scaling", None)  # of fused steps: the scaler divides by itself again
        optimizer.state.clear()
        if hasattr(optimizer.__dict__.get("step"), "_wrapped_by_lr_sched"):
            rewrap(optimizer)
        if rate:
            around_steps(optimizer, Rate(rate / reference_rate(optimizer.param_groups[0]), 0))


def rewrap(optimizer: Any) -> None:
    """Let the step of the new class tell a scheduler that was built before that it was made, as the old one did."""
    del optimizer.__dict__["step"]
    func, held = type(optimizer).step, weakref.ref(optimizer)

    @functools.wraps(func)
    def step(*args: Any, **kwargs: Any) -> Any:
        self: Any = held()
        self._opt_called = True
        return func(self, *args, **kwargs)

    told: Any = step
    told._wrapped_by_lr_sched = True
    optimizer.step = step


class LayerRate:
    """Step hooks: every weight matrix moves by ``rate`` times its own norm, in the direction of the optimizer's step.

    The rate follows the scheduler: it is multiplied by lr over ``references``, the rates that the groups were given.
    Vectors (biases, norms), weights of 0 and steps of 0 move as the optimizer says.
    """

    def __init__(self, rate: float, references: list[float]) -> None:
        self.rate, self.references = rate, references
        self.old: list[Any] = []

    def before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Before a step: keep the weights."""
        self.old.clear()
        for group, reference in zip(optimizer.param_groups, self.references, strict=False):
            rate = self.rate * group["lr"] / reference
            self.old += [(p, p.detach().clone(), rate) for p in group["params"] if p.dim() > 1 and p.grad is not None]

    def after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """After it: scale what they moved."""
        with torch.no_grad():
            for p, old, rate in self.old:
                moved = p - old
                step, size = moved.float().norm(), old.float().norm()
                scale = torch.where((step > 0) & (size > 0), rate * size / step, torch.ones_like(step))
                p.copy_(old + moved * scale.to(p.dtype))
        self.old.clear()


def layer_rate(model: nn.Module, rate: float, optimizers: Any) -> None:
    """Move every layer by the same share of its own size a step."""
    for optimizer in owners(model, optimizers):
        references = [reference_rate(group) or 1.0 for group in optimizer.param_groups]
        around_steps(optimizer, LayerRate(rate, references))


class Clip:
    """Step pre-hook: shorten the gradient of all parameters of an optimizer to the norm ``limit``.

    limit 0: to ``times`` the median norm of the last ``window`` steps, once there were ``first`` of them. A step that
    computes its gradient itself (a closure) is clipped after it has. Gradients that a fused step will divide by a loss
    scale are compared with the limit times that scale.
    """

    window, first = 100, 5

    def __init__(self, limit: float, times: float) -> None:
        self.limit, self.times = limit, times
        self.norms: list[Tensor] = []

    def __call__(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        """Before a step."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self.clip(optimizer)
            return None

        def clipped() -> Any:
            loss = closure()
            self.clip(optimizer)
            return loss

        return (args[0], clipped), {k: v for k, v in kwargs.items() if k != "closure"}

    def clip(self, optimizer: Any) -> None:
        """Shorten the gradients that are there."""
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not params:
            return
        scale = getattr(optimizer, "grad_scale", None)
        factor = 1.0 if scale is None else scale
        norm = nn.utils.get_total_norm([p.grad for p in params]) / factor
        limit = self.limit or self.usual(norm)
        if limit:
            nn.utils.clip_grads_with_norm_(params, limit, norm)

    def usual(self, norm: Tensor) -> float:
        """``times`` the median of the norms before this one; 0, no limit, while there are few."""
        seen = self.norms[-self.window :]
        limit = self.times * float(torch.stack(seen).nanmedian()) if len(seen) >= self.first else 0.0
        self.norms[: -self.window] = []
        self.norms.append(norm.detach())
        return limit if 0.0 < limit < float("inf") else 0.0


def clip_gradient(model: nn.Module, limit: float, times: float, optimizers: Any) -> None:
    """Clip the norm of the gradient before every step."""
    for optimizer in owners(model, optimizers):
        optimizer.register_step_pre_hook(Clip(limit, times))


def set_epsilon(model: nn.Module, epsilon: float, optimizers: Any) -> None:
    """Set ε in every group that has one."""
    for optimizer in owners(model, optimizers):
        for group in optimizer.param_groups:
            if "eps" in group:
                group["eps"] = epsilon


ANY = ("from typing import Any",)
plain(owners, imports=ANY)
plain(reference_rate, imports=ANY)
plain(Rate, imports=ANY)
plain(around_steps, imports=ANY)
plain(scale_rate, Rate, around_steps, owners, imports=ANY)
plain(rewrap, imports=("import functools", "import weakref", *ANY))
plain(exchange_optimizer, Rate, around_steps, owners, reference_rate, rewrap, imports=ANY)
plain(LayerRate, imports=ANY)
plain(layer_rate, LayerRate, around_steps, owners, reference_rate, imports=ANY)
plain(Clip, imports=ANY)
plain(clip_gradient, Clip, owners, imports=ANY)
plain(set_epsilon, owners, imports=ANY)
