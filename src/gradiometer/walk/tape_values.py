"""Which tensor stands for which value of the tape: views, and what is left of them after an in-place change.

A value is a number of the tape; a tensor is bound to the value that it holds now. A view is known by its base and the
way from there, so that it gives the right value after the base, or another view of it, was changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .tape_entry import Entry, Looked
from .tape_laws import WRITTEN

LookAgain = Callable[[Looked, Tensor, int], tuple[Tensor, int]]
"""(step, tensor, its value) -> (the view, its value), with an entry on the tape."""


@dataclass(slots=True)
class Seen:
    """A tensor and the value that it holds, None for a constant.

    writes: of a base, how often it was changed in place, itself or by a view; of a view, with how many of these its
    value was taken. base, way: of a view.
    """

    tensor: Tensor
    value: int | None = None
    writes: int = 0
    base: Seen | None = None
    way: tuple[Looked, ...] = ()


class Values:
    """Tensors by identity. Each is held, so that no other gets its identity while the tape lives."""

    def __init__(self, keep: Callable[[Entry], None], look_again: LookAgain) -> None:
        self._keep, self._look_again = keep, look_again
        self._seen: dict[int, Seen] = {}
        self._bases: set[int] = set()
        self._count = 0

    def of(self, tensor: Tensor) -> int | None:
        """The value that a tensor holds now, None for a constant."""
        seen = self._seen.get(id(tensor))
        if seen is None:
            return None
        base = seen.base
        if base is not None and seen.writes < base.writes:
            seen.writes, seen.value = base.writes, None
            if base.value is not None:
                at, value = base.tensor, base.value
                for step in seen.way:
                    at, value = self._look_again(step, at, value)
                seen.value = value
        return seen.value

    def number(self) -> int:
        """The next value."""
        self._count += 1
        return self._count

    def bind(self, tensor: Tensor) -> int:
        """A new value for a tensor that stands alone."""
        value = self.number()
        self._seen[id(tensor)] = Seen(tensor, value)
        return value

    def view(self, base: Tensor, view: Tensor, step: Looked, value: int | None) -> None:
        """Remember that ``view`` looks at the memory of ``base``, and the value that it holds."""
        under = self._known(base)
        root = under.base or under
        self._bases.add(id(root.tensor))
        self._seen[id(view)] = Seen(view, value, root.writes, root, (*under.way, step))

    def stands_alone(self, tensor: Tensor) -> bool:
        """Whether a tensor is no view, and none looks at it."""
        seen = self._seen.get(id(tensor))
        return seen is None or (seen.base is None and id(tensor) not in self._bases)

    def base_of(self, tensor: Tensor) -> Tensor:
        """The tensor whose memory this one looks at: itself where it is no view."""
        seen = self._seen.get(id(tensor))
        return seen.base.tensor if seen is not None and seen.base is not None else tensor

    def write(self, tensor: Tensor, value: int | None) -> None:
        """``tensor`` was changed in place and holds ``value`` now; its base holds a part that is new."""
        seen = self._known(tensor)
        base = seen.base or seen
        if seen is not base and (value is not None or base.value is not None):
            entry = Entry(
                law=WRITTEN,
                inputs=[None, None],
                outputs=[None],
                shapes=(base.tensor.shape, tensor.shape),
                settings={"way": seen.way, "stride": base.tensor.stride()},
                sources=(base.value, value),
                results=(self.number(),),
            )
            self._keep(entry)
            base.value = entry.results[0]
        base.writes += 1
        seen.value, seen.writes = value, base.writes

    def _known(self, tensor: Tensor) -> Seen:
        return self._seen.setdefault(id(tensor), Seen(tensor))
