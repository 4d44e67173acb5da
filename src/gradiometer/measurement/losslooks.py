"""Several looks at the loss of a model: over the passes of a step, and over the first steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import torch
from torch import Tensor

from ..records import LossSeen
from .lossgraph import LossLook, tell_loss
from .lossvalues import SAMPLE

LAST_STEP = 3  # full frames of steps 0..3 are looked at: a batch alone says too little of the targets
MOST_PASSES = 8  # backward passes of one step that are looked at
MORE_LOOKS = 3  # later ones, where the loss or its targets are still unknown

Signature = tuple[object, ...]


@dataclass(slots=True)
class _Pool:
    """One loss: the first look at it, and samples of its targets over all looks."""

    look: LossLook
    targets: list[list[Tensor]]
    looks: int = 1

    def told(self, model: str) -> LossSeen:
        return tell_loss(self.look, model, [_joined(own) for own in self.targets])

    def add(self, look: LossLook) -> None:
        self.looks += 1
        for own, term in zip(self.targets, look.terms, strict=True):
            new = term.target
            if new is None or sum(t.numel() for t in own) + new.numel() > SAMPLE:
                continue
            fits = all(t.shape[1:] == new.shape[1:] and t.dtype == new.dtype and t.dim() for t in own)
            if fits and not any(torch.equal(t, new) for t in own):
                own.append(new)


@dataclass(slots=True)
class _Model:
    pools: dict[Signature, _Pool] = field(default_factory=dict)
    passes: list[Signature] = field(default_factory=list)  # of one step, in their order
    most: int = 1
    seen: set[tuple[int, int]] = field(default_factory=set)
    later: int = 0
    told: LossSeen | None = None


class LossLooks:
    """The looks at the losses of all models. After an error in one there are no more."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self.broken = False

    def wants(self, model: str, step: int, number: int) -> bool:
        """True where pass ``number`` of a step should be looked at."""
        if self.broken:
            return False
        known = self._models.setdefault(model, _Model())
        if (step, number) in known.seen:
            return False
        if step <= LAST_STEP:
            return number < MOST_PASSES
        unknown = known.told is None or known.told.kind == "unknown" or not known.told.target_kind
        return unknown and number == 0 and known.later < MORE_LOOKS

    def count(self, model: str, number: int) -> LossSeen | None:
        """One more pass of a step: the record, where it says so many passes for the first time."""
        known = self._models.get(model)
        if known is None or known.told is None or number < known.most:
            return None
        known.most = number + 1
        return self._tell(model, known)

    def add(self, model: str, at: tuple[int, int], look: LossLook) -> LossSeen | None:
        """Take in a look at pass ``at`` = (step, number); the record where it has changed."""
        known = self._models.setdefault(model, _Model())
        step, number = at
        known.seen.add(at)
        known.later += step > LAST_STEP
        signature = _signature(look)
        first = known.told is None or (not known.pools and bool(look.terms))
        pool = known.pools.get(signature)
        if pool is not None:
            pool.add(look)
        elif first or number == len(known.passes):
            known.pools[signature] = _Pool(look, [[t.target] if t.target is not None else [] for t in look.terms])
        if number == len(known.passes) and signature in known.pools:
            known.passes.append(signature)
        known.most = max(known.most, number + 1)
        return self._tell(model, known)

    def _tell(self, model: str, known: _Model) -> LossSeen | None:
        told = {s: pool.told(model) for s, pool in known.pools.items() if pool.look.terms}
        main = next((s for s in known.passes if s in told), None)
        if main is None:
            seen = LossSeen(model=model)
        else:
            own = [told[s] for s in known.passes if s in told]
            seen = msgspec.structs.replace(
                told[main],
                passes=known.most,
                looks=known.pools[main].looks,
                trivial=_over_passes([s.trivial for s in own], known.most),
                floor=_over_passes([s.floor for s in own], known.most),
            )
        changed = seen != known.told and repr(seen) != repr(known.told)  # nan differs from itself
        known.told = seen
        return seen if changed else None


def _over_passes(levels: list[float | None], passes: int) -> float | None:
    """The loss curve has the sum of a step's passes; those that were not looked at are like the others."""
    known = [v for v in levels if v is not None]
    if not known or len(known) < len(levels) or (passes > len(known) and passes <= MOST_PASSES):
        return None
    return sum(known) * passes / len(known)


def _signature(look: LossLook) -> Signature:
    return tuple(
        (s.kind, s.pre, s.reduction, s.outputs, s.weighted, s.target_shape[1:], round(t.way.scale, 12))
        for t in look.terms
        for s in (t.seen,)
    )


def _joined(own: list[Tensor]) -> Tensor | None:
    if not own:
        return None
    return own[0] if len(own) == 1 or own[0].dim() == 0 else torch.cat(own)
