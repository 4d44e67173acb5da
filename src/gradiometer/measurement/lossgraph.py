"""Which loss stands at the root of a backward pass: read off the autograd graph, module or function alike."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..records import LossSeen

FEW_PER_CLASS = 10  # targets a class below which a batch's class shares say too little: ln K is taken instead
DEPTH = 12  # nodes walked down from the root before the loss is given up as unknown
LOSS_NODES: dict[str, str] = {
    "MseLoss": "mse",
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce_logits",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "MultiMarginLoss": "multi_margin",
    "MultilabelMarginLoss": "multilabel_margin",
    "SoftMarginLoss": "soft_margin",
    "CtcLoss": "ctc",
    "CudnnCtcLoss": "ctc",
    "KlDiv": "kl_div",
}
FEEDERS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid", "Relu": "relu", "Tanh": "tanh"}
_PASS = frozenset({"View", "Squeeze", "Unsqueeze", "ReshapeAlias", "UnsafeView", "ToCopy", "Select", "Slice", "Clone"})
_SCALING = frozenset({"Mul", "Div", "Mean", "Sum", "Add", "Neg", "ToCopy", "View", "Squeeze"})


def find_loss(root: Any, model: str, readable: bool = True) -> LossSeen:
    """The loss under the root node: its kind, what feeds it, its reduction, its targets and its trivial level.

    readable False: saved tensors lie behind hooks, and reading one would run the user's forward again.
    """
    node = _loss_node(root)
    if node is None:
        return LossSeen(model=model)
    kind = LOSS_NODES[_name(node)]
    feeders = _feeders(node)
    if kind == "nll" and feeders[:1] == ["log_softmax"]:
        kind, feeders = "cross_entropy", feeders[1:]
    try:
        prediction = _saved(node, "_saved_self") if readable else None
        target = _saved(node, "_saved_target") if readable else None
        reduction = {0: "none", 1: "mean", 2: "sum"}.get(_reduction(node), "")
    except RuntimeError:
        prediction = target = None
        reduction = ""
    return _describe(LossSeen(model=model, kind=kind, reduction=reduction, pre="/".join(feeders)), prediction, target)


def _name(node: Any) -> str:
    name: str = node.name()
    return name.split("Backward")[0]


def _loss_node(root: Any) -> Any:
    """The first loss node at most DEPTH nodes down through scalings and sums; None where there is none."""
    level = [root]
    for _ in range(DEPTH):
        below = []
        for node in level:
            if _name(node) in LOSS_NODES:
                return node
            if _name(node) in _SCALING:
                below += [c for c, _ in node.next_functions if c is not None]
        if not below:
            return None
        level = below[:16]
    return None


def _feeders(node: Any) -> list[str]:
    """The activations that stand directly before the loss, nearest first."""
    out: list[str] = []
    current = node.next_functions[0][0] if node.next_functions else None
    for _ in range(6):
        if current is None:
            break
        name = _name(current)
        if name in FEEDERS:
            out.append(FEEDERS[name])
        elif name not in _PASS:
            break
        current = current.next_functions[0][0] if current.next_functions else None
    return out


def _saved(node: Any, name: str) -> Tensor | None:
    value = getattr(node, name, None)
    return value.detach() if isinstance(value, Tensor) else None


def _reduction(node: Any) -> int:
    value = getattr(node, "_saved_reduction", -1)
    return value if isinstance(value, int) else -1


def _describe(loss: LossSeen, prediction: Tensor | None, target: Tensor | None) -> LossSeen:
    outputs = batch = 0
    low = high = target_low = target_high = math.nan
    trivial: float | None = None
    floor: float | None = (
        0.0 if loss.kind in {"mse", "cross_entropy", "bce", "bce_logits", "smooth_l1", "huber"} else None
    )
    kind = ""
    if prediction is not None and prediction.numel():
        outputs = int(prediction.shape[1]) if prediction.dim() > 1 else 1
        batch = int(prediction.shape[0]) if prediction.dim() else 1
        low, high = float(prediction.min()), float(prediction.max())
    if target is not None and target.numel() and not target.is_complex():
        kind = "real" if target.is_floating_point() else "class"
        target_low, target_high = float(target.min()), float(target.max())
        trivial = _trivial(loss, outputs, target)
    return LossSeen(
        model=loss.model,
        kind=loss.kind,
        reduction=loss.reduction,
        pre=loss.pre,
        outputs=outputs,
        batch=batch,
        trivial=trivial,
        floor=floor,
        input_min=low,
        input_max=high,
        target_min=target_low,
        target_max=target_high,
        target_kind=kind,
    )


def _trivial(loss: LossSeen, outputs: int, target: Tensor) -> float | None:
    """Loss of the best constant prediction on these targets; None where it is not known or the reduction is a sum."""
    if loss.reduction != "mean":
        return None
    if loss.kind in {"cross_entropy", "nll"} and not target.is_floating_point():
        if target.numel() < FEW_PER_CLASS * outputs:
            return math.log(outputs) if outputs > 1 else None
        counts = torch.bincount(target.flatten().clamp_min(0), minlength=max(outputs, 1)).double()
        p = counts[counts > 0] / counts.sum()
        return float(-(p * p.log()).sum())
    if target.numel() < FEW_PER_CLASS:
        return None
    if loss.kind == "mse":
        t = target.double()
        mean = t.mean(0, keepdim=True) if t.dim() > 1 else t.mean()
        return float(((t - mean) ** 2).mean())
    if loss.kind in {"bce", "bce_logits"}:
        t = target.double()
        p = (t.mean(0, keepdim=True) if t.dim() > 1 else t.mean()).clamp(1e-12, 1 - 1e-12)
        return float(-(t * p.log() + (1 - t) * (1 - p).log()).mean())
    return None
