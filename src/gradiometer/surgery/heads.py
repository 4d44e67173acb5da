"""Heads of their own for early layers, whose loss joins the network's. Plain PyTorch: its source goes into patches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .steps import plain
from .wiring import Slot, attach

LOSSES = frozenset(
    {"cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy"}
    | {"binary_cross_entropy_with_logits", "multi_margin_loss", "multilabel_margin_loss", "soft_margin_loss"}
)
FOLLOWED = frozenset(
    {"squeeze", "unsqueeze", "view", "reshape", "flatten", "ravel", "__getitem__", "permute", "transpose", "movedim"}
    | {"t", "contiguous", "float", "double", "to", "cpu", "cuda", "clone"}
)


class Headed(Tensor):
    """An output that remembers those of the auxiliary heads: a loss that takes it gets theirs added to its error.

    The loss keeps its value: c · (aux − its value) is added for each head. Whatever else takes the output sees it
    alone. added: how often losses were added, in this process.
    """

    gm_heads: Any
    gm_weight: Any
    added = 0

    @classmethod
    def of(cls, out: Tensor, heads: Any, weight: float) -> Any:
        """An output with those of its heads, of the same shape."""
        marked: Any = out.as_subclass(cls)
        marked.gm_heads, marked.gm_weight = heads, weight
        return marked

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        first: Any = args[0] if args else named.get("input")
        name = getattr(func, "__name__", "")
        with torch._C.DisableTorchFunctionSubclass():
            heads = first.__dict__.get("gm_heads") if type(first) is Headed else None
            if not heads:
                return func(*args, **named)
            rest, others = args[1:], {k: v for k, v in named.items() if k != "input"}
            if name.endswith("_") and not name.endswith("__"):
                first.gm_heads = None
            out = func(*args, **named)
            if name in LOSSES:
                Headed.added += 1
                for head in heads:
                    term = func(head, *rest, **others)
                    error = torch.where(term.isfinite(), term - term.detach(), torch.zeros_like(term))
                    out = out + first.gm_weight * error
                return out
            if name in FOLLOWED and isinstance(out, Tensor):
                moved = [func(head, *rest, **others) for head in heads]
                return Headed.of(out.as_subclass(Tensor), moved, first.gm_weight)
            return out


class Head(Slot):
    """Forward hook of a layer: in training its ``gm_head`` reads what the layer puts out, averaged over positions."""

    def __call__(self, host: Any, args: Any, out: Any) -> Any:
        """Keep what the head puts out; the layer's output stays."""
        if host.training:
            read = out if isinstance(host, nn.Linear) else out.flatten(2).mean(2)
            self.keep(host.gm_head(read.clone() if self.clones else read))
        return None


class Heads:
    """Forward hook of the whole network: its output, with those of the heads."""

    def __init__(self, slots: list[Any], weight: float) -> None:
        self.slots, self.weight = slots, weight

    def __call__(self, root: Any, args: Any, out: Any) -> Any:
        """Take what the heads put out in this pass."""
        heads = [slot.value for slot in self.slots if slot.value is not None]
        for slot in self.slots:
            slot.value = None
        if not heads or not root.training or not isinstance(out, Tensor):
            return None
        if torch.is_grad_enabled() and not all(head.requires_grad for head in heads):
            raise RuntimeError("Auxiliary heads put in by a cure need checkpoint(..., use_reentrant=False).")
        return Headed.of(out, heads, self.weight)


def add_heads(model: nn.Module, places: Any, n_out: int, weight: float, generator: Any, optimizers: Any = ()) -> None:
    """Give layers heads of ``n_out`` outputs. places: (path, units, clones). weight: of each head's loss."""
    slots = []
    for path, units, clones in places:
        host: Any = model.get_submodule(path)
        build: Any = nn.utils.skip_init
        head = build(nn.Linear, units, n_out)
        with torch.no_grad():
            fresh = torch.empty(n_out, units).normal_(0.0, units**-0.5, generator=generator)
            head.weight.copy_(fresh)
            head.bias.zero_()
        attach(host, "gm_head", head, optimizers)
        slots.append(Head(clones))
        host.register_forward_hook(slots[-1])
    model.register_forward_hook(Heads(slots, weight))


def words_line(name: str, words: frozenset[str]) -> str:
    """A set of words as lines of source, the same in every process."""
    rows = [", ".join(map(repr, sorted(words)[at : at + 5])) for at in range(0, len(words), 5)]
    return "\n".join((f"{name} = {{", *(f"    {row}," for row in rows), "}"))


ANY = ("from typing import Any",)
plain(Headed, words_line("LOSSES", LOSSES), words_line("FOLLOWED", FOLLOWED), imports=ANY)
plain(Head, Slot, imports=ANY)
plain(Heads, Headed, imports=ANY)
plain(add_heads, Head, Heads, attach, imports=ANY)
