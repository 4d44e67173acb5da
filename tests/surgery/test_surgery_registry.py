"""The catalog announces as appliable exactly what surgery applies."""

from __future__ import annotations

import inspect

import pytest

from gradiometer.catalog import ENTRIES
from gradiometer.records import UserError
from gradiometer.surgery import operation, operations


def test_kind_surgery_means_that_there_is_an_operation() -> None:
    assert {e.name for e in ENTRIES if e.kind == "surgery"} == set(operations())


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.kind == "surgery"], ids=lambda e: e.name)
def test_an_applied_entry_says_what_it_costs(entry) -> None:
    assert entry.cost != "none"
    assert operations()[entry.name].needs <= {"batch", "optimizer", "loss", "teacher"}
    assert inspect.getdoc(operations()[entry.name].perform)
    assert all(p.meaning for p in entry.params)


def test_an_operation_without_an_entry_is_refused() -> None:
    with pytest.raises(UserError, match="no cure 'snake-oil'"):
        operation("snake-oil")
