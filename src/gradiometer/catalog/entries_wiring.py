"""Cures for faults of the wiring of a training loop."""

from __future__ import annotations

from .entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="clear-gradients",
        title="clear the gradients before each backward pass",
        changes="the loop",
        mathematics="step t then uses ∇L_t and not Σ ∇L_s over all s ≤ t",
        answers={"gradient-not-cleared": 1},
        side_effects="none; micro-batches are still added up where the step comes after all of them",
        source="PyTorch, torch.optim",
        edit="optimizer.zero_grad() before loss.backward(), in every step",
        kind="advice",
    ),
    Entry(
        name="minimise",
        title="minimise the loss",
        changes="the sign",
        mathematics="ΔW = −η ∇L lowers L to first order",
        answers={"loss-sign": 1},
        side_effects="none",
        source="definition of gradient descent",
        edit="remove the minus before the loss, or maximize=True; by hand: p -= lr * p.grad",
        kind="advice",
    ),
)
