"""A cure as source: one self-contained function of plain PyTorch, and where to call it."""

from __future__ import annotations

import inspect
import textwrap
from itertools import groupby

from ..catalog import Entry
from .steps import Step, sources

WIDTH = 116
IMPORTS = ("import torch", "import torch.nn.functional as F", "from torch import Tensor, nn")


def patch_of(entry: Entry, steps: list[Step], seed: int, where: str) -> str:
    """The patch. where: the line of the user's code after which it belongs, "" where that is not known."""
    imports, parts = sources([step.function for step in steps])
    body = _body(steps)
    text = "\n".join((*parts, body))
    used = [line for line in IMPORTS if _is_used(line, text)]
    optimizer = any(step.wants_optimizers for step in steps)
    teacher = any(step.asks_for("teacher") for step in steps)
    given = ["model: nn.Module", *(["teacher: nn.Module"] if teacher else [])]
    given += ["optimizers: list[torch.optim.Optimizer]"] if optimizer else []
    head = f"def cure({', '.join(given)}) -> None:"
    told = f"{entry.name}: {entry.title}. {_place(where, optimizer, teacher)}"
    lines = [
        *(f"# {line}" for line in textwrap.wrap(told, WIDTH - 2)),
        *sorted({*imports, *(x for x in used if x.startswith("import"))}),
        *(x for x in used if x.startswith("from")),
        *(f"\n\n{part}" for part in parts),
        f"\n\n{head}",
        f'    """{entry.title[0].upper()}{entry.title[1:]}."""',
    ]
    if any(step.asks_for("generator") for step in steps):
        lines.append(f"    generator = torch.Generator().manual_seed({seed})")
    return "\n".join((*lines, textwrap.indent(body, "    "))) + "\n"


def _is_used(line: str, text: str) -> bool:
    return line != IMPORTS[1] or "F." in text


def _place(where: str, optimizer: bool, teacher: bool) -> str:
    given = ["model", *(["teacher"] if teacher else []), *(["[optimizer]"] if optimizer else [])]
    moment = "after the network is built and moved to its device, before the optimizer is built"
    moment = "after the optimizer is built" if optimizer else moment
    told = " The teacher is the trained network that it learns from." if teacher else ""
    return f"Call cure({', '.join(given)}) {moment}{f': {where}' if where else ''}.{told}"


def _body(steps: list[Step]) -> str:
    """The calls in order; many of one function in a row as a loop over a table of its arguments."""
    out: list[str] = []
    for _, group in groupby(steps, key=lambda s: (s.function, len(s.args), tuple(k for k, _ in s.named))):
        run = list(group)
        out += [_wrapped(step.line()) for step in run] if len(run) < 3 or not run[0].args else _loop(run)
    return "\n".join(out) or "pass"


def _wrapped(line: str) -> str:
    """A call over several lines where it is long: a list of layers, or of numbers. It breaks inside its brackets."""
    width = WIDTH - 4  # it is indented
    return textwrap.fill(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _loop(run: list[Step]) -> list[str]:
    rows = [f"    {(*step.args, *(v for _, v in step.named))!r}," for step in run]
    n_args = len(run[0].args)
    names = [*list(inspect.signature(run[0].function).parameters)[1 : n_args + 1], *(k for k, _ in run[0].named)]
    call = Step(run[0].function, (), ()).line().removeprefix(f"{run[0].function.__name__}(model").removesuffix(")")
    given = ", ".join([*names[:n_args], *(f"{k}={k}" for k in names[n_args:])])
    targets = ", ".join(names) + ("," if len(names) == 1 else "")
    return [f"for {targets} in (", *rows, "):", f"    {run[0].function.__name__}(model, {given}{call})"]
