"""One SQLite file a run (or a trial), written while the training goes on, read by anybody at any time."""

from .listing import RunRow, list_runs
from .reader import open_run
from .stored import StoredRun
from .trials import TrialWriter, open_recorded, open_trial
from .writer import MAX_RUN_BYTES, RunWriter

__all__ = [
    "MAX_RUN_BYTES",
    "RunRow",
    "RunWriter",
    "StoredRun",
    "TrialWriter",
    "list_runs",
    "open_recorded",
    "open_run",
    "open_trial",
]
