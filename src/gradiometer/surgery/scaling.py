"""A loss scaled while it goes back, and weights kept in float32. Plain PyTorch: its source goes into patches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .ends import MODES, Modes
from .steps import plain

HALVES = (torch.float16, torch.bfloat16)


class ScaledLoss(Tensor):
    """An output, or a value that depends on one: a loss among them goes back by ``LossScale.backward``.

    Whatever takes it computes as always; a result that has a gradient is marked too, all others are plain tensors.
    """

    gm_scaled: Any

    @classmethod
    def mark(cls, value: Any, scaled: Any) -> None:
        """Mark a tensor, or those in a container, in place. scaled: (the ``LossScale``, the network)."""
        if type(value) is Tensor and value.requires_grad and value.is_floating_point():
            held: Any = value
            held.__class__ = cls
            held.gm_scaled = scaled
        elif isinstance(value, (dict, list, tuple)):
            for part in value.values() if isinstance(value, dict) else value:
                cls.mark(part, scaled)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named, scaled = kwargs or {}, None
        for value in (*args, *named.values()):
            for part in value if isinstance(value, (list, tuple)) else (value,):
                scaled = part.gm_scaled if type(part) is cls and scaled is None else scaled
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            first = name == "backward" and torch._C._current_graph_task_id() == -1  # checkpoints have passes inside one
            if first and scaled is not None and not named.get("create_graph"):
                given = (args[0],) if isinstance(args[0], Tensor) else tuple(args[0])
                return scaled[0].backward([value.as_subclass(Tensor) for value in given], scaled[1], named)
            if name == "__repr__":  # a script prints its loss as it always did
                args[0].__class__ = Tensor
                try:
                    return func(*args, **named)
                finally:
                    args[0].__class__ = cls
            out = func(*args, **named)
        if scaled is not None:
            cls.mark(out, scaled)
        return out


def leaves_of(losses: list[Any], root: nn.Module) -> list[Any]:
    """The tensors that a backward pass of losses gives gradients to, those of the network among them. Activation
    checkpointing may hide the latter from the graph."""
    found: dict[int, Any] = {id(p): p for p in root.parameters() if p.requires_grad}
    waiting: list[Any] = [loss.grad_fn for loss in losses]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found[id(leaf)] = leaf
        waiting += [following for following, _ in node.next_functions]
    return list(found.values())


class LossScale:
    """Forward hook of the whole network: losses made of its output are multiplied by a power of two while they go back,
    and the gradients divided by it as soon as they are there: before clipping, before a step.

    As ``torch.amp.GradScaler``: a pass whose gradients are not all finite adds nothing to them and halves the scale,
    ``interval`` passes in a row that are finite double it. A scale of 1 leaves everything as it is. Second derivatives,
    and passes inside a backward pass, are taken as they are.
    """

    interval = 2000

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.good = 0

    def __call__(self, root: Any, args: Any, out: Any) -> None:
        """Mark the output."""
        if torch._C._functorch.peek_interpreter_stack() is not None or torch.compiler.is_compiling():
            raise RuntimeError("A loss scale put in by a cure needs loss.backward(), which is not called here.")
        ScaledLoss.mark(out, (self, root))

    def backward(self, losses: list[Any], root: nn.Module, named: Any) -> None:
        """The backward pass of losses, in place of its own. named: as ``backward`` has them."""
        rest = dict(named)
        errors = rest.pop("gradient", None) if "gradient" in rest else rest.pop("grad_tensors", None)
        old = [(leaf, leaf.grad) for leaf in leaves_of(losses, root)]
        for leaf, _ in old:
            leaf.grad = None
        if any(loss.dtype == torch.float16 for loss in losses):  # 2¹⁶ is none of its numbers
            self.scale = min(self.scale, 2.0**15)
        scaler = torch.amp.GradScaler(losses[0].device.type, init_scale=self.scale)  # a watch sees its scale
        try:
            wide = [loss.float() if loss.dtype in (torch.float16, torch.bfloat16) else loss for loss in losses]
            torch.autograd.backward([scaler.scale(loss) for loss in wide], errors, **rest)
        except BaseException:
            for leaf, before in old:
                leaf.grad = before
            raise
        self.divide([leaf for leaf, _ in old if leaf.grad is not None], scaler)
        with torch.no_grad():
            for leaf, before in old:
                if before is not None:
                    leaf.grad = before if leaf.grad is None else before.add_(leaf.grad)

    def divide(self, leaves: list[Any], scaler: Any) -> None:
        """Divide the gradients of one pass by its scale, and choose that of the next. scaler: of this pass."""
        parts = [leaf.grad._values() if leaf.grad.is_sparse else leaf.grad for leaf in leaves]
        if self.scale == 1.0 or all(bool(part.isfinite().all()) for part in parts):
            for leaf in leaves:
                leaf.grad.div_(self.scale)
            self.good += 1
            if self.good % self.interval == 0:
                self.scale *= 2.0
            return
        self.scale, self.good = max(self.scale / 2.0, 1.0), 0
        scaler.update(self.scale)  # a watch learns that this pass is none
        for leaf in leaves:
            leaf.grad = torch.zeros_like(leaf)


def scale_loss(model: nn.Module, scale: float) -> None:
    """Scale losses of the network's output while they go back. scale: to begin with."""
    model.register_forward_hook(LossScale(scale))


def widened(value: Any) -> Any:
    """Half-precision tensors in float32, also in lists and dictionaries; anything else as it is."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, dict):
        return {key: widened(inner) for key, inner in value.items()}
    return [widened(inner) for inner in value] if isinstance(value, list) else value


def enter_bfloat16(root: Any, args: Any) -> None:
    """Forward pre-hook of the whole network: compute in bfloat16 from here on."""
    device = next(root.parameters()).device.type
    context: Any = torch.autocast(device, torch.bfloat16)
    MODES.running.append((root, context))
    context.__enter__()


def leave_bfloat16(root: Any, args: Any, out: Any) -> Any:
    """Forward hook of the whole network, also after an exception: the end of that, and an output in ``gm_output``."""
    if not MODES.running or MODES.running[-1][0] is not root:
        return None
    MODES.running.pop()[1].__exit__(None, None, None)
    is_number = type(out) is Tensor and out.is_floating_point()
    return out.to(root.gm_output) if is_number and out.dtype != root.gm_output else None


def keep_in_float32(model: nn.Module, optimizers: Any) -> None:
    """Weights that are trained in float16 or bfloat16, in float32, with what the optimizers keep for them; the network
    computes in bfloat16. Its output is a bfloat16 one where it was, else a float32 one."""
    trained = [p for p in model.parameters() if p.requires_grad and p.dtype in (torch.float16, torch.bfloat16)]
    was = {p.dtype for p in trained}
    held: Any = model
    held.gm_output = torch.bfloat16 if was == {torch.bfloat16} else torch.float32
    for parameter in trained:
        grad, parameter.grad = parameter.grad, None
        parameter.data = parameter.data.float()
        parameter.grad = None if grad is None else grad.float()
    for module in model.modules():
        if any(p.requires_grad for p in module.parameters(recurse=False)):
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, widened(buffer))
    for optimizer in optimizers:
        for parameter in trained:
            state = optimizer.state.get(parameter)
            if state:
                state.update({key: widened(value) for key, value in state.items()})
    model.register_forward_pre_hook(enter_bfloat16, prepend=True)
    model.register_forward_hook(leave_bfloat16, always_call=True, prepend=True)


ANY = ("from typing import Any",)
plain(ScaledLoss, imports=ANY)
plain(leaves_of, imports=ANY)
plain(LossScale, ScaledLoss, leaves_of, imports=ANY)
plain(scale_loss, LossScale)
plain(widened, imports=ANY)
plain(enter_bfloat16, Modes, "MODES = Modes()", imports=ANY)
plain(leave_bfloat16, imports=ANY)
plain(keep_in_float32, widened, enter_bfloat16, leave_bfloat16, imports=ANY)
