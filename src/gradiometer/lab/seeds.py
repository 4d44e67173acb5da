"""Seeds of independent streams, made from the one seed of a recipe."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What is drawn. The numbers are part of what a seed means: never change one."""

    BATCHES = 1
    DROPOUT = 2
    HINTS = 3
    PRETRAIN_BATCHES = 4
    PRETRAIN_HEADS = 5


def mixed(seed: int, stream: Stream, index: int = 0) -> int:
    """A seed in [0, 2³²) for the index-th draw of a stream: other seeds, streams or indices give unrelated ones."""
    return int(np.random.SeedSequence((seed, int(stream), index)).generate_state(1)[0])
