"""Laws of recurrent nets: cells, nets through time, and one layer of an LSTM as torch has it on a CPU."""

from __future__ import annotations

from . import recurrent_cells, recurrent_layer, recurrent_time
from .law import Law

LAWS: tuple[Law, ...] = (*recurrent_cells.LAWS, *recurrent_time.LAWS, *recurrent_layer.LAWS)
