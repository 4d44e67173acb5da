"""``gradiometer run --live``: the dashboard beside the training, in a process of its own. Nothing heavy loads here."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from gradiometer.server.names import identifier

from .guard import complain, refuse
from .serve import check_serve_installed

TOKEN_BYTES = 32


def check_live() -> None:
    """UserError where no dashboard can be started: the extra is missing, or the system cannot hand on a socket."""
    check_serve_installed()
    if os.name != "posix":
        refuse("--live needs a system that hands an open socket on to a new process. Run gradiometer serve beside it.")


def start_live(recording: Path, linger_s: float = 60.0) -> str:
    """Start the dashboard of the folder of a run that is about to begin; the address of its page, "" where that failed,
    which is told and stops nothing. linger_s: so long it stays after the script has ended and nobody looks."""
    try:
        return _started(recording, linger_s)
    except OSError as error:
        complain(f"No dashboard: the system refused it ({error.strerror or error}). The script runs on.")
        return ""


def _started(recording: Path, linger_s: float) -> str:
    recording.parent.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, token = listening.getsockname()[1], secrets.token_urlsafe(TOKEN_BYTES)
        url = f"http://127.0.0.1:{port}/runs/{identifier(recording.name)}?wait=1&token={token}"
        asked = {"folder": str(recording.parent), "socket": listening.fileno(), "token": token, "open": url}
        asked |= {"parent": os.getpid(), "linger_s": linger_s}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradiometer.server.beside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(listening.fileno(),),
            start_new_session=True,  # Ctrl-C is for the script; the page shows how it ended
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    assert process.stdin is not None
    with process.stdin as line:
        line.write(json.dumps(asked).encode() + b"\n")
    process.returncode = 0  # it outlives this process on purpose: no warning that it still runs
    return url
