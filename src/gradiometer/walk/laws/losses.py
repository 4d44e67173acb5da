"""Laws of losses: elementwise, over classes, with margins. ``reduction`` in the settings is none, mean or sum."""

from __future__ import annotations

from . import losses_classes, losses_elementwise, losses_margins
from .law import Law

LAWS: tuple[Law, ...] = (*losses_elementwise.LAWS, *losses_classes.LAWS, *losses_margins.LAWS)
