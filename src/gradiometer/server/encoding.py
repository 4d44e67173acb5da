"""Documents as JSON: nan and infinities are null, numbers of NumPy are plain ones."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np


def encoded(document: object) -> bytes:
    """One line of JSON. TypeError where the document holds what JSON has no word for."""
    return msgspec.json.encode(document, enc_hook=_plain)


def _plain(value: Any) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON has no word for a {type(value).__name__}.")
