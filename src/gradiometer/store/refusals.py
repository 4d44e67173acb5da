"""What the disk or the file refuses, in words: every failure of the store is a RunFileError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gradiometer.records import RunFileError

NO_RUN_FILE = "it is no run file. Run files end in .gmr and are written by gradiometer run."

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_UNREADABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR_SHM", "SQLITE_IOERR_LOCK", "SQLITE_PROTOCOL")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of the disk while ``path`` is written become RunFileError."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunFileError(f"Cannot write {path}: {_write_reason(error)}") from error
    except OSError as error:
        raise RunFileError(f"Cannot write {path}: {_os_reason(error)}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of the file while ``path`` is read become RunFileError."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunFileError(f"Cannot read {path}: {_cut_short(path) or _read_reason(error)}") from error
    except OSError as error:
        raise RunFileError(f"Cannot read {path}: {_os_reason(error)}") from error
    except (ValueError, TypeError) as error:  # TypeError: a text stands where a number was written
        raise RunFileError(f"Cannot read {path}: it is damaged ({error}). Take an undamaged copy.") from error


def needs_copy(error: sqlite3.Error) -> bool:
    """True where SQLite must write beside the file in order to read it, and may not: a copy elsewhere can be read."""
    return _name(error).startswith(_UNREADABLE)


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def _write_reason(error: sqlite3.Error) -> str:
    name = _name(error)
    if name == "SQLITE_FULL":
        return "the disk is full. Free some space, or record to another disk with --out."
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return "the folder does not allow it. Record to another folder with --out."
    if name.startswith("SQLITE_BUSY"):
        return "another program holds it locked. Close what has it open for writing."
    return f"the disk refused ({error}). Check its free space and quota, or record to another disk with --out."


def _read_reason(error: sqlite3.Error) -> str:
    name = _name(error)
    if name == "SQLITE_NOTADB":
        return NO_RUN_FILE
    if name.startswith("SQLITE_BUSY"):
        return "its writer holds it locked at this moment. Try again."
    if not name or name.startswith(("SQLITE_CORRUPT", "SQLITE_ERROR", "SQLITE_IOERR_SHORT_READ", "SQLITE_MISMATCH")):
        return f"it is damaged ({error}). Take an undamaged copy."
    return f"the disk refused ({error})."


def _cut_short(path: Path) -> str:
    """What to say of a file that has fewer bytes than its header tells; "" of any other."""
    if path.with_name(path.name + "-wal").exists():  # then its last pages may lie there
        return ""
    found = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if not head.startswith(_MAGIC):
        return ""
    page_bytes = int.from_bytes(head[16:18], "big")
    expected = (65536 if page_bytes == 1 else page_bytes) * int.from_bytes(head[28:32], "big")
    if found >= max(expected, _HEADER_BYTES):
        return ""
    return cut_short(found, expected if len(head) == _HEADER_BYTES else None)


def cut_short(found_bytes: int, expected_bytes: int | None) -> str:
    """What to say of a file that lacks its end. None: even its header is cut."""
    of = "" if expected_bytes is None else f" of {expected_bytes}"
    return f"it is cut short, {found_bytes}{of} bytes are there. Copy it again."


def _os_reason(error: OSError) -> str:
    return f"{error.strerror or error}. Check the path and its permissions." if error.errno else str(error)
