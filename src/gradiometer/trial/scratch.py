"""A folder of its own for every run: what one run writes, no other one finds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

COPIED_BYTES = 16 * 2**20  # of the user's folder, for every run; what goes beyond it is linked
COPIED_FILES = 2000
LEFT_OUT = frozenset({".git", ".venv", "venv", "__pycache__", "node_modules", "gradiometer-runs", ".mypy_cache"})


def make_scratch(folder: Path, scratch: Path) -> None:
    """Give ``scratch`` what lies in ``folder``: small files as copies, so that a run may write into them.

    Files are copied until COPIED_BYTES or COPIED_FILES is reached, the smallest of each folder first; the others, and
    what is neither file nor folder, are links to the originals. Folders of version control and environments are left
    out. Hidden files of the user's are kept.
    """
    left = [COPIED_BYTES, COPIED_FILES]
    _mirror(folder, scratch, left)


def _mirror(folder: Path, scratch: Path, left: list[int]) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    files: list[tuple[int, os.DirEntry[str]]] = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name in LEFT_OUT:
                continue
            if entry.is_dir(follow_symlinks=False):
                if left[1] > 0:
                    _mirror(Path(entry.path), scratch / entry.name, left)
                else:
                    (scratch / entry.name).symlink_to(entry.path, target_is_directory=True)
            elif entry.is_file():
                files.append((entry.stat().st_size, entry))
            else:
                (scratch / entry.name).symlink_to(entry.path)
    for size, entry in sorted(files, key=lambda f: (f[0], f[1].name)):
        _place(entry, size, scratch, left)


def _place(entry: os.DirEntry[str], size: int, scratch: Path, left: list[int]) -> None:
    if size <= left[0] and left[1] > 0:
        left[0] -= size
        left[1] -= 1
        shutil.copy2(entry.path, scratch / entry.name)
    else:
        (scratch / entry.name).symlink_to(Path(entry.path).resolve())
