"""Optimizers that work element by element, for all members of a population at once.

The settings are read from a torch.optim optimizer of each member, and the arithmetic is that of torch's loop over
single tensors, with a number that differs between members as a tensor [row, 1, ...] in the place of the scalar. Adam
with one set of numbers for all its rows is torch's own fused step over the stacked tensors.
Law: the docstring of each class in torch.optim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from torch.optim import optimizer as torch_optimizer
from torch.optim.adam import adam as torch_adam

Setting = float | Tensor
"""One number for all rows, or one for each [row, 1, ...]."""
Settings = dict[str, Any]
"""Name of a setting -> one for all rows, or one for each [row, 1, ...]; flags are the same for all rows."""

FLAGS = ("nesterov", "maximize", "amsgrad", "centered")
"""Settings that choose between laws. They, and whether there is momentum, must be equal in a group of rows."""
FUSED_ROWS = 8
"""Rows that share all numbers of an Adam, from which on they are a run of their own, for a fused step each."""
_PASSED_OVER = frozenset({"foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"})


def optimizer_trouble(model: nn.Module, optimizer: Optimizer | None) -> str | None:
    """Why a population cannot take over this optimizer, in words; None where it can."""
    if type(optimizer) not in _STEPS:
        has = "there is none" if optimizer is None else f"it is {type(optimizer).__name__}"
        return f"{has}; {', '.join(c.__name__ for c in _STEPS)} work on members side by side"
    assert optimizer is not None
    if any(group.get("differentiable") for group in optimizer.param_groups):
        return "it is differentiable"
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    everywhere = (torch_optimizer._global_optimizer_pre_hooks, torch_optimizer._global_optimizer_post_hooks)
    if any(hooks) or any(everywhere):
        return "a hook is registered on its step, and it would see no step"
    if "step" in vars(optimizer):
        return "its step is wrapped (by a learning-rate scheduler?), and the wrapper would not be called"
    if any(_started(state) for state in optimizer.state.values()):
        return "it has made steps already"
    own = {id(p) for p in model.parameters()}
    if any(id(p) not in own for group in optimizer.param_groups for p in group["params"]):
        return "it holds a parameter that is not the model's"
    return None


def _started(state: Mapping[str, Any]) -> bool:
    return "momentum_buffer" in state or float(state.get("step", 0)) > 0


def laws_of(optimizers: Sequence[Optimizer]) -> list[tuple[object, ...]]:
    """For each row what must be equal for rows to be stepped in one go: class and flags of every group.

    Where at least ``FUSED_ROWS`` rows of Adam share all numbers on average, the numbers belong to it.
    """
    laws = [_law(optimizer) for optimizer in optimizers]
    told = [(law, *_numbers(o)) for law, o in zip(laws, optimizers, strict=True) if law[0] in (Adam, AdamW)]
    if len(set(told)) * FUSED_ROWS > len(told):
        return laws
    return [(*law, *_numbers(o)) if law[0] in (Adam, AdamW) else law for law, o in zip(laws, optimizers, strict=True)]


def _numbers(optimizer: Optimizer) -> tuple[object, ...]:
    keys = sorted(set(optimizer.defaults) - _PASSED_OVER - set(FLAGS))
    return tuple(tuple(_number(group[key]) for key in keys) for group in optimizer.param_groups)


def _number(value: Any) -> object:
    return tuple(float(v) for v in value) if isinstance(value, tuple | list) else float(value)


def _law(optimizer: Optimizer) -> tuple[object, ...]:
    groups = optimizer.param_groups
    flags = [(*(bool(g.get(flag)) for flag in FLAGS), bool(g.get("momentum"))) for g in groups]
    return (kind_of(optimizer), *flags)


def kind_of(optimizer: Optimizer) -> type[Optimizer]:
    """The class whose law it follows."""
    return AdamW if optimizer.defaults.get("decoupled_weight_decay") else type(optimizer)


def settings_by_name(model: nn.Module, optimizer: Optimizer) -> dict[str, Settings]:
    """Parameter name -> settings of its group; parameters that the optimizer does not own are left out."""
    names = {id(p): name for name, p in model.named_parameters()}
    keys = set(optimizer.defaults) - _PASSED_OVER
    return {
        names[id(p)]: {key: group[key] for key in keys} for group in optimizer.param_groups for p in group["params"]
    }


def stacked_settings(each: Sequence[Settings], like: Tensor) -> Settings:
    """Settings of one parameter of several rows as one: a plain number where all agree.

    like: the parameter [row, ...], whose axes and dtype the tensors take.
    """
    out: Settings = {}
    for name in each[0]:
        values = [settings[name] for settings in each]
        if name == "betas":
            out["beta1"], out["beta2"] = (_together([float(b[i]) for b in values], like) for i in (0, 1))
        elif name in FLAGS:
            out[name] = bool(values[0])
        else:
            out[name] = _together([float(v) for v in values], like)
    return out


def _together(values: list[float], like: Tensor) -> Setting:
    if len(set(values)) == 1:
        return values[0]
    tensor = torch.tensor(values, dtype=torch.float64)
    return tensor.to(like.dtype).to(like.device).view(-1, *[1] * (like.ndim - 1))


def _rows(setting: Any, keep: Tensor) -> Any:
    return setting[keep] if isinstance(setting, Tensor) else setting


class Stepper:
    """The optimizer of a run of rows that follow one law. state: parameter name -> torch's key -> [row, ...]."""

    def __init__(self, kind: type[Optimizer], settings: dict[str, Settings]) -> None:
        self.kind, self.settings = kind, settings
        self.steps = dict.fromkeys(settings, 0)
        self.state: dict[str, dict[str, Tensor]] = {name: {} for name in settings}

    def step(self, params: Mapping[str, Tensor], grads: Mapping[str, Tensor]) -> None:
        """One update in place. params, grads: [row, ...] of this run of rows; a parameter without gradient stays."""
        law = _STEPS[self.kind]
        straight: list[str] = []
        with torch.no_grad():
            for name, grad in grads.items():
                self.steps[name] += 1
                settings = self.settings[name]
                if self.kind in (Adam, AdamW) and _straight(params[name], grad, settings):
                    straight.append(name)
                else:
                    upward = -grad if settings.get("maximize") else grad
                    law(params[name], upward, self.state[name], settings, self.steps[name])
            for names, numbers in self._alike(straight):
                self._adam_fused(names, params, grads, numbers)

    def _alike(self, names: Sequence[str]) -> Iterator[tuple[list[str], Settings]]:
        """Parameters that share their numbers."""
        left = list(names)
        while left:
            numbers = self.settings[left[0]]
            yield [name for name in left if self.settings[name] == numbers], numbers
            left = [name for name in left if self.settings[name] != numbers]

    def _adam_fused(
        self, names: Sequence[str], params: Mapping[str, Tensor], grads: Mapping[str, Tensor], numbers: Settings
    ) -> None:
        keys = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if numbers["amsgrad"] else 2]
        mean, square, *largest = [[_zeros(self.state[name], key, params[name]) for name in names] for key in keys]
        counts = [torch.tensor(self.steps[name] - 1.0) for name in names]  # torch counts this step itself
        told: Settings = {
            key: numbers[key] for key in ("amsgrad", "beta1", "beta2", "lr", "weight_decay", "eps", "maximize")
        }
        told |= {"fused": True, "decoupled_weight_decay": self.kind is AdamW}
        held = [[params[name] for name in names], [grads[name] for name in names], mean, square, *largest]
        moved, by, *state = [[_as_in_memory(t, params[n]) for n, t in zip(names, ts, strict=True)] for ts in held]
        torch_adam(moved, by, state[0], state[1], state[2] if largest else [], counts, **told)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows [row] of its own alone."""
        self.state = {n: {k: v[rows] for k, v in state.items()} for n, state in self.state.items()}
        self.settings = {n: {k: _rows(v, rows) for k, v in s.items()} for n, s in self.settings.items()}

    def state_of(self, row: int) -> dict[str, dict[str, Tensor]]:
        """What torch's own optimizer would hold of each parameter of a row after these steps."""
        counted = self.kind is not SGD
        return {
            name: {
                **({"step": torch.tensor(float(self.steps[name]))} if counted and state else {}),
                **{key: value[row].clone() for key, value in state.items()},
            }
            for name, state in self.state.items()
            if state
        }


def _add(x: Tensor, y: Tensor, factor: Setting) -> Tensor:
    """x + factor · y."""
    return x.add(y, alpha=factor) if isinstance(factor, float) else torch.addcmul(x, y, factor)


def _add_to(x: Tensor, y: Tensor, factor: Setting) -> None:
    """x += factor · y."""
    if isinstance(factor, float):
        x.add_(y, alpha=factor)
    else:
        x.addcmul_(y, factor)


def _divide(param: Tensor, above: Tensor, below: Tensor, rate: Setting) -> None:
    """param −= rate · above / below."""
    if isinstance(rate, float):
        param.addcdiv_(above, below, value=-rate)
    else:
        param.addcdiv_(above, below.div_(rate), value=-1)


def _decayed(grad: Tensor, param: Tensor, settings: Settings) -> Tensor:
    decay = settings["weight_decay"]
    return grad if isinstance(decay, float) and decay == 0 else _add(grad, param, decay)


def _average(mean: Tensor, new: Tensor, beta: Setting) -> None:
    """mean = beta · mean + (1 − beta) · new."""
    mean.lerp_(new, 1 - beta)


def _average_square(mean: Tensor, new: Tensor, beta: Setting) -> None:
    """mean = beta · mean + (1 − beta) · new²."""
    mean.mul_(beta)
    if isinstance(beta, float):
        mean.addcmul_(new, new, value=1 - beta)
    else:
        mean.addcmul_(new * (1 - beta), new)


def _zeros(state: dict[str, Tensor], key: str, like: Tensor) -> Tensor:
    if key not in state:
        state[key] = torch.zeros_like(like)
    return state[key]


def _sgd(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    grad = _decayed(grad, param, settings)
    momentum = settings["momentum"]
    if not (isinstance(momentum, float) and momentum == 0):
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = grad.clone()
        else:
            _add_to(state["momentum_buffer"].mul_(momentum), grad, 1 - settings["dampening"])
        buffer = state["momentum_buffer"]
        grad = _add(grad, buffer, momentum) if settings["nesterov"] else buffer
    _add_to(param, grad, -settings["lr"])


def _adam(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    grad = _decayed(grad, param, settings)
    _adam_update(param, grad, state, settings, steps)


def _adamw(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    param.mul_(1 - settings["lr"] * settings["weight_decay"])
    _adam_update(param, grad, state, settings, steps)


def _adam_update(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    beta1, beta2 = settings["beta1"], settings["beta2"]
    mean, square = _zeros(state, "exp_avg", param), _zeros(state, "exp_avg_sq", param)
    _average(mean, grad, beta1)
    _average_square(square, grad, beta2)
    if settings.get("amsgrad"):
        square = torch.maximum(_zeros(state, "max_exp_avg_sq", param), square, out=state["max_exp_avg_sq"])
    below = square.sqrt().div_(_root(1 - beta2**steps)).add_(settings["eps"])
    _divide(param, mean, below, settings["lr"] / (1 - beta1**steps))


def _straight(param: Tensor, grad: Tensor, settings: Settings) -> bool:
    """Whether torch's fused Adam may go straight through both, with one number of each kind."""
    same = param.stride() == grad.stride() and param.dtype == grad.dtype and param.device.type == "cpu"
    return same and not any(isinstance(value, Tensor) for value in settings.values())


def _as_in_memory(tensor: Tensor, like: Tensor) -> Tensor:
    """The axes in the order in which ``like`` lies in memory: a fused step copies what it finds in another one."""
    return tensor.permute(sorted(range(like.ndim), key=like.stride, reverse=True))


def _root(value: Setting) -> Setting:
    return math.sqrt(value) if isinstance(value, float) else value.sqrt()


def _rmsprop(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    grad = _decayed(grad, param, settings)
    square = _zeros(state, "square_avg", param)
    _average_square(square, grad, settings["alpha"])
    if settings["centered"]:
        mean = _zeros(state, "grad_avg", param)
        _average(mean, grad, settings["alpha"])
        below = square.addcmul(mean, mean, value=-1).sqrt_().add_(settings["eps"])
    else:
        below = square.sqrt().add_(settings["eps"])
    momentum = settings["momentum"]
    if isinstance(momentum, float) and momentum == 0:
        _divide(param, grad, below, settings["lr"])
        return
    buffer = _zeros(state, "momentum_buffer", param)
    buffer.mul_(momentum).addcdiv_(grad, below)
    _add_to(param, buffer, -settings["lr"])


def _adagrad(param: Tensor, grad: Tensor, state: dict[str, Tensor], settings: Settings, steps: int) -> None:
    grad = _decayed(grad, param, settings)
    if "sum" not in state:
        state["sum"] = torch.zeros_like(param).add_(settings["initial_accumulator_value"])
    state["sum"].addcmul_(grad, grad)
    rate = settings["lr"] / (1 + (steps - 1) * settings["lr_decay"])
    _divide(param, grad, state["sum"].sqrt().add_(settings["eps"]), rate)


_STEPS: dict[type[Optimizer], Callable[[Tensor, Tensor, dict[str, Tensor], Settings, int], None]] = {
    SGD: _sgd,
    Adam: _adam,
    AdamW: _adamw,
    RMSprop: _rmsprop,
    Adagrad: _adagrad,
}
