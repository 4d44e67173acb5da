"""What a trial that goes on compares, to notice that the script has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradiometer.records import UserError
from gradiometer.session.script import ScriptTarget
from gradiometer.trial.prove import Request, script_digest


def digest(folder: Path, name: str, kind: str = "module") -> str:
    return script_digest(Request(ScriptTarget(name, kind=kind), folder / "t.gmr", folder))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "file"),
    [("train", "train.py"), ("pkg.sub.train", "pkg/sub/train.py"), ("pkg", "pkg/__main__.py")],
)
def test_a_module_that_changes_has_another_digest(tmp_path: Path, name: str, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if "pkg" in file:
        (tmp_path / "pkg" / "__init__.py").write_text("raise SystemExit('nothing is imported')\n")
    path.write_text("lr = 1\n")
    before = digest(tmp_path, name)
    assert len(before) == 64 and before == digest(tmp_path, file, "file")
    path.write_text("lr = 2\n")
    assert digest(tmp_path, name) != before


def test_what_has_no_file_has_no_digest_and_a_script_that_is_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert [digest(tmp_path, name) for name in ("bare", "gone", "gone.train", "sys")] == [""] * 4
    with pytest.raises(UserError, match=r"The script 'gone.py' cannot be read"):
        digest(tmp_path, "gone.py", "file")
