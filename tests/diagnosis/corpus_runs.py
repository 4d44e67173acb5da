"""Scripts of the corpus, trained under the watch in this process: unmodified, or with another unit of the loss."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
import warnings
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from gradiometer import session
from gradiometer.records import Run
from gradiometer.session.script import ScriptTarget, run_script

CORPUS = Path(__file__).resolve().parents[2] / "benchmarks" / "faults"


def script(case: str, role: str = "faulty") -> str:
    """The text of a script: role ``faulty``, ``fixed``, or ``train`` of a healthy one."""
    folder = "healthy" if role == "train" else "cases"
    return (CORPUS / folder / case / f"{role}.py").read_text(encoding="utf-8")


@lru_cache(maxsize=128)
def recorded(text: str, seed: int = 0) -> Run:
    """The run of a script with one seed, recorded as sparsely as there is: the same frames on every machine."""
    before = sys.argv, sys.path[:], sys.modules["__main__"], os.getcwd()
    with TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # those of the script
        path = Path(folder) / "train.py"
        path.write_text(text, encoding="utf-8")
        os.chdir(folder)
        started = session.start(session.Options(keep_file=False, budget=1e-9, script=str(path), name="train"))
        try:
            outcome = run_script(ScriptTarget(str(path), (str(seed),)))
        finally:
            run = started.stop("finished")
            sys.argv, sys.path[:], sys.modules["__main__"] = before[:3]
            os.chdir(before[3])
    assert outcome.state == "finished", outcome.error
    assert run is not None
    assert run.problems == ()
    return run


class _OtherUnit(ast.NodeTransformer):
    """``loss.backward()`` becomes ``(loss * factor).backward()``, the rate of SGD is divided by the factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.changed = 0

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "backward" and isinstance(node.func, ast.Attribute):
            node.func.value = ast.BinOp(node.func.value, ast.Mult(), ast.Constant(self.factor))
            self.changed += 1
        if name == "SGD":
            for keyword in node.keywords:
                if keyword.arg == "lr":
                    keyword.value = ast.BinOp(keyword.value, ast.Div(), ast.Constant(self.factor))
                    self.changed += 1
        return node


def in_other_unit(text: str, factor: float) -> str:
    """A script whose loss is multiplied and whose steps are as they were: those of Adam are, but for its ε."""
    change = _OtherUnit(factor)
    tree = ast.fix_missing_locations(change.visit(ast.parse(text)))
    assert change.changed == (2 if "SGD(" in text else 1), "one backward and one rate are to be changed"
    return ast.unparse(tree)
