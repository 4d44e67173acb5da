"""Mixes the trial's seed into every seed that a script sets, so that runs differ by seed and are paired across arms."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

_BITS = 63  # torch takes 64 signed bits
_LEGACY = 2**32  # numpy's global generator and its RandomState take 32 bits


def mixed(seed: object, trial_seed: int) -> int:
    """A seed out of two: 63 bits of a hash, the same on every machine. Any object that has a repr is a seed."""
    text = f"{trial_seed}\0{seed!r}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> (64 - _BITS)


def mix_seeds(trial_seed: int) -> None:
    """From now on, and for the rest of this process, every seed that is set is mixed with ``trial_seed``.

    Mixed: torch.manual_seed, the seeds of CUDA, Generator.manual_seed, numpy.random.seed, default_rng (without a seed
    too), random.seed. Set at once, for scripts that set none: the global generators of torch, numpy and random.
    Not mixed: numpy's RandomState(n), the random_state of scikit-learn (it is the user's split), random.Random(n), and
    seeds from the clock or the system.
    """
    set_torch = torch.manual_seed
    for owner, name in (
        (torch, "manual_seed"),
        (torch.random, "manual_seed"),
        (torch.cuda, "manual_seed"),
        (torch.cuda, "manual_seed_all"),
        (random, "seed"),
    ):
        _wrap(owner, name, trial_seed, lambda s: s)
    _wrap(np.random, "seed", trial_seed, lambda s: s % _LEGACY)
    _wrap_default_rng(trial_seed)
    torch.Generator = _generator_class(trial_seed)  # type: ignore[misc]
    set_torch(mixed("torch", trial_seed))
    random.seed("random")
    np.random.seed("numpy")  # type: ignore[arg-type]  # mixed before numpy sees it


def _wrap(owner: Any, name: str, trial_seed: int, narrow: Callable[[int], int]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def seeded(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        return original(narrow(mixed(given[0] if given else None, trial_seed)))

    setattr(owner, name, seeded)


def _wrap_default_rng(trial_seed: int) -> None:
    original = np.random.default_rng
    unseeded = iter(range(2**31))

    @functools.wraps(original)
    def default_rng(seed: Any = None) -> np.random.Generator:
        if isinstance(seed, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)):
            return original(seed)
        if seed is None:
            return original(mixed(f"default_rng {next(unseeded)}", trial_seed))
        plain = np.asarray(seed).tolist()
        return original(mixed(plain, trial_seed))

    np.random.default_rng = default_rng


def _generator_class(trial_seed: int) -> type[torch.Generator]:
    """torch's class of generators cannot be changed, so scripts find a subclass under its name."""
    base = torch.Generator

    class Generator(base):  # type: ignore[misc, valid-type]
        """A generator whose seeds are mixed with that of the trial."""

        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(mixed(int(seed), trial_seed))  # type: ignore[no-any-return]

    Generator.__qualname__ = "Generator"
    return Generator
