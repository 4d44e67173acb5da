"""A cure that is to be applied, and what it changed: values, without the network that they are about."""

from __future__ import annotations

import msgspec

from .network import Scalar
from .showing import Shows


class Prescription(msgspec.Struct, frozen=True):
    """One cure for one network.

    cure: its name in the catalog. params: settings by name, those that are not named keep the catalog's default.
    targets: paths of modules that it is confined to (with all that lies inside them), () for the whole network.
    because: the cause that it answers, "" where nobody diagnosed one.
    """

    cure: str
    params: dict[str, Scalar] = {}
    targets: tuple[str, ...] = ()
    because: str = ""


class Change(msgspec.Struct, frozen=True):
    """One change. site: module, parameter or optimizer group; what: the quantity or part; before and after in words."""

    site: str
    what: str
    before: str
    after: str


class Receipt(Shows, msgspec.Struct, frozen=True):
    """What an applied cure changed, in order. The receipt that can undo it is ``surgery.LiveReceipt``."""

    prescription: Prescription
    changes: tuple[Change, ...] = ()
