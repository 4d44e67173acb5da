"""The ``__main__`` that a script or a module finds: the same names, paths and code as under plain Python."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import io
import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NoReturn

Loaded = tuple[CodeType, dict[str, Any]]


class ScriptRefusedError(Exception):
    """There is nothing here that could be run. ``run_script`` turns it into the UserError that it stands for."""


def load_file(path: str, args: tuple[str, ...]) -> Loaded:
    """Compile the script at ``path`` and make its ``__main__``.

    Raises ScriptRefusedError, or the script's own SyntaxError.
    """
    source = _read(path)
    absolute = os.path.join(os.getcwd(), path)
    sys.argv = [path, *args]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = _fresh_main()
    main.__file__ = absolute
    main.__loader__ = SourceFileLoader("__main__", absolute)
    vars(main)["__cached__"] = None
    # Bytes, not text: compile then honours a byte order mark and a coding line (PEP 263).
    return compile(source, absolute, "exec", dont_inherit=True), vars(main)


def load_module(name: str, args: tuple[str, ...]) -> Loaded:
    """Find what ``python -m name`` runs and make its ``__main__``. Raises ScriptRefusedError, or what its packages
    raise."""
    sys.argv = ["-m", *args]
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    spec = _runnable(name)
    code = _code_of(spec)
    main = _fresh_main()
    main.__spec__ = spec
    main.__loader__ = spec.loader
    main.__package__ = spec.parent
    main.__file__ = spec.origin
    vars(main)["__cached__"] = spec.cached
    sys.argv[0] = spec.origin or name
    return code, vars(main)


def _fresh_main() -> ModuleType:
    main = ModuleType("__main__")
    vars(main)["__builtins__"] = builtins
    if sys.version_info < (3, 14):  # from then on, annotations are made when they are asked for
        vars(main).update(__annotations__={})
    sys.modules["__main__"] = main
    return main


def _read(path: str) -> bytes:
    if os.path.isdir(path):
        _refuse(f"{path!r} is a folder. Name the script in it, or run its module with -m.")
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except FileNotFoundError:
        _refuse(f"There is no script {path!r} in {os.getcwd()}.")
    except OSError as error:
        _refuse(f"The script {path!r} cannot be read: {error.strerror}.")
    if b"\0" in source:
        _refuse(f"{path!r} is no Python source: it holds null bytes. Name a script in text form.")
    return source


def _runnable(name: str) -> ModuleSpec:
    """The spec of a module, or of a package's ``__main__``; packages above it are imported, as Python does."""
    if name.startswith(".") or name.endswith(".py"):
        _refuse(f"{name!r} is no module name. Write it with dots and without .py, or run the file without -m.")
    spec = _find(name)
    if spec is None:
        _refuse(f"There is no module named {name!r}, seen from {os.getcwd()}.")
    if spec.submodule_search_locations is None:
        return spec
    inner = _find(f"{name}.__main__")
    if inner is None:
        _refuse(f"{name!r} is a package without a __main__ module, so it cannot be run.")
    return inner


def _find(name: str) -> ModuleSpec | None:
    parent = name.rpartition(".")[0]
    try:
        if parent:
            importlib.import_module(parent)
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if parent == missing or parent.startswith(f"{missing}."):
            return None
        raise
    except ValueError:  # a module that sits in sys.modules without a spec
        return None


def _code_of(spec: ModuleSpec) -> CodeType:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if not isinstance(code, CodeType):
        _refuse(f"The module {spec.name!r} holds no Python code to run.")
    return code


def _refuse(sentence: str) -> NoReturn:
    raise ScriptRefusedError(sentence)
