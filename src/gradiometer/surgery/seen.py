"""Inputs standardised by the examples that have come so far, where they come one by one. Plain PyTorch, for patches."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .joining import fill_missing_keys
from .steps import plain


def standardise_seen(root: Any, args: Any) -> Any:
    """Forward pre-hook of the whole network: (x − mean)/std, column by column, over the first examples of the training.

    ``gm_passes``: how many were looked at, ``gm_rows``: how many rows they had (positions of an image); ``gm_mean``,
    ``gm_square``: means of these, and sums of squares around the means, added up as by Chan. After ``gm_examples``
    passes, and outside of training, nothing is added. A column whose deviation is below ``gm_floor`` of the overall one
    is divided by that; a deviation of 0 counts as 1.
    """
    x = args[0]
    if root.training and torch.is_grad_enabled():
        with torch.no_grad():
            rows = x.detach().double().movedim(root.gm_axis, -1).reshape(-1, len(root.gm_mean))
            there = root.gm_rows
            fresh = len(rows) * (root.gm_passes < root.gm_examples)
            share, mean = fresh / (there + fresh).clamp(min=1), rows.mean(0)
            apart = mean - root.gm_mean
            inside = ((rows - mean) ** 2).sum(0) * (fresh > 0)
            root.gm_square.add_(inside + apart**2 * there * share)
            root.gm_mean.add_(apart * share)
            root.gm_rows.add_(fresh)
            root.gm_passes.add_(fresh > 0)
    rows = root.gm_rows.clamp(min=1)
    variance = root.gm_square / rows
    whole = (variance.mean() + root.gm_mean.var(correction=0)).sqrt()
    std = variance.sqrt()
    std = torch.where(std < root.gm_floor * whole, whole, std)
    std = torch.where(std > 0, std, torch.ones_like(std))
    shape = [1] * x.dim()
    shape[root.gm_axis] = len(std)
    return ((x - root.gm_mean.view(shape).to(x.dtype)) / std.view(shape).to(x.dtype), *args[1:])


def add_seen_standardisation(model: nn.Module, columns: int, axis: int, examples: int, floor: float) -> None:
    """Standardise what the network reads by its first ``examples`` passes. axis: of the columns in an input."""
    device = next((p.device for p in model.parameters()), None)
    root: Any = model
    root.gm_axis, root.gm_examples, root.gm_floor = axis, examples, floor
    for name, n in (("gm_mean", (columns,)), ("gm_square", (columns,)), ("gm_rows", ()), ("gm_passes", ())):
        root.register_buffer(name, torch.zeros(n, dtype=torch.float64, device=device))
    root.register_forward_pre_hook(standardise_seen, prepend=True)
    root.register_load_state_dict_pre_hook(fill_missing_keys)


ANY = ("from typing import Any",)
plain(standardise_seen, imports=ANY)
plain(add_seen_standardisation, standardise_seen, fill_missing_keys, imports=ANY)
