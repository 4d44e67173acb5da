"""A file of the user's: found, small enough, and what kind of thing is in it."""

from __future__ import annotations

from pathlib import Path

from gradiometer.records import UserError

LARGEST_BYTES = 512 * 2**20  # a table's numbers are bounded apart; this is for what is read on the way to them
HEAD_BYTES = 64 * 2**10


def existing_file(name: str) -> Path:
    """The path of a file that is there. UserError where it is not, or is no file, or is too large."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            raise UserError(f"{name} is a folder. Name a file in it.")
        if not path.exists():
            raise UserError(f"There is no file {name}. The path is read from {Path.cwd()}.")
        if not path.is_file():
            raise UserError(f"{name} is no regular file. Copy what it gives into one.")
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UserError(f"{name} cannot be read: {error}.") from error
    if size > LARGEST_BYTES:
        raise UserError(
            f"{name} has {size / 2**20:.0f} MiB, and at most {LARGEST_BYTES / 2**20:.0f} are read. Take a part of it."
        )
    return path


def read_head(path: Path, n_bytes: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file. UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(n_bytes)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
