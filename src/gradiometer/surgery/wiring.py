"""Connections beside the layers of a network, as hooks. Everything here is plain PyTorch: its source goes into patches.

A chain carries a stream z along layers of weights: a layer's hook adds the stream that the layer before it left to what
the layer itself puts out. The activations in between belong to the branches, so no error on the stream passes one.

z: output of a layer with its hook. h: input of a layer. [example, unit] or [example, channel, *position].
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .joining import fill_missing_keys
from .normalising import train_beside
from .steps import plain


def recomputing() -> bool:
    """True inside a backward pass, where activation checkpointing runs layers again."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._current_graph_task_id() != -1


class Slot:
    """Forward hook: keeps what a layer puts out in this pass, for a hook of a later layer.

    Copies and pickles of a network carry the slot empty. Under checkpointing a layer that runs again reads what the
    pass left there; where another pass has overwritten it, or where that has no graph, it raises RuntimeError. So it
    does where a part of the network is called alone, and would read what another pass has left.
    clones: 1 where something changes the output in place afterwards.
    """

    def __init__(self, clones: int) -> None:
        self.clones = clones
        self.value: Any = None
        self.passes, self.with_grad, self.read_again = 0, False, False
        self.kept = 0  # how often a signal was put in
        self.taken: dict[Any, int] = {}  # slot before -> which of its signals this hook took last

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "value": None, "passes": 0, "kept": 0, "taken": {}}

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Keep it, change nothing."""
        return self.keep(out)

    def keep(self, out: Tensor) -> Tensor:
        """Put a signal in, unless the layer only runs again."""
        if torch.compiler.is_compiling():  # nothing is counted there: torch would compile anew for every count
            self.value = out
        elif not recomputing():
            self.value, self.with_grad = out, torch.is_grad_enabled()
            self.kept += 1
            self.passes = (0 if self.read_again else self.passes) + int(self.with_grad)
            self.read_again = False
        return out.clone() if self.clones else out

    def read(self) -> Tensor:
        """Take the signal of this pass."""
        if self.value is None:
            raise RuntimeError("A skip reads a layer that has not run in this pass: the order of the layers changed.")
        if recomputing():
            self.read_again = True
            if not self.with_grad:
                raise RuntimeError("Skips put in by a cure need checkpoint(..., use_reentrant=False).")
            if self.passes != 1:
                raise RuntimeError(
                    "Under checkpointing, skips put in by a cure allow one pass with gradients before each backward "
                    "pass. Run passes that need none under torch.no_grad()."
                )
        signal: Tensor = self.value
        return signal

    def take(self, before: Any) -> Tensor:
        """What an earlier slot holds, once a pass."""
        signal: Tensor = before.read()
        if not torch.compiler.is_compiling() and not recomputing():
            if self.taken.get(before) == before.kept:
                raise RuntimeError(
                    "A skip put in by a cure would read what another pass has left: a part of the network was called "
                    "alone, or a layer twice in one pass."
                )
            self.taken[before] = before.kept
        return signal


class Skip(Slot):
    """Forward hook: z = S(z before) + scale · out. S: ``gm_skip`` of the host, an average pool, or nothing."""

    def __init__(self, before: Slot, clones: int, scale: float) -> None:
        super().__init__(clones)
        self.before, self.scale = before, scale

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Add the stream."""
        return self.keep(self.stream(host, out) + self.scale * out)

    def stream(self, host: Any, out: Tensor) -> Tensor:
        """What the layer before left, in the shape of ``out``."""
        before = self.take(self.before)
        if not isinstance(host, nn.Linear) and before.shape[2:] != out.shape[2:]:
            pool: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[before.dim() - 3]
            before = pool(before, out.shape[2:])
        projection = host._modules.get("gm_skip")
        return before if projection is None else projection(before)


class LearnedSkip(Skip):
    """Forward hook: z = S(z before) + α · out, α the host's parameter ``gm_alpha``."""

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Add the stream."""
        return self.keep(self.stream(host, out) + host.gm_alpha * out)


class Highway(Skip):
    """Forward hook: z = T ⊙ out + (1 − T) ⊙ z before, T = σ(gate(z before)), the gate ``gm_gate`` of the host."""

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Mix in the stream."""
        before = self.take(self.before)
        share = torch.sigmoid(host.gm_gate(before))
        return self.keep(share * out + (1 - share) * before)


class Cross(Skip):
    """Forward hook: z = z before + scale · z₀ ⊙ out, z₀ the start of the chain."""

    def __init__(self, before: Slot, clones: int, scale: float, first: Slot) -> None:
        super().__init__(before, clones, scale)
        self.first = first

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Add the stream."""
        before = self.take(self.before)
        first = before if self.first is self.before else self.take(self.first)
        return self.keep(before + self.scale * first * out)


class Dense(Slot):
    """Forward hook: out + U [h₀ … h before], U the host's ``gm_dense``; keeps the host's input h for later layers."""

    def __init__(self, earlier: tuple[Slot, ...]) -> None:
        super().__init__(0)
        self.earlier = earlier

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Add what the layer makes of all earlier inputs."""
        self.keep(args[0])
        if not self.earlier:
            return None
        axis = -1 if isinstance(host, nn.Linear) else 1
        return out + host.gm_dense(torch.cat([self.take(slot) for slot in self.earlier], axis))


class Fresh:
    """Forward pre-hook of the whole network: empties the slots, so that no pass reads another one's signal."""

    def __init__(self, slots: list[Slot]) -> None:
        self.slots = slots

    def __call__(self, root: Any, args: Any) -> None:
        """Empty them, unless the network only runs again."""
        if not recomputing():
            for slot in self.slots:
                slot.value = None


def pointwise(host: Any, n_in: int, n_out: int) -> Any:
    """A linear map of units without bias and not filled: nn.Linear, or a convolution of size 1 for a convolution."""
    build: Any = nn.utils.skip_init  # draws nothing from the generator of the process
    if isinstance(host, nn.Linear):
        return build(nn.Linear, n_in, n_out, bias=False)
    return build((nn.Conv1d, nn.Conv2d, nn.Conv3d)[host.weight.dim() - 3], n_in, n_out, 1, bias=False)


def attach(host: Any, name: str, module: Any, optimizers: Any) -> None:
    """Make a new module ``gm_*`` part of its host: device, dtype, mode, optimizer group, old checkpoints."""
    train_beside(module.train(host.training), host, optimizers)
    setattr(host, name, module)
    host.register_load_state_dict_pre_hook(fill_missing_keys)


def add_alpha(host: Any, beside: Any, optimizers: Any) -> None:
    """Give a module the parameter ``gm_alpha``, one number that starts at 0. beside: in whose group it is trained."""
    holder = nn.ParameterList([torch.zeros(())])
    train_beside(holder, beside, optimizers)
    host.register_parameter("gm_alpha", holder[0])
    host.register_load_state_dict_pre_hook(fill_missing_keys)


def connect(slots: list[Any], root: Any) -> None:
    """Empty the slots at the beginning of each pass of the network."""
    root.register_forward_pre_hook(Fresh(slots), prepend=True)


def add_projection(host: Any, n_in: int, n_out: int, generator: Any, optimizers: Any) -> None:
    """Give a host the projection ``gm_skip``: orthogonal, scaled to keep the root mean square of what it reads."""
    projection = pointwise(host, n_in, n_out)
    flat = nn.init.orthogonal_(torch.empty(n_out, n_in), gain=max(1.0, n_out / n_in) ** 0.5, generator=generator)
    with torch.no_grad():
        projection.weight.copy_(flat.view_as(projection.weight))
    attach(host, "gm_skip", projection, optimizers)


def add_skips(
    model: nn.Module, start: str, clones: int, links: Any, scale: float, generator: Any, optimizers: Any = ()
) -> None:
    """A chain of skips, their branches scaled. links: (path, clones, units before, units) of each layer behind
    ``start``; 0 units where they are equal."""
    slots: list[Any] = [Slot(clones)]
    model.get_submodule(start).register_forward_hook(slots[0], prepend=True)
    for path, copies, n_in, n_out in links:
        host = model.get_submodule(path)
        if n_in:
            add_projection(host, n_in, n_out, generator, optimizers)
        slots.append(Skip(slots[-1], copies, scale))
        host.register_forward_hook(slots[-1], prepend=True)
    connect(slots, model)


def add_learned_skips(
    model: nn.Module, start: str, clones: int, links: Any, generator: Any, optimizers: Any = ()
) -> None:
    """The same with a learned number a branch, ``gm_alpha``, that starts at 0."""
    slots: list[Any] = [Slot(clones)]
    model.get_submodule(start).register_forward_hook(slots[0], prepend=True)
    for path, copies, n_in, n_out in links:
        host = model.get_submodule(path)
        if n_in:
            add_projection(host, n_in, n_out, generator, optimizers)
        add_alpha(host, host, optimizers)
        slots.append(LearnedSkip(slots[-1], copies, 0.0))
        host.register_forward_hook(slots[-1], prepend=True)
    connect(slots, model)


def add_highway(
    model: nn.Module, start: str, clones: int, links: Any, units: int, bias: float, optimizers: Any = ()
) -> None:
    """A chain of highway layers of equal shape. links: (path, clones). bias: of the gates, whose weights start at 0."""
    slots: list[Any] = [Slot(clones)]
    model.get_submodule(start).register_forward_hook(slots[0], prepend=True)
    for path, copies in links:
        host = model.get_submodule(path)
        gate = pointwise(host, units, units)
        nn.init.zeros_(gate.weight)
        gate.register_parameter("bias", nn.Parameter(torch.full((units,), bias)))
        attach(host, "gm_gate", gate, optimizers)
        slots.append(Highway(slots[-1], copies, 1.0))
        host.register_forward_hook(slots[-1], prepend=True)
    connect(slots, model)


def add_cross(model: nn.Module, start: str, links: Any, scale: float) -> None:
    """A chain of cross connections of equal shape. links: (path, clones)."""
    slots: list[Any] = [Slot(1)]
    model.get_submodule(start).register_forward_hook(slots[0], prepend=True)
    for path, copies in links:
        slots.append(Cross(slots[-1], copies, scale, slots[0]))
        model.get_submodule(path).register_forward_hook(slots[-1], prepend=True)
    connect(slots, model)


def add_dense(model: nn.Module, links: Any, generator: Any, optimizers: Any = ()) -> None:
    """Let each layer read the inputs of all layers before it. links: (path, factor, units and std of each earlier one).

    factor: what the layer's own weights are multiplied by, so that all l inputs together weigh as its own did.
    """
    slots: list[Any] = []
    for path, factor, blocks in links:
        host: Any = model.get_submodule(path)
        if blocks:
            made = pointwise(host, sum(n for n, _ in blocks), host.weight.shape[0])
            parts = [torch.empty(len(made.weight), n).normal_(0.0, std, generator=generator) for n, std in blocks]
            with torch.no_grad():
                made.weight.copy_(torch.cat(parts, 1).view_as(made.weight))
                host.weight.mul_(factor)
            attach(host, "gm_dense", made, optimizers)
        slots.append(Dense(tuple(slots)))
        host.register_forward_hook(slots[-1], prepend=True)
    connect(slots, model)


def scale_output(host: Any, args: Any, out: Any) -> Any:
    """Forward hook: what the host puts out, times its ``gm_scale``."""
    return out * host.gm_scale


def scale_output_learned(host: Any, args: Any, out: Any) -> Any:
    """Forward hook: what the host puts out, times its parameter ``gm_alpha``."""
    return out * host.gm_alpha


def scale_branch(model: nn.Module, path: str, scale: float) -> None:
    """Multiply what the module at ``path``, the end of a branch, puts out."""
    host: Any = model.get_submodule(path)
    host.gm_scale = scale
    host.register_forward_hook(scale_output, prepend=True)


def learn_branch(model: nn.Module, path: str, beside: str, optimizers: Any = ()) -> None:
    """Multiply the end of a branch by a learned number that starts at 0. beside: a module in whose group it trains."""
    host: Any = model.get_submodule(path)
    add_alpha(host, model.get_submodule(beside), optimizers)
    host.register_forward_hook(scale_output_learned, prepend=True)


ANY = ("from typing import Any",)
plain(recomputing)
plain(Slot, recomputing, imports=ANY)
plain(Skip, Slot, imports=ANY)
plain(LearnedSkip, Skip, imports=ANY)
plain(Highway, Skip, imports=ANY)
plain(Cross, Skip, imports=ANY)
plain(Dense, Slot, imports=ANY)
plain(Fresh, Slot, recomputing, imports=ANY)
plain(pointwise, imports=ANY)
plain(attach, train_beside, fill_missing_keys, imports=ANY)
plain(add_alpha, train_beside, fill_missing_keys, imports=ANY)
plain(connect, Fresh, imports=ANY)
plain(add_projection, pointwise, attach, imports=ANY)
plain(add_skips, Skip, add_projection, connect, imports=ANY)
plain(add_learned_skips, LearnedSkip, add_projection, add_alpha, connect, imports=ANY)
plain(add_highway, Highway, pointwise, attach, connect, imports=ANY)
plain(add_cross, Cross, connect, imports=ANY)
plain(add_dense, Dense, pointwise, attach, connect, imports=ANY)
plain(scale_output, imports=ANY)
plain(scale_output_learned, imports=ANY)
plain(scale_branch, scale_output, imports=ANY)
plain(learn_branch, scale_output_learned, add_alpha, imports=ANY)
