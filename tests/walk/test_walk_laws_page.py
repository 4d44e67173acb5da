"""All laws together: every one is told in the manual, in a TeX of one vocabulary."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gradiometer.walk.calls import CALLS
from gradiometer.walk.families import merged
from gradiometer.walk.laws import LAWS
from gradiometer.walk.nodes import READERS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import write_laws  # noqa: E402

ROLES = frozenset(
    {"weights", "activation", "norm", "dropout", "pool", "softmax", "attention", "recurrent"}
    | {"reshape", "sum", "product", "reduction", "loss", "index"}
)


def test_the_manual_has_every_law_as_it_is() -> None:
    text = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
    assert text == write_laws.page(), "run python scripts/write_laws.py"
    assert {m[1] for m in re.finditer(r"^\| `(\w+)` \|", text, re.MULTILINE)} == set(LAWS)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_whole(name: str) -> None:
    law = LAWS[name]
    assert law.role in ROLES
    assert law.title
    assert law.source
    for tex in (law.value, law.error, law.step):
        assert tex
        assert tex.count("{") == tex.count("}")
        assert tex.count(r"\left") == tex.count(r"\right")
    assert not {"@d", "@u", "@v"} & set(re.findall(r"@\w", law.value + law.error))


def test_nodes_and_calls_are_names_of_torch() -> None:
    assert len(READERS) > 100
    assert len(CALLS) > 100
    assert all("Backward" in name for name in READERS)
    assert all(re.fullmatch(r"\w+::\w+", name) and not name.endswith("_") for name in CALLS)


def test_a_name_belongs_to_one_family() -> None:
    assert merged(iter([{"a": 1}, {"b": 2}])) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="b: said by two families"):
        merged(iter([{"a": 1, "b": 2}, {"b": 2}]))
