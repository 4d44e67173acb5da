"""A cure by its name, and the settings of a prescription against those that the catalog has."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..records import Scalar, UserError
from .entries import ENTRIES
from .entry import Entry, Param

SEED = Param("seed", 0, "of the random numbers that it draws; the global generators are not touched")
"""Every cure that is applied has it."""

RATE_CURES = frozenset({"lower-lr", "raise-lr"})
"""Cures that are nothing but another learning rate, their setting ``factor`` times the script's."""
DEGREES = {"mse": 2, "l1": 1, "smooth_l1": 1, "huber": 1}
"""Kind of a loss of numbers -> its degree in large differences: that of standardised targets is std^degree smaller."""
FITTING_OUTPUTS = {"nll": "log_softmax", "bce": "sigmoid"}
"""Kind of a loss of probabilities (see ``LossSeen``) -> the function that a raw output needs before it."""


def entry_of(name: str) -> Entry:
    """The catalog's entry of that name. UserError where there is none, with the names that are near."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    near = difflib.get_close_matches(name, [e.name for e in ENTRIES], 3)
    told = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UserError(f"There is no cure {name!r}.{told} `gradiometer cures` lists them.")


def in_general(entry: Entry) -> str:
    """The edit without the numbers of a network."""
    return entry.edit.replace("{recipe}", "sigma_w2 = 1/D2 of the activation").replace("{rate_tenth}", "lr / 10")


def settings_of(entry: Entry, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """All settings of a cure: the given ones as the type of their default, the others at their default.

    Text is read as a command line has it: ``4``, ``0.1``, ``true``. UserError for an unknown name or a value that is
    none of that type.
    """
    known = {p.name: p for p in (*entry.params, SEED)}
    for name in given:
        if name not in known:
            has = ", ".join(known)
            raise UserError(f"The cure {entry.name} has no setting {name!r}. It has: {has}.")
    return {p.name: _read(entry, p, given[p.name]) if p.name in given else p.default for p in known.values()}


def read_cure(written: str) -> tuple[str, dict[str, Scalar]]:
    """``leaky:slope=0.1,seed=3`` as a command line has it: the cure's name, and its settings, still as text.

    Neither is looked up. UserError where a setting is not written as SETTING=VALUE.
    """
    name, _, rest = written.partition(":")
    given: dict[str, Scalar] = {}
    for part in filter(None, rest.split(",")):
        setting, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not setting or not value or ":" in setting or "=" in value:
            raise UserError(f"--cure {written}: {part!r} is no SETTING=VALUE. Commas stand between settings.")
        given[setting] = value
    return name, given


def _read(entry: Entry, param: Param, value: Scalar) -> Scalar:
    wanted = type(param.default)
    try:
        if isinstance(value, wanted) and (wanted is not int or not isinstance(value, bool)):
            return value
        if wanted is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if wanted is str or value is None or isinstance(value, bool):
            raise ValueError
        number = float(value)
        if wanted is int and number != int(number):
            raise ValueError
        return wanted(number)
    except (ValueError, KeyError, OverflowError):
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[wanted]
        raise UserError(f"The cure {entry.name} got {param.name}={value!r}. It wants {kind}.") from None
