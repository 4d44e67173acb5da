"""What holds for every test: fixed seeds, one thread, a clean environment, and which tests need torch."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from types import ModuleType

# Read before anything else is imported: BLAS and OpenMP look once, Typer and Rich look at import.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
for _name in list(os.environ):
    if _name.startswith("GRADIOMETER_"):
        del os.environ[_name]
for _name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "GITHUB_ACTIONS"):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

TESTS = Path(__file__).parent
TORCH_ROOMS = frozenset({"lab", "measurement", "session", "surgery", "trial", "walk", "reproduction"})
SEED = 20

settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.load_profile("fixed")


def room_of(path: Path) -> str:
    """The folder under tests/ that a file lies in, "" for a file directly in it or elsewhere."""
    try:
        parts = path.relative_to(TESTS).parts
    except ValueError:
        return ""
    return parts[0] if len(parts) > 1 else ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The fast suite does not even import the files of the rooms that are made of torch."""
    if config.option.markexpr == "not torch" and collection_path.parent == TESTS:
        return True if collection_path.name in TORCH_ROOMS else None
    return None


def names_torch(module: object) -> bool:
    """Whether a test file has torch, or a module of it, among its global names."""
    values = vars(module).values() if isinstance(module, ModuleType) else ()
    return any(isinstance(v, ModuleType) and v.__name__.partition(".")[0] == "torch" for v in values)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder, and every file that imports torch, so that nobody has to remember to."""
    for item in items:
        if room_of(item.path) in TORCH_ROOMS or names_torch(getattr(item, "module", None)):
            item.add_marker("torch")


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Every test starts from the same random state; torch is touched only where it is loaded already."""
    random.seed(SEED)
    np.random.seed(SEED)  # code under test may use the global generator
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(SEED)
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test before this one left in the environment does not reach it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name in [n for n in os.environ if n.startswith("GRADIOMETER_")]:
        monkeypatch.delenv(name)
