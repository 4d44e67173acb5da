"""What every reference network is made of: a stem, blocks, a head."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Outputs(NamedTuple):
    """What a network with auxiliary heads gives in training mode: its own output, and those of the heads."""

    main: Tensor  # [example, output]
    auxiliary: tuple[Tensor, ...]  # each [example, output]


class LabNetwork(nn.Module):
    """A reference network. Its hop gain is measured between the outputs of ``blocks[0]`` and ``blocks[-1]``.

    stem: from the input to the width (may be an identity). blocks: ``depth`` of them. head: linear, to the outputs.
    """

    def __init__(self, stem: nn.Module, blocks: nn.ModuleList, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, blocks, head

    def forward(self, x: Tensor) -> Tensor | Outputs:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(x)
        return out
