"""Records as JSON text, lossless.

msgspec checks the types on the way in and out. The text itself is written by the standard library, because JSON
through ``msgspec.json`` turns nan and inf into null, and cannot carry the lone surrogates with which Python spells a
file name that is not UTF-8.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")


def to_text(value: object) -> str:
    """A record as JSON. nan and inf are written as ``NaN`` and ``Infinity``; everything non-ASCII is escaped."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=plain), separators=(",", ":"))


def from_text(text: str, kind: type[T]) -> T:
    """The record that was written. ValueError where the text is no JSON or does not fit the type."""
    try:
        return msgspec.convert(json.loads(text), kind)
    except (msgspec.MsgspecError, RecursionError, TypeError) as error:
        raise ValueError(f"unreadable {kind}: {error}") from error


def from_texts(texts: list[str], kind: type[T]) -> list[T]:
    """Many records at once: one parse is several times faster than one a row."""
    return from_text(f"[{','.join(texts)}]", list[kind])  # type: ignore[valid-type]


def plain(value: Any) -> object:
    """NumPy scalars as Python numbers; anything else is a mistake of the caller."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A record holds a {type(value).__name__}, which no run file can keep.")
