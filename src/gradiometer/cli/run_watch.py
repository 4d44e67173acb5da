"""The session of ``gradiometer run``: it begins when the script has imported torch, and not where it never does.

Begun earlier, it would import torch and numpy before the script had set OMP_NUM_THREADS or CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from gradiometer.session.script import ScriptOutcome
from gradiometer.session.script_torch import after_import

from .cure_option import prescription
from .run_plan import DEFAULT_BUDGET_SHARE, Plan, run_name

if TYPE_CHECKING:
    from gradiometer.records import Run
    from gradiometer.session import Session
    from gradiometer.surgery.moment import FirstCall


class LateWatch:
    """A session that may never begin, and the cures that were asked for. Nothing here raises into the script, but that
    it is stopped where a cure cannot be applied.

    problem: why the watch could not begin, "" where it did or was not asked to. moment: None where there is no cure to
    apply, or torch was never imported.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.session: Session | None = None
        self.problem = ""
        self.moment: FirstCall | None = None

    def arm(self) -> None:
        """Begin at the moment when torch has been imported."""
        after_import("torch", self.begin)

    def begin(self) -> None:
        """Begin now. A failure is kept for the end: the script goes on unwatched."""
        try:
            with warnings.catch_warnings():  # a script that makes warnings errors does not mean ours
                warnings.simplefilter("ignore")
                self._await_cures()
                self.session = self._start()
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"

    def end(self, outcome: ScriptOutcome) -> Run | None:
        """Stop watching; what was recorded, None where nothing was."""
        run = self.session.stop(outcome.state, outcome.error) if self.session is not None else None
        if self.moment is not None:
            self.moment.disarm()
        return run

    def _await_cures(self) -> None:
        if not self.plan.cures:
            return
        from gradiometer.session import StopTraining
        from gradiometer.surgery.moment import FirstCall

        def stop() -> None:
            raise StopTraining

        self.moment = FirstCall([prescription(written) for written in self.plan.cures], stop)
        self.moment.arm()

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
