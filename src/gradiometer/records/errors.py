"""The error tree, by who must act.

GradiometerError
├── UserError       the call is wrong: an argument, a double use, a missing extra
├── ModelError      the network or its loss cannot be measured as it is
└── RunFileError    the run file is missing, foreign, damaged or from another version

Every message says what was seen, where, and what to do.
"""

from __future__ import annotations


class GradiometerError(Exception):
    """Base of every error that Gradiometer raises on purpose."""


class UserError(GradiometerError):
    """The call is wrong: change an argument or the order of calls."""


class ModelError(GradiometerError):
    """The network, its loss or its optimizer cannot be measured as it is."""


class RunFileError(GradiometerError):
    """A run file cannot be read or written."""
