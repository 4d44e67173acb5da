"""What watches a training: nothing, Gradiometer, W&B, TensorBoard. One arm is one way of watching."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from gradiometer.records import Run
from gradiometer.session.watch import watch

from .networks import Trainer


class NotMeasuredError(Exception):
    """An arm that cannot run here; the text says why."""


@dataclass(slots=True)
class Watcher:
    """A watcher at work on one trainer. ``spent_s`` is its own account of its cost after each step."""

    after_step: Callable[[int, float], None] = lambda index, loss: None
    close: Callable[[], dict[str, float]] = dict
    spent_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Arm:
    """``steps`` are timed after ``warm_up`` steps that are not."""

    key: str
    title: str
    open: Callable[[Trainer, Path], Watcher]
    warm_up: int
    steps: int


def bare(trainer: Trainer, folder: Path) -> Watcher:
    """Nobody watches."""
    return Watcher()


def gradiometer(every: int | None) -> Callable[[Trainer, Path], Watcher]:
    """``gm.watch`` with a file, at the default budget (None) or at every N-th step; without the page at the end."""

    def open_(trainer: Trainer, folder: Path) -> Watcher:
        path = folder / "benchmark.gmr"
        path.unlink(missing_ok=True)
        handle = watch(trainer.model, trainer.optimizer, every=every, out=path, name="benchmark")
        session = handle._session  # its counters, read without the wait for the writer that handle.run() means
        watcher = Watcher()

        def after_step(index: int, loss: float) -> None:
            watcher.spent_s.append(session.recorder.spent_s + session.recording.busy_s)

        def close() -> dict[str, float]:
            started = perf_counter()
            handle.close()
            took = perf_counter() - started
            run = handle.run()
            if run.problems:
                raise RuntimeError(f"The watch reported: {'; '.join(run.problems)}")
            facts = {"close_s": took, "frames": len(run.frames), "overhead_share": run.overhead_share}
            facts |= {"errors": _count(run, "err_norm"), "gradients": _count(run, "grad_norm")}
            return facts | {"file_bytes": path.stat().st_size, "coverage": run.coverage}

        watcher.after_step, watcher.close = after_step, close
        return watcher

    return open_


def _count(run: Run, stat: str) -> int:
    """Finite values of a statistic over all frames and sites of the main model."""
    return int(np.isfinite(run.of(stat)).sum())


def wandb_watch(trainer: Trainer, folder: Path) -> Watcher:
    """``wandb.watch(log="all", log_freq=1)`` in an offline run, and one ``log`` a step, which writes the histograms.

    System statistics and the console capture are off: only the watching is compared.
    """
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false")
    wandb = _import("wandb")
    try:
        settings = wandb.Settings(console="off", silent=True, x_disable_stats=True, init_timeout=60)
        run = wandb.init(mode="offline", dir=str(folder), project="overhead", settings=settings)
    except Exception as error:
        raise NotMeasuredError(f"wandb.init failed: {type(error).__name__}: {error}") from error
    run.watch(trainer.model, log="all", log_freq=1)

    def close() -> dict[str, float]:
        started = perf_counter()
        run.unwatch(trainer.model)
        run.finish()
        return {"close_s": perf_counter() - started}

    return Watcher(lambda index, loss: run.log({"loss": loss}), close)


def tensorboard(trainer: Trainer, folder: Path) -> Watcher:
    """``add_histogram`` of every parameter and every gradient at every step."""
    writer = _import("torch.utils.tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def after_step(index: int, loss: float) -> None:
        writer.add_scalar("loss", loss, index)
        for name, parameter in trainer.model.named_parameters():
            writer.add_histogram(f"parameters/{name}", parameter, index)
            writer.add_histogram(f"gradients/{name}", parameter.grad, index)

    def close() -> dict[str, float]:
        started = perf_counter()
        writer.close()
        return {"close_s": perf_counter() - started}

    return Watcher(after_step, close)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotMeasuredError(f"{error}; pip install 'gradiometer[bench]'") from error
