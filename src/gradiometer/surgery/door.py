"""``gm.cure``: one cure for one network, by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ..records import Prescription, Scalar
from .apply import apply
from .passes import Loss
from .receipt import LiveReceipt

PACKAGE = __name__.partition(".")[0]


def cure(
    model: nn.Module,
    name: str,
    *,
    batch: Any = None,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    loss: Loss | None = None,
    targets: str | Sequence[str] = (),
    teacher: nn.Module | None = None,
    **settings: Scalar,
) -> LiveReceipt:
    """Apply a cure of the catalog (``gradiometer cures``) to a network, in place; the receipt can undo it.

    batch: what the network reads: a tensor, (inputs, targets), or a mapping of named arguments; with ``loss`` whatever
    ``loss(model, batch)`` takes. optimizer: one or several that hold the parameters already, so that new ones are
    trained too. targets: path of a module to confine it to, or several. teacher: a trained network to learn from, for
    the cures ``hints`` and ``distil``. settings: of this cure, and ``seed``.
    The receipt has ``changes``, each with before and after; ``undo()``, bit for bit; ``as_patch()``, the same change as
    one function of plain PyTorch. The global random generators are not touched.
    Raises UserError for a wrong call, ModelError where the network cannot take the cure; it is then as it was.
    """
    prescription = Prescription(name, dict(settings), (targets,) if isinstance(targets, str) else tuple(targets))
    receipt = apply(model, prescription, optimizer, batch, loss, teacher=teacher)
    place = place_of_caller(sys._getframe(1))
    receipt.where = f"in place of {place}, where gm.cure was called" if place else ""
    return receipt


def place_of_caller(frame: FrameType | None) -> str:
    """``train.py, line 12``: the nearest line of code that is neither Gradiometer's nor torch's, "" where none is."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in (PACKAGE, "torch") and not frame.f_code.co_filename.startswith("<"):
            return f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""
