"""What a trial and its server of processes say to each other, one JSON text a line. No torch here."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..records import Job, Outcome, Primary

CUT = "cut"
"""In the ``mechanism`` of a watched training's outcome: 1 where the training was stopped before its end."""
FIRST_STEP_S = "first_step_s"
"""There too: wall time until the first optimizer step ended, seconds."""
STEPS, LAST_STEP_S = "steps", "last_step_s"
"""There too, of each network alone (``own``): steps of its optimizer, wall time until the last one ended, seconds."""


def own(number: str, model: str) -> str:
    """The name of a number of one network: its FIRST_STEP_S, LAST_STEP_S or STEPS."""
    return f"{number} of {model}"


class Work(msgspec.Struct, frozen=True):
    """What every training of a trial has in common.

    script: path or module name, as ``kind`` says; args: what follows it. folder: the user's working folder, of which
    every run gets a copy. scratch: a folder for runs and rulers. limit_s: wall time of one run. repeats: times that a
    killed run is begun anew.
    """

    script: str
    args: tuple[str, ...]
    kind: Literal["file", "module"]
    folder: str
    scratch: str
    primary: Primary
    workers: int = 1
    limit_s: float = 600.0
    repeats: int = 2


class Order(msgspec.Struct, frozen=True):
    """One run. ruler: whether it makes the ruler at ``ruler_path``, uses it, or needs none.

    watch: the run file of a training that is watched and not judged, "" for every other; it is stopped after stop_s
    of wall time. measure: look at the way of the error at the moment of the cure. model: name of the network to treat,
    "" for the first that trains; it is known only after the server has run the watched training.
    """

    job: Job
    ruler: Literal["make", "use", ""] = ""
    ruler_path: str = ""
    watch: str = ""
    stop_s: float = 600.0
    measure: bool = False
    model: str = ""


class Told(msgspec.Struct, frozen=True):
    """What the server tells. ready: it has imported what the script imports; problem: it cannot begin."""

    outcome: Outcome | None = None
    ready: bool = False
    problem: str = ""
