"""One SQLite file a run (or a trial), written while the training goes on, read by anybody at any time."""

from .alive import has_writer
from .listing import RunRow, list_runs, run_row
from .reader import open_run
from .stored import StoredRun
from .tail import RunTail, Signature, signature
from .trials import TrialWriter, open_recorded, open_trial
from .walks import open_walk, walk_document
from .writer import MAX_RUN_BYTES, RunWriter

__all__ = [
    "MAX_RUN_BYTES",
    "RunRow",
    "RunTail",
    "RunWriter",
    "Signature",
    "StoredRun",
    "TrialWriter",
    "has_writer",
    "list_runs",
    "open_recorded",
    "open_run",
    "open_trial",
    "open_walk",
    "run_row",
    "signature",
    "walk_document",
]
