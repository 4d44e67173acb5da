"""Who holds which memory: an entry that holds numbers takes a copy before they are changed in place."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .tape_entry import Entry, memory, tensors_in


class Keepers:
    """Entries by the memory of the tensors that they keep."""

    def __init__(self) -> None:
        self._by_memory: dict[int, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Remember an entry under every memory that it holds."""
        held = {memory(t) for t in tensors_in((entry.inputs, entry.outputs, list(entry.settings.values())))}
        for key in held:
            self._by_memory.setdefault(key, []).append(entry)

    def protect(self, tensor: Tensor) -> None:
        """Entries that hold this memory hold copies from now on."""
        key = memory(tensor)
        copies: dict[int, Tensor] = {}
        for entry in self._by_memory.pop(key, ()):
            entry.inputs = _copied(entry.inputs, key, copies)
            entry.outputs = _copied(entry.outputs, key, copies)
            entry.settings = {name: _copied(value, key, copies) for name, value in entry.settings.items()}


def _copied(value: Any, key: int, copies: dict[int, Tensor]) -> Any:
    """The same with tensors of this memory replaced, each by one copy."""
    if isinstance(value, Tensor) and memory(value) == key:
        if id(value) not in copies:
            copies[id(value)] = value.clone()
        return copies[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_copied(v, key, copies) for v in value)
    return value
