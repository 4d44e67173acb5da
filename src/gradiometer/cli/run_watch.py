"""The session of ``gradiometer run``: it begins when the script has imported torch, and not where it never does.

Begun earlier, it would import torch and numpy before the script had set OMP_NUM_THREADS or CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from gradiometer.session.script import ScriptOutcome
from gradiometer.session.script_torch import after_import

from .run_plan import DEFAULT_BUDGET_SHARE, Plan, run_name

if TYPE_CHECKING:
    from gradiometer.records import Run
    from gradiometer.session import Session


class LateWatch:
    """A session that may never begin. Nothing here raises into the script.

    problem: why the watch could not begin, "" where it did or was not asked to.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.session: Session | None = None
        self.problem = ""

    def arm(self) -> None:
        """Begin at the moment when torch has been imported."""
        after_import("torch", self.begin)

    def begin(self) -> None:
        """Begin now. A failure is kept for the end: the script goes on unwatched."""
        try:
            with warnings.catch_warnings():  # a script that makes warnings errors does not mean ours
                warnings.simplefilter("ignore")
                self.session = self._start()
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"

    def end(self, outcome: ScriptOutcome) -> Run | None:
        """Stop watching; what was recorded, None where nothing was."""
        return self.session.stop(outcome.state, outcome.error) if self.session is not None else None

    def _start(self) -> Session:
        from gradiometer import session

        plan = self.plan
        options = session.Options(
            out=plan.out,
            every=plan.every,
            budget=plan.budget or DEFAULT_BUDGET_SHARE,
            steps=plan.steps,
            name=run_name(plan.target),
            script=plan.target.name,
            argv=plan.target.args,
            causal=plan.causal,
        )
        return session.start(options)
