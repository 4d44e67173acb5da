"""Whether a process still writes a run file: a writer in WAL mode holds a lock on it for as long as it lives."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

SHARED_FIRST, SHARED_SIZE = 0x40000002, 510
"""The bytes that SQLite locks for sharing (SHARED_FIRST, SHARED_SIZE in its os.h); every connection in WAL mode does,
see https://www.sqlite.org/walformat.html, "Locks"."""


def has_writer(path: Path) -> bool | None:
    """True where another process of this machine holds the file open, False where none does, None where nobody can
    tell (no WAL on that disk, another system than Linux, the file may not be read).

    To be called where this process itself reads the file in no other thread: closing a file drops all locks that a
    process has on it.
    """
    if not sys.platform.startswith("linux"):
        return None
    import fcntl  # not there on every system

    layout = "hhqqi4x"  # struct flock of Linux on 64 bits: type, whence, start, length, pid
    try:
        with path.open("rb") as file:
            if file.read(19)[18:] != b"\x02":  # its writer holds no lock between two flushes
                return None
            wanted = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, SHARED_FIRST, SHARED_SIZE, 0)
            kind = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, wanted))[0]
    except (OSError, struct.error):
        return None
    return bool(kind != fcntl.F_UNLCK)
