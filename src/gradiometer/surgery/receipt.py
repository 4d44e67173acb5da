"""The receipt of an applied cure: what it changed, how to take it back, how to write it into the code."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

from torch import nn
from torch.optim import Optimizer

from ..catalog import Entry
from ..records import Change, Prescription, Receipt, UserError
from ..records.showing import Shows
from .patch import patch_of
from .refusals import forget_compiled
from .snapshot import Snapshot, fingerprint
from .steps import Step

_standing: weakref.WeakKeyDictionary[nn.Module, list[weakref.ref[LiveReceipt]]] = weakref.WeakKeyDictionary()


@dataclass(eq=False)
class LiveReceipt(Shows):
    """An applied cure. Holds a copy of the parameters, buffers and optimizer state from before, until it is undone.

    record: prescription and changes as a value, which can be stored.
    """

    record: Receipt
    entry: Entry = field(repr=False)
    seed: int = field(repr=False)
    steps: list[Step] = field(repr=False)
    where: str = field(default="", repr=False)
    _model: nn.Module | None = field(default=None, repr=False)
    _optimizers: tuple[Optimizer, ...] = field(default=(), repr=False)
    _before: Snapshot | None = field(default=None, repr=False)
    _after: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def prescription(self) -> Prescription:
        """The cure, its settings and targets."""
        return self.record.prescription

    @property
    def changes(self) -> tuple[Change, ...]:
        """Each change with before and after."""
        return self.record.changes

    @property
    def standing(self) -> bool:
        """Whether the cure is still applied: False once it was undone."""
        return self._model is not None

    def undo(self, *, discard_training: bool = False) -> None:
        """Put network and optimizer back, bit for bit, into the state at the moment of application.

        Parameters, buffers, modules, hooks and the optimizer's groups and state return to the same objects. What
        somebody else added to the network since then (a hook, an attribute) stays.
        UserError where it was undone already, where a later cure still stands, or where the network has been trained
        since: that training would be lost, unless ``discard_training=True``.
        """
        model, before = self._model, self._before
        if model is None or before is None:
            raise UserError(f"{self.prescription.cure} was undone already.")
        later = [r for r in _alive(model) if r is not self]
        if later and _alive(model).index(self) < len(later):
            raise UserError(f"{later[-1].prescription.cure} was applied after it. Undo that first.")
        moved = _moved(self._after, fingerprint(model, self._optimizers))
        if moved and not discard_training:
            raise UserError(
                f"The network has been trained since {self.prescription.cure} was applied ({moved} has changed). "
                "undo(discard_training=True) goes back all the same, to the weights from before."
            )
        before.restore()
        forget_compiled()
        _standing[model] = [weakref.ref(r) for r in later]
        self._model = self._before = None

    def as_patch(self) -> str:
        """The cure as one self-contained function of plain PyTorch, with a comment on where to call it.

        It makes the same calls with the same arguments: on the network as it was before, it leaves the same bits.
        """
        return patch_of(self.entry, self.steps, self.seed, self.where)

    def __str__(self) -> str:
        """The cure, and one line a change: site, what, before -> after."""
        cure, changes = self.prescription.cure, self.changes
        head = f"{cure}: {self.entry.title}, {len(changes)} change{'s' if len(changes) != 1 else ''}"
        sites = max((len(c.site) for c in changes), default=0)
        whats = max((len(c.what) for c in changes), default=0)
        return "\n".join((head, *(f"  {c.site:<{sites}}  {c.what:<{whats}}  {c.before} -> {c.after}" for c in changes)))


def hand_out(receipt: LiveReceipt, model: nn.Module) -> LiveReceipt:
    """Remember that the receipt stands for this network, after those that stand already."""
    _standing[model] = [*(weakref.ref(r) for r in _alive(model)), weakref.ref(receipt)]
    return receipt


def _alive(model: nn.Module) -> list[LiveReceipt]:
    found = (ref() for ref in _standing.get(model, ()))
    return [r for r in found if r is not None]


def _moved(before: dict[str, bytes], now: dict[str, bytes]) -> str:
    """The first name whose bits differ, "" where all are equal."""
    names = [*before, *(n for n in now if n not in before)]
    return next((n for n in names if before.get(n) != now.get(n)), "")
