"""Identity under torch.compile: the largest relative difference of a training with the watch from one without.

    python benchmarks/compile_difference.py [--steps 20] [--network mlp]

Each training is compiled anew by inductor from the same state. "bare again" is the control: two trainings that
nobody watches. The watch is asked for every step; each line says how much it really recorded: a small difference of a
watch that saw little proves little.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from parts.arms import Watcher, bare, gradiometer
from parts.machine import describe
from parts.networks import NETWORKS, Gpt, Network, Trainer, cnn, images_batch, letters_batch, tanh_mlp, vectors_batch
from torch import Tensor
from torch._dynamo.utils import counters

SMALL = {
    "mlp": (lambda: tanh_mlp(10, 64), lambda: vectors_batch(64, 64)),
    "cnn": (lambda: cnn(8), lambda: images_batch(8)),
    "gpt": (lambda: Gpt(layers=2, width=32, heads=2, time=32), lambda: letters_batch(4, 32)),
}
"""The networks of overhead.py made small: kernels and their order count here, not sizes."""

Open = Callable[[Trainer, Path], Watcher]


@dataclass(frozen=True, slots=True)
class Training:
    """losses: [step]; state: weights and buffers at the end; graphs: how often dynamo compiled; recorded: in words."""

    losses: Tensor
    state: dict[str, Tensor]
    graphs: int
    recorded: str


def main() -> None:
    """Compile, train, compare, print."""
    args = _arguments()
    torch.set_num_threads(1)
    print(describe(1, "torch"))
    cache = tempfile.mkdtemp(prefix="compile-difference-")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
    try:
        for key in args.network:
            _compare(key, args.steps)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="optimizer steps of each training (default 20)")
    parser.add_argument("--network", action="append", choices=sorted(SMALL), help="may be given several times")
    args = parser.parse_args()
    args.network = args.network or list(SMALL)
    if args.steps < 1:
        parser.error("--steps must be 1 or more")
    return args


def _compare(key: str, steps: int) -> None:
    network = _small(key)
    try:
        plain = train(network, bare, steps, compile_first=True)
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        print(f"{key}: not measured: torch.compile fails here without any watch: {str(error).splitlines()[0]}")
        return
    others = {
        "bare again": train(network, bare, steps, compile_first=True),
        "watch, then compile": train(network, gradiometer(1), steps, compile_first=False),
        "compile, then watch": train(network, gradiometer(1), steps, compile_first=True),
    }
    for name, other in others.items():
        print(
            f"{key:4} {name:20} largest relative difference over {steps} steps: losses {_losses(plain, other):.1e}, "
            f"weights {_weights(plain, other):.1e}; graphs compiled {plain.graphs} and {other.graphs}{other.recorded}",
            flush=True,
        )


def _small(key: str) -> Network:
    model, batch = SMALL[key]
    return Network(key, key, model, batch, NETWORKS[key].optimizer, NETWORKS[key].every_step_limit)


def train(network: Network, open_: Open, steps: int, *, compile_first: bool) -> Training:
    """A compiled training from the beginning, watched from before or from after the call of torch.compile."""
    torch.compiler.reset()
    counters.clear()
    folder = Path(tempfile.mkdtemp(prefix="compile-difference-"))
    try:
        trainer = Trainer(network)
        if compile_first:
            trainer.forward = torch.compile(trainer.model)
        watcher = open_(trainer, folder)
        if not compile_first:
            trainer.forward = torch.compile(trainer.model)
        try:
            losses = torch.tensor([trainer.step(i) for i in range(steps)], dtype=torch.float64)
        finally:
            facts = watcher.close()
        graphs = counters["stats"]["unique_graphs"]
        return Training(losses, trainer.model.state_dict(), graphs, _recorded(facts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _recorded(facts: dict[str, float]) -> str:
    """A watch that recorded nothing would be identical for free: say how much it saw."""
    if not facts:
        return ""
    return f"; recorded: {facts['frames']} frames, {facts['errors']} errors, {facts['gradients']} weight gradients"


def _losses(one: Training, other: Training) -> float:
    return float(((one.losses - other.losses).abs() / one.losses.abs()).max())


def _weights(one: Training, other: Training) -> float:
    """Of each tensor: largest difference / largest value; the largest over the tensors. 0 where both are 0."""
    worst = 0.0
    for name, tensor in one.state.items():
        a, b = tensor.double(), other.state[name].double()
        difference, scale = float((a - b).abs().max()), float(a.abs().max())
        worst = max(worst, difference / scale if scale else float("inf") if difference else 0.0)
    return worst


if __name__ == "__main__":
    main()
