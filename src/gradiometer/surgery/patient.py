"""The network on the table: what an operation may read, and how it changes it so that it can be told and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..records import Change, ModelError, Network, Prescription, Scalar, UserError
from .passes import Batch, network_of, run_once, undisturbed
from .steps import Literals, Step

Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(slots=True)
class Patient:
    """A network under one cure.

    model: changed in place. optimizers: those that hold its parameters, () where none was given. batch: None where
    none was given. settings: of the prescription, complete and of the right types. generator: on the CPU, seeded by
    the setting ``seed``; the only source of random numbers. changes: told to the user. steps: written as the patch.
    handed: what was given to be cured: the model, or what torch.compile made of it. teacher: a trained network that
    it learns from, None where none was given.
    """

    model: nn.Module
    prescription: Prescription
    settings: dict[str, Scalar]
    optimizers: tuple[Optimizer, ...] = ()
    batch: Batch | None = None
    generator: torch.Generator = field(default_factory=torch.Generator)
    changes: list[Change] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    handed: nn.Module | None = None
    teacher: nn.Module | None = None

    # ---- read --------------------------------------------------------------------------------------------------

    def number(self, name: str) -> float:
        """A setting as a number."""
        value = self.settings[name]
        assert isinstance(value, (int, float)), name
        return float(value)

    def word(self, name: str) -> str:
        """A setting as text."""
        return str(self.settings[name])

    def chosen(self, path: str) -> bool:
        """True where the prescription's targets hold the path, or something that it lies in; always without targets."""
        targets = self.prescription.targets
        return not targets or any(t == "" or path == t or path.startswith(f"{t}.") for t in targets)

    def modules(self, *kinds: type[nn.Module]) -> Iterator[tuple[str, nn.Module]]:
        """Chosen modules of these classes by path, each once, in the order of the network."""
        for path, module in self.model.named_modules():
            if isinstance(module, kinds) and self.chosen(path):
                yield path, module

    def forward(self) -> None:
        """One forward pass over the batch, exactly as the network stands; random numbers as they were afterwards.

        Whoever needs the network untouched by it (running statistics) takes ``passes.undisturbed``.
        """
        run_once(self.model, self.given_batch())

    def given_batch(self) -> Batch:
        """The batch. UserError where none was given."""
        if self.batch is None:
            raise UserError(f"{self.prescription.cure} looks at a real batch. Pass batch=, as the network is called.")
        return self.batch

    def reached(self, met: Callable[[], int]) -> bool:
        """Whether the loss, where one was given, meets what the cure has put in: whether the count ``met()`` grows in
        one pass, which leaves nothing behind. True where no loss was given."""
        if self.given_batch().loss is None:
            return True
        before = met()
        with undisturbed(self.model):
            self.forward()
        return met() > before

    def network(self) -> Network:
        """The trunk and the modules of the network as measured on a copy. ModelError where it cannot be measured."""
        return network_of(self.model, self.given_batch())

    # ---- change ------------------------------------------------------------------------------------------------

    def do(self, function: Callable[..., Any], *literals: Literals, **named: Literals) -> Any:
        """Call ``function(model, *literals)`` now, and write the same call into the patch.

        function: self-contained plain PyTorch, declared with ``steps.plain``. A parameter named ``generator`` is given
        this patient's generator, one named ``teacher`` its teacher, one named ``optimizers`` the list of optimizers.
        Where ``optimizers`` has a default, the patch leaves it out (it is called before the optimizer is built); where
        it has none, so does the patch's function, which is then called afterwards.
        """
        step = Step.of(function, literals, named)
        self.steps.append(step)
        return step.call(self.model, self.generator, list(self.optimizers), self.teacher)

    def note(self, site: str, what: str, before: object, after: object) -> None:
        """Tell a change, each side in a few words or as a number."""
        self.changes.append(Change(site, what, _words(before), _words(after)))

    def refuse(self, sentence: str) -> ModelError:
        """The error with which an operation says that it cannot be done here, to be raised."""
        return ModelError(f"{self.prescription.cure} cannot be applied to {type(self.model).__name__}: {sentence}")


def _words(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
