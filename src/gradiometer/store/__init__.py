"""The run file: one SQLite file a run, written while the training goes on, read by anybody at any time."""

from .listing import RunRow, list_runs
from .reader import open_run
from .stored import StoredRun
from .writer import MAX_RUN_BYTES, RunWriter

__all__ = ["MAX_RUN_BYTES", "RunRow", "RunWriter", "StoredRun", "list_runs", "open_run"]
