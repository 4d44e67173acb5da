"""``gradiometer diagnose``: the findings of a recorded run."""

from __future__ import annotations

from .causes import check_ignored
from .guard import FINDING, command
from .options import FailOnOption, Ignore, Json, RunName
from .outlet import check_json, is_asked_failure, put_diagnosis
from .recorded import find_run
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer diagnose latest
  gradiometer diagnose gradiometer-runs/train-20260101-120000-4711.gmr
  gradiometer diagnose latest --json -
  gradiometer diagnose latest --fail-on warn --ignore lr-too-low
"""


@command
def diagnose(run: RunName, json: Json = None, ignore: Ignore = None, fail_on: FailOnOption = None) -> int:
    """Judge a recorded run again. No torch is needed.

    The exit code is 1 where --fail-on asks for a finding that is there, else 0.
    """
    settings = read_settings()
    check_ignored(ignore or (), "--ignore")
    check_json(json)
    path = find_run(run, settings.runs_folder)
    from gradiometer import diagnosis, store

    stored = store.open_run(path)
    found = diagnosis.diagnose(stored, (*settings.ignore, *(ignore or ())))
    put_diagnosis(stored, found, json)
    return FINDING if is_asked_failure(found, fail_on or settings.fail_on) else 0
