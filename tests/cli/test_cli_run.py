"""What ``gradiometer run`` refuses before the script's first line, and that its own faults stay its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_tools import gradiometer, python, script


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "-"], "--json - is not possible here: stdout belongs to the script."),
        (["--json", "gone/x.json"], "--json gone/x.json: there is no folder gone."),
        (["--json", "."], "--json . is a folder."),
        (["--ignore", "nonsense"], "--ignore names no known cause in 'nonsense'. Causes: gradient-blocked, "),
        (["--ignore", ":net.4"], "--ignore names no known cause in ':net.4'."),
        (["--budget", "0"], "--budget 0 is no share"),
        (["--budget", "1.5"], "--budget 1.5 is no share"),
        (["--budget", "nan"], "--budget nan is no share"),
        (["--out", "there.gmr"], "--out there.gmr is there already, and a run is never written over."),
        (["--out", "train.py/x.gmr"], "--out train.py/x.gmr: nothing may be written in "),
    ],
)
def test_what_cannot_be_done_is_said_before_the_script_runs(tmp_path: Path, options: list[str], words: str) -> None:
    script(tmp_path, "print('ran')\n")
    (tmp_path / "there.gmr").write_text("a run")
    done = gradiometer("run", *options, "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"gradiometer: {words}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "options", [[], ["--quiet"], ["--fail-on", "warn"], ["--json", "d.json"], ["--out", "x/y.gmr"]]
)
def test_a_script_without_torch_gets_one_sentence_and_leaves_nothing_behind(tmp_path: Path, options: list[str]) -> None:
    script(tmp_path, "print('ran')\n")
    done = gradiometer("run", *options, "train.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"ran\n")
    assert done.stderr == b"gradiometer: train.py: torch was never imported, so there was nothing to measure.\n"
    assert [p.name for p in tmp_path.iterdir()] == ["train.py"]


# A package called torch that is no torch: whatever the session makes of it, it must not reach the script.
BROKEN = "x = 1\n"


def test_a_watch_that_cannot_begin_leaves_the_script_alone(tmp_path: Path) -> None:
    script(tmp_path, BROKEN, "torch.py")
    script(tmp_path, "import torch, sys\nprint(torch.x, type(torch.__loader__).__name__)\nsys.exit(4)\n")
    plain, ours = python("train.py", cwd=tmp_path), gradiometer("run", "train.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout) == (4, b"1 SourceFileLoader\n")
    assert ours.stderr.startswith(b"gradiometer: train.py was not watched: ")
    assert ours.stderr.count(b"\n") == 1


def test_an_import_of_torch_that_fails_is_the_scripts_affair(tmp_path: Path) -> None:
    script(tmp_path, "raise ImportError('no library')\n", "torch.py")
    text = (
        "for _ in range(2):\n    try:\n        import torch\n    except ImportError as error:\n        print(error)\n"
    )
    script(tmp_path, text)
    ours = gradiometer("run", "train.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (0, b"no library\nno library\n")
    assert ours.stderr == b"gradiometer: train.py: torch was never imported, so there was nothing to measure.\n"


def test_a_script_that_takes_our_streams_away_still_ends_as_it_would(tmp_path: Path) -> None:
    script(tmp_path, "import sys\nprint('ran', flush=True)\nsys.stderr.close()\nsys.exit(6)\n")
    ours = gradiometer("run", "train.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (6, b"ran\n")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--cure", "skip"], "--cure stands after train.py, so the script gets it. "),
        (["--steps=3", "--json", "x"], "--steps and --json stand after train.py, so the script gets them. "),
        (["--lr", "0.1", "-m", "x"], ""),
        (["--budget", "3"], ""),  # the script has one of that name
    ],
)
@pytest.mark.parametrize("module", [False, True])
def test_options_that_stand_after_the_script_are_its_own_and_this_is_said(
    tmp_path: Path, args: list[str], told: str, module: bool
) -> None:
    script(tmp_path, "import sys\nprint(sys.argv[1:])  # --budget SECONDS\n", "pack/train.py")
    target = ["-m", "pack.train"] if module else ["pack/train.py"]
    done = gradiometer("run", *target, *args, cwd=tmp_path)
    assert (done.returncode, done.stdout.decode()) == (0, f"{args}\n")
    first = done.stderr.decode().splitlines()[0]
    name = target[-1]
    assert (told != "") == (f"after {name}, so the script gets" in first)
    assert told.replace("train.py", name) in first
    assert not told or first.endswith("What is meant for Gradiometer goes before the script.")
