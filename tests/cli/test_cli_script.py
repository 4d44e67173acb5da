"""``gradiometer run`` runs a script as plain Python does: the same bytes on stdout, traceback, exit code and names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_tools import environment, gradiometer, python, script

NOTHING = b"gradiometer: train.py: torch was never imported, so there was nothing to measure.\n"


def same(folder: Path, text: str | bytes, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a script both ways and hold it to the same stdout, stderr (before our one sentence) and exit code."""
    script(folder, text)
    plain = python("train.py", *args, cwd=folder, stdin=stdin)
    ours = gradiometer("run", "train.py", *args, cwd=folder, stdin=stdin)
    assert ours.stdout == plain.stdout
    assert ours.returncode == plain.returncode
    assert ours.stderr == plain.stderr + NOTHING
    return ours


NAMES = """
import sys
print(sorted(globals()))
print(__name__, __file__, __spec__, __package__, __doc__, __builtins__, sys.argv, sys.path, type(__loader__).__name__)
print(sys.modules["__main__"].__dict__ is globals(), sys.excepthook is sys.__excepthook__, sys.gettrace())
x: int = 3
print(__annotations__)
if __name__ == "__main__":
    print("main")
"""


def test_the_script_finds_the_names_that_python_gives_it(tmp_path: Path) -> None:
    assert same(tmp_path, NAMES, "a", "").stdout.endswith(b"main\n")


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        same(tmp_path, "import sys\nprint('gradiometer.cli' in sys.modules)\n")


def test_everything_after_the_script_is_the_scripts(tmp_path: Path) -> None:
    args = ["--help", "-m", "--json", "-", "--steps", "3", "--", "--quiet", "*", "-h", ""]
    text = "import sys\nprint(sys.argv[1:])  # it knows --json, --steps and --quiet\n"
    assert repr(args).encode() in same(tmp_path, text, *args).stdout


def test_a_script_elsewhere_sees_its_own_folder(tmp_path: Path) -> None:
    script(tmp_path, "import helper, sys, __main__\nprint(helper.x, sys.path[0], __main__.__file__)\n", "deep/train.py")
    script(tmp_path, "x = 4\n", "deep/helper.py")
    (tmp_path / "link.py").symlink_to("deep/train.py")
    for name in ("deep/train.py", "link.py", str(tmp_path / "deep" / "train.py")):
        plain = python(name, cwd=tmp_path)
        assert plain.returncode == 0, plain.stderr
        assert gradiometer("run", name, cwd=tmp_path).stdout == plain.stdout


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("sys.exit()", 0),
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit(True)", 1),
        ("sys.exit(-1)", 255),
        ("sys.exit('no data')", 1),
        ("sys.exit((1, 2))", 1),
        ("raise SystemExit(7)", 7),
        ("raise ValueError('bad')", 1),
        ("quit(5)", 5),
    ],
)
def test_every_ending_has_pythons_exit_code(tmp_path: Path, end: str, code: int) -> None:
    assert same(tmp_path, f"import sys\nprint('before', flush=True)\n{end}\n").returncode == code


CHAINED = """
import sys
def inner():
    return 1 / 0
def outer():
    try:
        inner()
    except ZeroDivisionError as error:
        raise ValueError("chained") from error
try:
    outer()
except ValueError:
    raise ExceptionGroup("both", [KeyError("δ"), OSError(2, "gone")])
"""


@pytest.mark.parametrize(
    "text",
    [
        CHAINED,
        "x = 1\nif x\n    pass\n",
        "import nowhere_to_be_found\n",
        "import sys\nsys.excepthook = lambda kind, error, tb: print('mine:', tb.tb_lineno)\nraise ValueError(1)\n",
        "import sys\ndef hook(*a):\n    raise KeyError('in the hook')\nsys.excepthook = hook\nraise ValueError(1)\n",
        "import sys\ndef hook(*a):\n    sys.exit(9)\nsys.excepthook = hook\nraise ValueError(1)\n",
        "import helper\n",
        "import warnings\nwarnings.warn('look', stacklevel=1)\nprint(1)\n",
    ],
    ids=["chained", "syntax", "import", "hook", "hook-raises", "hook-exits", "in-a-helper", "warn"],
)
def test_errors_read_as_python_writes_them(tmp_path: Path, text: str | bytes) -> None:
    script(tmp_path, "def f():\n    raise RuntimeError('deep')\nf()\n", "helper.py")
    same(tmp_path, text)


def test_the_encoding_line_and_the_byte_order_mark_count(tmp_path: Path) -> None:
    same(tmp_path, "# -*- coding: latin-1 -*-\nprint(ascii('é'))\n".encode("latin-1"))
    same(tmp_path, b"\xef\xbb\xbfprint('bom')\n")


@pytest.mark.parametrize("text", [b"print('\xe9')\n", b"# coding: nonsense\nprint(1)\n"])
def test_a_script_in_letters_that_cannot_be_read_is_a_syntax_error(tmp_path: Path, text: bytes) -> None:
    script(tmp_path, text)
    plain, ours = python("train.py", cwd=tmp_path), gradiometer("run", "train.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout) == (1, b"")
    assert b"SyntaxError: " in ours.stderr  # worded for source in memory, not for a file
    assert b"Traceback" not in ours.stderr


LIFE = """
import atexit, pickle, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
class Config:
    def __init__(self, x):
        self.x = x
def at_end():
    print("atexit", pickle.loads(pickle.dumps(Config(2))).x, sys.modules["__main__"].Config is Config)
atexit.register(at_end)
def late():
    time.sleep(0.2)
    print("thread", Config(3).x)
threading.Thread(target=late).start()
pool = ThreadPoolExecutor(1)
pool.submit(print, "pool").result()
print("input", sys.stdin.read(), pickle.dumps(Config(1)))
"""


def test_threads_pools_stdin_pickles_and_atexit_live_as_usual(tmp_path: Path) -> None:
    assert same(tmp_path, LIFE, stdin=b"typed").stdout.count(b"\n") == 4


PROCESSES = """
import multiprocessing, os, sys
class Item:
    pass
def work(item, queue):
    queue.put((type(item) is Item, __name__, "gradiometer.cli" in sys.modules, os.path.basename(__file__)))
if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        child = context.Process(target=work, args=(Item(), queue))
        child.start()
        told = queue.get()
        child.join()
        print(method, told[:2] if method == "fork" else told, child.exitcode)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(abs, [-1, -2]))
"""


def test_child_processes_find_the_script(tmp_path: Path) -> None:
    lines = same(tmp_path, PROCESSES).stdout.decode().splitlines()
    assert lines[0] == "spawn (True, '__mp_main__', False, 'train.py') 0"  # and run without our command line
    assert lines[1] == "fork (True, '__main__') 0"


def test_a_forked_copy_of_the_script_says_nothing_of_ours(tmp_path: Path) -> None:
    text = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('one' if pid else 'two', flush=True)\n"
    assert same(tmp_path, text).stdout == b"two\none\n"


def test_nothing_heavy_is_imported_before_the_script_does(tmp_path: Path) -> None:
    heavy = "import sys\nprint([m for m in ('torch', 'numpy', 'scipy', 'rich', 'plotly') if m in sys.modules])\n"
    script(tmp_path, heavy)
    script(tmp_path, "[tool.gradiometer]\nignore = ['lr-too-low']\n", "pyproject.toml")
    done = gradiometer("run", "--ignore", "lr-too-high", "train.py", cwd=tmp_path)
    assert done.stdout == b"[]\n", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to another process")
def test_ctrl_c_ends_in_130_after_pythons_traceback(tmp_path: Path) -> None:
    script(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    child = subprocess.Popen(
        [sys.executable, "-m", "gradiometer", "run", "train.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert errors.endswith(b"KeyboardInterrupt\n" + NOTHING)
    assert b"gradiometer/" not in errors  # no frame of ours


def test_a_module_runs_as_after_python_m(tmp_path: Path) -> None:
    names = "import sys\nprint(__name__, __spec__.name, __package__, __file__, sys.argv, sys.path[0], __cached__)\n"
    script(tmp_path, names + "from .part import x\nprint(x, sorted(globals()))\n", "pack/tool.py")
    script(tmp_path, names, "pack/__main__.py")
    script(tmp_path, "x = 5\n", "pack/part.py")
    script(tmp_path, "", "pack/__init__.py")
    script(tmp_path, names + "1 / 0\n", "flat.py")
    for name in ("pack.tool", "pack", "flat"):
        plain = python("-m", name, "--lr", "-m", "3", cwd=tmp_path)
        ours = gradiometer("run", "-m", name, "--lr", "-m", "3", cwd=tmp_path)
        assert ours.stdout == plain.stdout
        assert plain.stdout
        assert ours.returncode == plain.returncode


def test_the_traceback_of_a_module_begins_in_the_module(tmp_path: Path) -> None:
    script(tmp_path, "1 / 0\n", "flat.py")
    lines = gradiometer("run", "-m", "flat", cwd=tmp_path).stderr.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path}/flat.py", line 1, in <module>'


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["gone.py"], "There is no script 'gone.py' in "),
        (["."], "'.' is a folder. Name the script in it, or run its module with -m."),
        (["data.bin"], "'data.bin' is no Python source: it holds null bytes."),
        (["train.py/deeper"], "The script 'train.py/deeper' cannot be read: Not a directory."),
        (["-m", "gone"], "There is no module named 'gone', seen from "),
        (["-m", "pack.gone"], "There is no module named 'pack.gone', seen from "),
        (["-m", "gone.deeper"], "There is no module named 'gone.deeper', seen from "),
        (["-m", "pack"], "'pack' is a package without a __main__ module, so it cannot be run."),
        (["-m", "train.py"], "'train.py' is no module name."),
        (["-m", "sys"], "The module 'sys' holds no Python code to run."),
    ],
)
def test_what_cannot_be_run_is_said_in_one_sentence(tmp_path: Path, args: list[str], sentence: str) -> None:
    script(tmp_path, "print('ran')\n")
    script(tmp_path, "", "pack/__init__.py")
    script(tmp_path, b"\x7fELF\0\0", "data.bin")
    done = gradiometer("run", *args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"gradiometer: {sentence}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everybody may read everything here")
def test_a_script_that_may_not_be_read(tmp_path: Path) -> None:
    script(tmp_path, "print(1)\n").chmod(0)
    done = gradiometer("run", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"gradiometer: The script 'train.py' cannot be read: Permission denied.\n"


def test_an_error_in_the_package_of_a_module_is_the_users(tmp_path: Path) -> None:
    script(tmp_path, "import nowhere_to_be_found\n", "pack/__init__.py")
    script(tmp_path, "print('ran')\n", "pack/tool.py")
    done = gradiometer("run", "-m", "pack.tool", cwd=tmp_path)
    assert done.returncode == 1
    assert b"ModuleNotFoundError: No module named 'nowhere_to_be_found'" in done.stderr
    assert b"gradiometer/" not in done.stderr
