"""Finds the factory that ``gradiometer check`` is given, and calls it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from .guard import refuse

if TYPE_CHECKING:
    from gradiometer.records import Run
    from gradiometer.session import Setup

Factory = Callable[[int], object]
SEED = 0


def load_factory(spec: str) -> Factory:
    """The function that ``package.module:make`` or ``path/to/file.py:make`` names. UserError where there is none."""
    where, _, name = spec.rpartition(":")
    if not where or not name.isidentifier():
        refuse(f"{spec!r} names no factory. Write package.module:make or path/to/file.py:make.")
    module = _file(Path(where)) if where.endswith(".py") or os.sep in where else _module(where)
    factory = getattr(module, name, None)
    if factory is None:
        refuse(f"{where} has no {name!r}. {_candidates(module)}")
    if not callable(factory):
        refuse(f"{spec} is a {type(factory).__name__}, not a function. Name a function make(seed) -> gm.Setup.")
    try:
        inspect.signature(factory).bind(SEED)
    except TypeError as error:
        refuse(f"{spec} cannot be called with a seed alone ({error}). Write it as make(seed).")
    except ValueError:  # a callable without a signature: calling it will tell
        pass
    found: Factory = factory
    return found


def made(factory: Factory, spec: str) -> Setup:
    """What the factory makes for seed 0. UserError where it raises, or makes anything but a Setup."""
    try:
        setup = factory(SEED)
    except Exception as error:
        refuse_traced(error, f"{spec} raised {type(error).__name__} when it was called with seed {SEED}")
    from gradiometer.session import Setup

    if not isinstance(setup, Setup):
        wanted = "It must return gm.Setup(model, batches, loss, optimizer)."
        refuse(f"{spec} returned a {type(setup).__name__}. {wanted}")
    return setup


def trained(setup: Setup, spec: str, causal: bool = False) -> Run:
    """The recorded run of the check. UserError where the setup's own code raises while it is tried."""
    from gradiometer.records import GradiometerError
    from gradiometer.session import check_setup

    try:
        return check_setup(setup, causal)
    except GradiometerError:
        raise
    except Exception as error:
        refuse_traced(error, f"{spec} made a setup whose training raises {type(error).__name__}")


def _module(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            refuse(f"There is no module {missing!r}, seen from {os.getcwd()}.")
        refuse_traced(error, f"{name} cannot be imported")
    except Exception as error:
        refuse_traced(error, f"{name} cannot be imported")


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        refuse(f"There is no file {path}, seen from {os.getcwd()}.")
    spec = importlib.util.spec_from_file_location(path.stem, path.absolute())
    if spec is None or spec.loader is None:
        refuse(f"{path} is no Python file: its name ends in .py.")
    sys.path.insert(0, str(path.absolute().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # classes of the file are found again by their module's name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        refuse_traced(error, f"{path} cannot be imported")
    return module


def _candidates(module: ModuleType) -> str:
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    return f"Its functions: {', '.join(own)}." if own else "It holds no function."


def refuse_traced(error: Exception, what: str) -> NoReturn:
    """The user's own error: its traceback from the first frame that is the user's, then the sentence."""
    rest = error.__traceback__
    ours = ("gradiometer.", "importlib", "_frozen_importlib")
    while rest is not None and rest.tb_frame.f_globals.get("__name__", "").startswith(ours):
        rest = rest.tb_next
    traceback.print_exception(type(error), error, rest)
    refuse(f"{what}. The lines above are its traceback.")
