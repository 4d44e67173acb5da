"""What every reference network is made of: a stem, blocks, and a head on what is read of the last block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from gradiometer.records import UserError

StemRole = Literal["signal", "pre", "unit"]


@dataclass(frozen=True, slots=True)
class Ports:
    """What a task demands of a network. shape: of one example in the network's form, without the batch axis."""

    shape: tuple[int, ...]
    n_out: int


class Outputs(NamedTuple):
    """What a network with auxiliary heads gives in training mode: its own output, and those of the heads."""

    main: Tensor  # [example, output]
    auxiliary: tuple[Tensor, ...]  # each [example, output]


class LabNetwork(nn.Module):
    """A reference network. Its hop gain is measured between the outputs of ``blocks[0]`` and ``blocks[-1]``.

    stem: from the input to the width (may be an identity). blocks: ``depth`` of them. head: linear, to the outputs.
    stem_role: what the stem's output stands for, which decides its size under a critical initialisation: a ``signal``
    as an activation gives it, a ``pre``-activation, or numbers of ``unit`` variance.
    Each class says its law in its docstring, and states numbers of it in lines that ``lab.statements`` reads.
    """

    stem_role: ClassVar[StemRole] = "signal"

    def __init__(self, stem: nn.Module, blocks: nn.ModuleList, head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, blocks, head

    def states(self, x: Tensor) -> list[Tensor]:
        """What each block puts out, first block first."""
        x = first = self.stem(x)
        out = []
        for block in self.blocks:
            x = self.advance(block, x, first)
            out.append(x)
        return out

    def advance(self, block: nn.Module, x: Tensor, first: Tensor) -> Tensor:
        """One block further. first: the stem's output, for networks whose blocks read it."""
        out: Tensor = block(x)
        return out

    def pool(self, x: Tensor) -> Tensor:
        """What the head reads of the last block: [example, unit]."""
        return x

    def forward(self, x: Tensor) -> Tensor | Outputs:
        out: Tensor = self.head(self.pool(self.states(x)[-1]))
        return out


def features(ports: Ports) -> int:
    """Numbers of one example of a network that reads vectors."""
    _axes(ports, (1,), "vectors: (features,)")
    return ports.shape[0]


def channels(ports: Ports) -> tuple[int, int]:
    """(channels, axes) of one example of a network that reads grids."""
    _axes(ports, (2, 3), "grids: (channels, length) or (channels, height, width)")
    return ports.shape[0], len(ports.shape) - 1


def steps(ports: Ports) -> tuple[int, int]:
    """(time steps, features) of one example of a network that reads sequences."""
    _axes(ports, (2,), "sequences: (time, features)")
    return ports.shape[0], ports.shape[1]


def _axes(ports: Ports, allowed: tuple[int, ...], words: str) -> None:
    if len(ports.shape) not in allowed or min(ports.shape) < 1:
        raise UserError(f"An example has shape {ports.shape}, but this network reads {words}.")
