"""The task text: from a window of characters of the user's file to the next character."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import torch

from gradiometer.records import UserError

from ..recipe import Recipe
from .files import existing_file, read_head
from .splits import Array, generator
from .task import Split, Task

WINDOW, LONGEST_WINDOW = 32, 1024
LARGEST_BYTES = 4 * 2**20  # the rest of a longer file is not read
LARGEST_VOCABULARY = 96  # with the symbol that stands for all rarer characters
BLOCKS = 20  # in which the file is cut: 12 to learn from, 4 to validate, 4 to test
CUTS = (12, 16)
MOST_WINDOWS = (12000, 4000, 4000)
MOST_NUMBERS = 40_000_000  # one-hot, of the training split: 160 MB when it is read as one batch


def load_text(recipe: Recipe) -> Task:
    """Windows of ``length`` characters, one-hot, and the character after each as the class.

    The file is cut into 20 blocks, dealt to the splits by ``data_seed``; no window crosses a block's edge, so that no
    character is in two splits. The vocabulary holds what the training windows ask for: the most frequent characters,
    and one symbol for all others. Inputs are never standardised.
    """
    length = recipe.length or WINDOW
    if length > LONGEST_WINDOW:
        raise UserError(f"The task text reads windows of 1 to {LONGEST_WINDOW} characters, not length={length}.")
    text = _read(recipe.data, length)
    starts = _starts(text, length, generator(recipe))
    symbols = _symbols(text, text[starts[0] + length])
    if (symbols[starts[0] + length] == symbols[starts[0][0] + length]).all():
        raise UserError(f"{recipe.data}: the character to predict is always the same. Give a text that varies.")
    train, validation, test = (_split(symbols, part, length) for part in starts)
    size = int(symbols.max()) + 1
    return Task(
        name="text",
        goal="classification",
        forms={"sequence": (length, size), "vector": (length * size,), "grid": (size, length)},
        n_out=size,
        train=train,
        validation=validation,
        test=test,
        words=f"{Path(recipe.data).name}, {len(text)} characters, {size} symbols: the next character after {length}; "
        f"{len(train)} windows to learn from, {len(validation)} to validate and {len(test)} to test, from different "
        "parts of the file",
        axes={"grid": (1, 0)},
        symbols=size,
    )


def _read(name: str, length: int) -> Array:
    """The code points of the file's text."""
    head = read_head(existing_file(name), LARGEST_BYTES)
    if not head:
        raise UserError(f"{name} is empty. Give a text file in UTF-8.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{name} is UTF-16. Save it as UTF-8.")
    try:  # not final: the last character may be cut where the reading stops
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(head) < LARGEST_BYTES)
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is no UTF-8 text: byte {error.start + 1} cannot be read. Save it as UTF-8.") from error
    text = text.replace("\r\n", "\n")
    least = BLOCKS * (length + 1)
    if len(text) < least:
        raise UserError(
            f"{name} has {len(text)} characters, and windows of {length} need at least {least}. "
            "Give a longer text or a smaller length."
        )
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _starts(text: Array, length: int, rng: np.random.Generator) -> list[Array]:
    """Where the windows of each split begin: everywhere in its blocks, or at as many places as the limits allow."""
    edges = np.linspace(0, len(text), BLOCKS + 1).astype(int)
    blocks = np.stack([edges[:-1], edges[1:]], axis=1)[rng.permutation(BLOCKS)]  # [block, (start, end)]
    a_window = length * min(LARGEST_VOCABULARY, len(np.unique(text)))  # numbers
    share = min(1.0, MOST_NUMBERS / (MOST_WINDOWS[0] * a_window))
    places = [np.concatenate([np.arange(a, b - length) for a, b in part]) for part in np.split(blocks, CUTS)]
    return [rng.permutation(p)[: max(1, int(most * share))] for p, most in zip(places, MOST_WINDOWS, strict=True)]


def _symbols(text: Array, asked: Array) -> Array:
    """The text in symbols: 0, 1, ... for the known characters in order, the last one for all others, if there are any.

    asked: what the training windows ask for.
    """
    known, count = np.unique(asked, return_counts=True)
    known = known[np.argsort(-count, kind="stable")][:LARGEST_VOCABULARY]
    if not np.isin(text, known).all():
        known = known[:-1]  # the rarest joins the others, so that their symbol is asked for in training too
    known = np.sort(known)
    place = np.searchsorted(known, text).clip(max=max(0, len(known) - 1))
    return np.where(np.isin(text, known), place, len(known)).astype(np.int64)


def _split(symbols: Array, starts: Array, length: int) -> Split:
    windows = symbols[starts[:, None] + np.arange(length)]  # [example, time]
    return Split(torch.from_numpy(windows), torch.from_numpy(symbols[starts + length]))
