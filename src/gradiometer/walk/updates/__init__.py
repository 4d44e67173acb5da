"""The update by hand: one optimizer's family a file; ``RULES`` holds their rules by the name of the class."""

from __future__ import annotations

from .adagrad import ADAGRAD
from .adam import ADAM, ADAMW
from .hand import HandGroup, HandOptimizer
from .rmsprop import RMSPROP
from .rule import Move, Settings, State, UpdateRule
from .sgd import SGD
from .taken import rule_of, rule_of_class, settings_of, state_of

RULES: dict[str, UpdateRule] = {rule.name: rule for rule in (SGD, ADAM, ADAMW, RMSPROP, ADAGRAD)}

__all__ = [
    "RULES",
    "HandGroup",
    "HandOptimizer",
    "Move",
    "Settings",
    "State",
    "UpdateRule",
    "rule_of",
    "rule_of_class",
    "settings_of",
    "state_of",
]
