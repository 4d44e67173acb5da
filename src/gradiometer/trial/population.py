"""Small networks of equal structure trained as one: every step of all members is one vectorised step.

``torch.func.vmap`` runs one forward pass over stacked parameters, one backward pass of plain autograd goes through
it, and optimizers that work element by element step all members. What a member learns is what it would learn alone,
up to the order of additions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gradiometer.records import UserError
from gradiometer.session import Setup

from .population_feeds import Feed, Stacked
from .population_optimizers import Stepper, kind_of, laws_of, settings_by_name, stacked_settings
from .population_pass import Asked, asked_all, plain_attributes, present, rehearse, unchanged
from .population_refusals import Entered, PopulationError, refusal
from .population_rows import (
    Block,
    clip_rows,
    clips_of,
    kept_blocks,
    kept_runs,
    laid_like,
    numbered_losses,
    part,
    sorted_rows,
)

Ask = Callable[[nn.Module, Any], Tensor]
"""A scalar of a network and a batch."""


class Population:
    """K trainings side by side. Members are numbered as they are given; a member that is dropped keeps its number.

    setups: of equal structure, each with a model, batches, loss and a fresh optimizer (SGD, Adam, AdamW, RMSprop or
    Adagrad, whose class and settings may differ). clips: largest norm of each member's gradient, or one for all; None
    or inf clips nothing.
    The models are read at the start and written by ``write_back``; between, they hold their first values. One of
    each loss serves as the template of the forward pass. A loss that is not finite stays in its member.
    Raises PopulationError where the members cannot stand side by side, or where the rehearsal of a pass does not
    give what the members give by themselves; UserError where there is no member or a setting is impossible.
    """

    def __init__(self, setups: Sequence[Setup], clips: float | Sequence[float | None] | None = None) -> None:
        if not setups:
            raise UserError("A population has no member. Give at least one setup.")
        told = refusal([s.model for s in setups], [s.optimizer for s in setups])
        if told is not None:
            raise told
        self._setups = list(setups)
        losses = numbered_losses(self._setups)
        laws = laws_of([s.optimizer for s in self._setups if s.optimizer is not None])
        order = sorted_rows(losses, laws)
        self.rows: list[int] = order  # row -> member
        self._stack()
        self._blocks = self._runs([losses[m] for m in order])
        self._steppers = self._make_steppers([(losses[m], laws[m]) for m in order])
        self._clip = clips_of(clips, len(setups), order, self._setups[0].model)
        self._feed = Feed([self._setups[m].batches for m in order])
        self._history: list[tuple[list[int], list[Tensor]]] = [(order, [])]
        self.steps = 0
        self._rehearse()

    # -- making -----------------------------------------------------------------------------------------------------

    def _stack(self) -> None:
        models = [self._setups[m].model for m in self.rows]
        named = [dict(model.named_parameters()) for model in models]
        held = [dict(model.named_buffers()) for model in models]
        owned = {id(p) for group in self._optimizer(0).param_groups for p in group["params"]}
        self._owned = [name for name, p in named[0].items() if id(p) in owned and p.requires_grad]
        with torch.no_grad():
            self._params = {name: torch.stack([n[name].detach() for n in named]) for name in named[0]}
            self._buffers = {name: torch.stack([b[name].detach() for b in held]) for name in held[0]}

    def _optimizer(self, row: int) -> torch.optim.Optimizer:
        optimizer = self._setups[self.rows[row]].optimizer
        assert optimizer is not None  # ``refusal`` has looked
        return optimizer

    def _runs(self, losses: Sequence[int]) -> list[Block]:
        blocks, start = [], 0
        for _, same in itertools.groupby(losses):
            stop = start + len(list(same))
            one = self._setups[self.rows[start]]  # model and loss of one member: a loss may hold the model itself
            blocks.append(Block(start, stop, Asked(one.model, one.loss)))
            start = stop
        return blocks

    def _make_steppers(self, laws: Sequence[object]) -> list[tuple[int, int, Stepper]]:
        """(first row, row after the last, optimizer) of each run of rows under one law."""
        made, start = [], 0
        for _, same in itertools.groupby(laws):
            stop = start + len(list(same))
            made.append((start, stop, self._stepper(start, stop)))
            start = stop
        return made

    def _stepper(self, start: int, stop: int) -> Stepper:
        each = [
            settings_by_name(self._setups[self.rows[row]].model, self._optimizer(row)) for row in range(start, stop)
        ]
        if any(list(settings) != list(each[0]) for settings in each) or set(self._owned) - set(each[0]):
            raise PopulationError("optimizer", "those of two members own different parameters, or in another order")
        settings = {
            name: stacked_settings([one[name] for one in each], self._params[name][start:stop]) for name in each[0]
        }
        return Stepper(kind_of(self._optimizer(start)), settings)

    def _rehearse(self) -> None:
        """A pass of all rows against the passes of the first and the last member of each block by themselves."""
        first = self._feed.first()
        for block in self._blocks:
            batch = part(first, block.start, block.stop)
            params = {name: p[block.start : block.stop].clone() for name, p in self._params.items()}
            buffers = {name: b[block.start : block.stop].clone() for name, b in self._buffers.items()}
            setups = [self._setups[m] for m in self.rows[block.start : block.stop]]
            rehearse(block.ask, setups, (params, buffers, self._owned), batch)

    # -- training ---------------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Make this many steps."""
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """One step of every member that was not dropped: forward, backward, clip, update. Nothing waits for a value."""
        losses, grads = self._gradients(self._feed.next())
        if self.steps == 0:
            self._params |= {name: laid_like(self._params[name], grad) for name, grad in grads.items()}
        self._history[-1][1].append(losses)
        if self._clip is not None:
            clip_rows(grads, self._clip)
        for start, stop, stepper in self._steppers:
            stepper.step(
                {name: self._params[name][start:stop] for name in grads},
                {name: grad[start:stop] for name, grad in grads.items()},
            )
        self.steps += 1

    def _gradients(self, seen: Stacked) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses [row] before the update, and the gradient [row, ...] of each parameter that has one."""
        leaves = {name: self._params[name].requires_grad_() for name in self._owned}
        try:
            losses = torch.cat([self._losses(block, seen) for block in self._blocks])
            found = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
        finally:
            for leaf in leaves.values():
                leaf.requires_grad_(False)
        return losses.detach(), present(self._owned, found)

    def _losses(self, block: Block, seen: Stacked) -> Tensor:
        whole = len(self._blocks) == 1
        rows = slice(block.start, block.stop)
        params = self._params if whole else {name: p[rows] for name, p in self._params.items()}
        buffers = self._buffers if whole else {name: b[rows] for name, b in self._buffers.items()}
        return asked_all(block.ask, params, buffers, seen if whole else part(seen, block.start, block.stop))

    @property
    def losses(self) -> Tensor:
        """Loss of each member in each step, before its update [member, step]; nan after a member was dropped."""
        columns = [torch.stack(told, dim=1) for _, told in self._history if told]
        if not columns:
            return torch.empty(len(self._setups), 0)
        out = columns[0].new_full((len(self._setups), self.steps), torch.nan)
        at = 0
        for (rows, _), column in zip([h for h in self._history if h[1]], columns, strict=True):
            out[rows, at : at + column.shape[1]] = column
            at += column.shape[1]
        return out

    def keep(self, members: Iterable[int]) -> None:
        """Go on with these members alone. The others are written back as they stand; nothing changes in these.

        UserError where one is unknown or was dropped before, or none is left.
        """
        wanted = set(members)
        unknown = sorted(wanted - set(self.rows))
        if unknown or not wanted:
            has = f"member {unknown[0]} is not in training" if unknown else "no member is left"
            raise UserError(f"{has.capitalize()}. Keep some of {sorted(self.rows)}.")
        kept = [row for row, member in enumerate(self.rows) if member in wanted]
        self.write_back([member for member in self.rows if member not in wanted])
        index = torch.tensor(kept)
        self._params = {name: p[index.to(p.device)] for name, p in self._params.items()}
        self._buffers = {name: b[index.to(b.device)] for name, b in self._buffers.items()}
        self._clip = None if self._clip is None else self._clip[index.to(self._clip.device)]
        self._steppers, self._blocks = kept_runs(self._steppers, kept), kept_blocks(self._blocks, kept)
        self._feed.keep(kept)
        self.rows = [self.rows[row] for row in kept]
        self._history.append((self.rows, []))

    # -- looking ----------------------------------------------------------------------------------------------------

    def ask(self, ask: Ask, batch: Any) -> Tensor:
        """A number of every member that is in training, in eval mode and without gradient: [member in order].

        ask: ``ask(model, batch) -> scalar``, the same for all; it must run the model that it is given. batch: the
        same for all. Running statistics stay. UserError where that model is not run.
        """
        template = self._blocks[0].ask.model
        asked, entered = Asked(template, ask), Entered()
        asked.way = self._blocks[0].ask.way
        with unchanged(template), torch.no_grad(), entered.watching(template):
            template.eval()
            told = asked_all(asked, self._params, self._buffers, Stacked(batch, None))
        if not entered.seen:
            raise UserError("ask(model, batch) did not run the model that it was given. Let it call that one.")
        order = sorted(range(len(self.rows)), key=lambda row: self.rows[row])
        return told[torch.tensor(order, device=told.device)]

    def write_back(self, members: Iterable[int] | None = None) -> None:
        """Put what members have learned into their models, buffers included, and their optimizers' state.

        members: None for all that are in training. Those that were dropped were written back then.
        """
        chosen = set(self.rows if members is None else members)
        for row, member in enumerate(self.rows):
            if member in chosen:
                self._write(row, self._setups[member])

    def _write(self, row: int, setup: Setup) -> None:
        parameters = dict(setup.model.named_parameters())
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(self._params[name][row])
            for name, buffer in setup.model.named_buffers():
                buffer.copy_(self._buffers[name][row])
        passed = next(block.ask.model for block in self._blocks if block.start <= row < block.stop)
        for module, template in zip(setup.model.modules(), passed.modules(), strict=True):
            vars(module).update(plain_attributes(template))  # counters that a forward pass keeps in Python
        for start, stop, stepper in self._steppers:
            if start <= row < stop and setup.optimizer is not None:
                for name, state in stepper.state_of(row - start).items():
                    setup.optimizer.state[parameters[name]] = state
