"""New parameters in a network that an optimizer already trains, and in checkpoints that were written before.

Everything here is plain PyTorch: its source goes into patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .steps import plain


def join_group(optimizers: Sequence[torch.optim.Optimizer], beside: Tensor, fresh: Tensor) -> int:
    """Let ``fresh`` be trained in every group that trains ``beside``; the number of groups that took it.

    It is appended to the group: a group of its own would break schedulers that were built before.
    """
    joined = 0
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if any(p is beside for p in group["params"]):
                group["params"].append(fresh)
                joined += 1
    return joined


def fill_missing_keys(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Let a checkpoint from before the change load strictly: the keys ``gm_*`` that it lacks keep their values."""
    for name, value in module.state_dict(prefix=prefix).items():
        if name.removeprefix(prefix).startswith("gm_"):
            state.setdefault(name, value)


plain(join_group, imports=("from collections.abc import Sequence",))
plain(fill_missing_keys, imports=("from typing import Any",))
