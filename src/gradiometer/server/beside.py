"""The dashboard beside a training: started by ``gradiometer run --live`` as a process of its own.

``python -m gradiometer.server.beside`` reads one line of JSON from its standard input: folder, the number of a
listening socket that it inherits, token, the address to open ("" for none). It ends some time after its parent.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from .serve import BesideTraining, Place, opened_in_browser, serve

NICE = 10


class Asked(msgspec.Struct, frozen=True):
    """What the parent writes. The token comes this way because others can see the arguments of a process.

    parent: its number, since a short script may have ended before this process has come so far.
    """

    folder: str
    socket: int
    token: str
    parent: int
    open: str = ""
    linger_s: float = 60.0


def main() -> None:
    """Serve until the training has ended and nobody looks any more."""
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked)
    with contextlib.suppress(OSError):
        os.nice(NICE)  # the training goes first

    def on_up(url: str) -> None:
        if asked.open:
            opened_in_browser(asked.open)

    serve(
        Place(
            Path(asked.folder),
            token=asked.token,
            inherited=asked.socket,
            on_up=on_up,
            is_over=BesideTraining(lambda: os.getppid() != asked.parent, asked.linger_s),
        )
    )


if __name__ == "__main__":
    main()
