"""The JSON document of a walk, and the walk back out of it.

JSON has no nan and no infinity. Both are ``null`` in the document; a key of its own, ``infinite``, says where a
``null`` was an infinity, so that the same walk is read as was written: a layer that never moves needs infinitely many
steps, which is another answer than "not known".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from gradiometer.records import RunFileError, Walk
from gradiometer.records.walk import WALK_SCHEMA

from .documents import plain
from .refusals import reading

INFINITE = "infinite"
_SIGNS = {"Infinity": math.inf, "-Infinity": -math.inf}
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # byte order marks, the zeros of UTF-16, white space
_HEAD_BYTES = 64
SIZES = frozenset(["errors", "error_in", "error_out", "gain", "gain_autograd", "before", "after", "factor", "size"])
"""Keys of norms and of ratios of norms."""


def walk_document(walk: Walk) -> dict[str, Any]:
    """The walk as plain values, and under ``infinite`` the place (RFC 6901) and the sign of every infinite number.

    nan and infinities still stand in it: ``null`` is what a writer of JSON makes of them.
    """
    document: dict[str, Any] = msgspec.to_builtins(walk, enc_hook=plain)
    return document | {INFINITE: dict(_infinities(document, ""))}


def is_json(path: str | os.PathLike[str]) -> bool:
    """True where the file begins as a JSON object or list does; False too where it is missing or unreadable."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.lstrip(_BEFORE_JSON).startswith((b"{", b"["))


def open_walk(path: str | os.PathLike[str]) -> Walk:
    """The walk of a document that ``walk_document`` made.

    A ``null`` where a number is due is an infinity if ``infinite`` names its place, else nan. Raises RunFileError where
    the file is missing, no JSON, another document, of a newer version, or does not hold together.
    """
    file = Path(path)
    with reading(file):
        document = _parsed(file.read_bytes())
        if not isinstance(document, dict) or document.get("kind") != "walk":
            raise RunFileError(_no_walk(file, document))
        schema = document.get("schema")
        if isinstance(schema, int) and schema > WALK_SCHEMA:
            raise RunFileError(
                f"Cannot read {file}: it has schema {schema}, and this version reads {WALK_SCHEMA}. "
                "Update Gradiometer, or write it again with gradiometer explain --json."
            )
        return _walk(document)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_walk(file: Path, document: Any) -> str:
    kind = document.get("kind") if isinstance(document, dict) else None
    what = f"its kind is {kind!r}" if isinstance(kind, str) else "it is JSON"
    return (
        f"Cannot read {file}: {what}, and it holds no walk. The JSON that a page is made of is written by "
        "gradiometer explain --json; a run or a trial is read from its .gmr file."
    )


def _walk(document: dict[str, Any]) -> Walk:
    for place, sign in _places(document.pop(INFINITE, {})):
        _put(document, place, sign)
    try:
        walk = msgspec.convert(_filled(document, inspect.type_info(Walk)), Walk)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    stations = len(walk.stations)
    if not stations == len(walk.labels) == len(walk.errors) == max(stations, len(walk.hops) + bool(walk.hops)):
        raise ValueError("its stations, labels, errors and hops are not of one length")
    if [h.number for h in walk.hops] != list(range(1, len(walk.hops) + 1)):
        raise ValueError("its hops are not numbered from 1 in their order")
    below = next(_below_zero(document, ""), None)
    if below is not None:
        raise ValueError(f"{below} is a norm, or a ratio of two, and is below 0")
    return walk


def _below_zero(value: Any, name: str) -> Iterator[str]:
    """Names of sizes and gains that no measurement gives. value: of JSON; name: the key under which it stands."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _below_zero(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _below_zero(one, name)
    elif name in SIZES and isinstance(value, int | float) and value < 0:
        yield name


# ---- infinities --------------------------------------------------------------------------------------------------


def _infinities(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, float) and math.isinf(value):
        yield place, "Infinity" if value > 0 else "-Infinity"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _infinities(one, f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple):
        for i, one in enumerate(value):
            yield from _infinities(one, f"{place}/{i}")


def _places(infinite: Any) -> Iterator[tuple[str, float]]:
    """Place and value of each. ValueError where the key is not as it was written."""
    if not isinstance(infinite, dict) or not all(isinstance(s, str) and s in _SIGNS for s in infinite.values()):
        raise ValueError(f"{INFINITE} is no table of places and signs")
    yield from ((place, _SIGNS[sign]) for place, sign in infinite.items())


def _put(document: dict[str, Any], place: str, value: float) -> None:
    """Exchange the null at a place. ValueError where there is none."""
    at: Any = document
    key: Any = None
    try:
        for word in place.split("/")[1:]:
            at = at if key is None else at[key]
            key = int(word) if isinstance(at, list) else word.replace("~1", "/").replace("~0", "~")
        here = at[key]
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"there is no {place!r}, which is said to be infinite") from error
    if here is not None:
        raise ValueError(f"{place!r} is said to be infinite, and is {type(here).__name__}")
    at[key] = value


# ---- nulls -------------------------------------------------------------------------------------------------------


def _filled(value: Any, kind: inspect.Type) -> Any:
    """``value`` with nan for each null where the type asks for a number; what does not fit is left to msgspec."""
    match kind:
        case inspect.FloatType():
            return math.nan if value is None else value
        case inspect.UnionType(types=types):
            return _filled_union(value, types)
        case inspect.StructType(fields=fields) if isinstance(value, dict):
            known = {f.encode_name: f.type for f in fields}
            return {k: _filled(v, known[k]) if k in known else v for k, v in value.items()}
        case inspect.DictType(value_type=each) if isinstance(value, dict):
            return {k: _filled(v, each) for k, v in value.items()}
        case inspect.VarTupleType(item_type=each) if isinstance(value, list):
            return [_filled(v, each) for v in value]
        case inspect.TupleType(item_types=each_of) if isinstance(value, list) and len(value) == len(each_of):
            return [_filled(v, each) for v, each in zip(value, each_of, strict=True)]
    return value


def _filled_union(value: Any, types: tuple[inspect.Type, ...]) -> Any:
    """None where the type has it, and the one other type of the union is asked; a number or a truth may be nan."""
    if value is None:
        return None if any(isinstance(t, inspect.NoneType) for t in types) else math.nan
    inner = [t for t in types if not isinstance(t, inspect.NoneType)]
    return _filled(value, inner[0]) if len(inner) == 1 else value
