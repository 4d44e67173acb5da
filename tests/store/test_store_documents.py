from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradiometer.records import Event, OptimizerSeen, RunInfo
from gradiometer.store.documents import from_text, from_texts, to_text

TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # lone surrogates too
SCALAR = st.floats() | st.integers() | st.booleans() | st.none() | TEXT
OPTIMIZERS = st.builds(
    OptimizerSeen,
    name=TEXT,
    cls=TEXT,
    settings=st.dictionaries(TEXT, SCALAR, max_size=4),
    owned=st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=3),
)


@settings(deadline=None, max_examples=100)
@given(OPTIMIZERS)
def test_records_come_back_as_they_were(record: OptimizerSeen) -> None:
    text = to_text(record)
    text.encode("ascii")
    assert repr(from_text(text, OptimizerSeen)) == repr(record)


def test_why_the_text_is_not_msgspec_json() -> None:
    assert msgspec.json.encode(math.inf) == b"null"
    assert from_text(to_text(math.inf), float) == math.inf
    with pytest.raises(UnicodeEncodeError):
        msgspec.json.encode("\udcff")
    assert from_text(to_text("\udcff"), str) == "\udcff"


def test_numbers_keep_their_type() -> None:
    back = from_text(to_text({"a": 1, "b": 1.0, "c": True, "d": -0.0}), dict[str, float | int | bool])
    assert repr(back) == "{'a': 1, 'b': 1.0, 'c': True, 'd': -0.0}"


def test_numpy_scalars_are_taken_as_numbers() -> None:
    event = Event(np.int64(3), "clip", value=np.float32(0.5))  # type: ignore[arg-type]
    assert from_text(to_text(event), Event) == Event(3, "clip", value=0.5)
    with pytest.raises(TypeError, match="holds a ndarray"):
        to_text(np.ones(2))


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    texts = [to_text(Event(i, "step")) for i in range(3)]
    assert from_texts(texts, Event) == [from_text(t, Event) for t in texts]
    assert from_texts([], Event) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}', "null", "[" * 100_000])
def test_what_is_no_such_record_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, RunInfo)
