"""Faults sown into healthy scripts, in the manner of DeepCrime: each operator changes one thing in the syntax tree.

Which operators a script gets is drawn from the hash of its name, so that the mutants are the same on every machine.
A mutant is no fault by its name: training decides (``labels.label_mutant``).
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from cases import Case, Script

PER_SCRIPT = 3
OPTIMIZERS = frozenset({"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "Adamax", "SparseAdam", "RAdam"})
SHRINKING = frozenset({"ReLU", "Tanh", "GELU", "SiLU", "ELU", "SELU", "LeakyReLU"})
FUNCTIONS = frozenset({"relu", "tanh", "gelu", "silu", "elu", "leaky_relu"})
NORMS = frozenset({"BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm"})

RATE_HIGH = (("unstable", "exploding", "non-finite", "stalled", "zero", "vanishing"), ("lr-too-high",))
RATE_LOW = (("stalled",), ("lr-too-low",))


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of mutation. symptoms, causes: what a right diagnosis names where the mutant is killed."""

    name: str
    change: Callable[[], ast.NodeTransformer]
    symptoms: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutated script and the operator that made it."""

    script: Script
    operator: Operator


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Once(ast.NodeTransformer):
    """A transformer that knows whether it has changed anything."""

    def __init__(self) -> None:
        self.changed = 0


class _Rate(_Once):
    """The rate of every optimizer, multiplied."""

    factor = 1.0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node.func) in OPTIMIZERS:
            for keyword in node.keywords:
                if keyword.arg == "lr":
                    keyword.value = ast.BinOp(keyword.value, ast.Mult(), ast.Constant(self.factor))
                    self.changed += 1
        return node


def _rate(factor: float) -> type[_Rate]:
    return type("Rate", (_Rate,), {"factor": factor})


class _Sigmoids(_Once):
    """Every activation becomes a sigmoid."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in SHRINKING:
            self.changed += 1
            return ast.Attribute(node.value, "Sigmoid", node.ctx)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "Sigmoid":
            node.args, node.keywords = [], []
        if isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS and len(node.args) == 1:
            self.changed += 1
            node.func = ast.Attribute(ast.Name("torch", ast.Load()), "sigmoid", ast.Load())
            node.keywords = []
        return node


class _Removed(_Once):
    """Modules of some names become identities, functions of some names their argument."""

    modules: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in self.modules:
            self.changed += 1
            return ast.Call(ast.Attribute(node.func.value, "Identity", ast.Load()), [], [])
        if isinstance(node.func, ast.Attribute) and node.func.attr in self.functions and len(node.args) == 1:
            self.changed += 1
            return node.args[0]
        return node


def _removed(modules: frozenset[str], functions: frozenset[str] = frozenset()) -> type[_Removed]:
    return type("Removed", (_Removed,), {"modules": modules, "functions": functions})


class _Dropout(_Once):
    """Dropout takes nearly everything."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node.func).startswith("Dropout"):
            node.args, node.keywords = [ast.Constant(0.97)], []
            self.changed += 1
        return node


class _NotCleared(_Once):
    """``zero_grad`` is forgotten."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Call) and _name(node.value.func) == "zero_grad":
            self.changed += 1
            return ast.Pass()
        return node


class _Backward(_Once):
    """The root of the backward pass is multiplied."""

    factor = -1.0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "backward" and not node.args:
            node.func.value = ast.BinOp(node.func.value, ast.Mult(), ast.Constant(self.factor))
            self.changed += 1
        return node


class _Epsilon(_Once):
    """The epsilon of Adam stands above every gradient."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node.func) in {"Adam", "AdamW", "RMSprop"}:
            node.keywords = [k for k in node.keywords if k.arg != "eps"]
            node.keywords.append(ast.keyword("eps", ast.Constant(10.0)))
            self.changed += 1
        return node


class _Before(_Once):
    """Lines before the statement that makes an optimizer: ``MODEL`` stands for its network."""

    text = ""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._body(node)

    def _body(self, node: ast.Module | ast.FunctionDef) -> ast.AST:
        out: list[ast.stmt] = []
        for statement in node.body:
            model = _model_of(statement)
            if model and not self.changed:
                self.changed += 1
                out += ast.parse(self.text.replace("MODEL", model)).body
            out.append(statement)
        node.body = out
        self.generic_visit(node)
        return node


def _model_of(statement: ast.stmt) -> str:
    """``model`` of a statement like ``opt = torch.optim.Adam(model.parameters(), ...)``; "" elsewhere."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
        return ""
    call = statement.value
    if _name(call.func) not in OPTIMIZERS or not call.args:
        return ""
    first = call.args[0]
    if isinstance(first, ast.Call) and _name(first.func) == "parameters" and isinstance(first.func, ast.Attribute):
        return ast.unparse(first.func.value)
    return ""


def _before(text: str) -> type[_Before]:
    return type("Before", (_Before,), {"text": text})


class _Clipped(_Once):
    """The gradient is clipped to nothing before every step of SGD."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        value = node.value
        if isinstance(value, ast.Call) and _name(value.func) == "step" and isinstance(value.func, ast.Attribute):
            owner = ast.unparse(value.func.value)
            if owner in self.sgd:
                self.changed += 1
                text = f"torch.nn.utils.clip_grad_norm_([p for g in {owner}.param_groups for p in g['params']], 1e-5)"
                return [*ast.parse(text).body, node]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if isinstance(node.value, ast.Call) and _name(node.value.func) == "SGD":
            self.sgd |= {ast.unparse(t) for t in node.targets}
        return node

    def __init__(self) -> None:
        super().__init__()
        self.sgd: set[str] = set()


class _Squashed(_Once):
    """A softmax before cross-entropy."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node.func) == "cross_entropy" and node.args:
            softmax = ast.parse("torch.softmax(X, 1)", mode="eval").body
            assert isinstance(softmax, ast.Call)
            softmax.args[0] = node.args[0]
            node.args[0] = softmax
            self.changed += 1
        return node


_INIT = (
    "for _m in MODEL.modules():\n    if isinstance(_m, (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)):\n        "
)
OPERATORS = (
    Operator("rate x1000", _rate(1e3), *RATE_HIGH),
    Operator("rate x100", _rate(1e2), *RATE_HIGH),
    Operator("rate x10", _rate(1e1), *RATE_HIGH),
    Operator("rate /100", _rate(1e-2), *RATE_LOW),
    Operator("rate /1000", _rate(1e-3), *RATE_LOW),
    Operator("rate /10000", _rate(1e-4), *RATE_LOW),
    Operator(
        "sigmoids", _Sigmoids, ("vanishing", "stalled"), ("activation-shrinks-error", "init-too-small", "lr-too-low")
    ),
    Operator(
        "no activation",
        _removed(SHRINKING, FUNCTIONS),
        ("stalled", "unstable", "exploding", "non-finite"),
        ("activation-missing",),
    ),
    Operator(
        "no normalisation",
        _removed(NORMS),
        ("stalled", "unstable", "exploding", "non-finite", "vanishing"),
        ("input-scale", "lr-too-high", "init-too-small", "init-too-large", "lr-too-low", "depth-without-skip"),
    ),
    Operator("dropout", _Dropout, ("stalled", "unstable"), ("noise-dominates",)),
    Operator(
        "not cleared",
        _NotCleared,
        ("unstable", "exploding", "non-finite", "stalled", "zero"),
        ("gradient-not-cleared",),
    ),
    Operator("negated", _Backward, ("unstable", "exploding", "non-finite", "stalled", "zero"), ("loss-sign",)),
    Operator("epsilon", _Epsilon, ("stalled",), ("epsilon-binds",)),
    Operator("clipped", _Clipped, ("stalled",), ("clip-binds",)),
    Operator("squashed", _Squashed, ("stalled",), ("loss-mismatch",)),
    Operator(
        "small weights",
        _before(_INIT + "torch.nn.init.normal_(_m.weight, std=1e-3)"),
        ("vanishing", "stalled"),
        ("init-too-small",),
    ),
    Operator(
        "large weights",
        _before(_INIT + "torch.nn.init.normal_(_m.weight, std=2.0)"),
        ("exploding", "unstable", "stalled", "non-finite", "vanishing", "zero"),
        ("init-too-large",),
    ),
    Operator(
        "equal weights",
        _before(_INIT + "torch.nn.init.constant_(_m.weight, 0.02)"),
        ("stalled", "zero", "vanishing"),
        ("init-symmetric",),
    ),
)


@cache
def mutants_of(case: Case) -> tuple[Mutant, ...]:
    """The mutants of a healthy case, at most PER_SCRIPT; none of a case with a fault."""
    if not case.healthy:
        return ()
    healthy, out = case.scripts[0], []
    for operator in _drawn(case.name):
        text = mutated(healthy.text, operator)
        if text is not None:
            out.append(Mutant(Script(case.name, f"mutant: {operator.name}", text), operator))
        if len(out) == PER_SCRIPT:
            break
    return tuple(out)


def mutated(text: str, operator: Operator) -> str | None:
    """The script with one thing changed; None where the operator finds nothing to change."""
    change = operator.change()
    tree = ast.fix_missing_locations(change.visit(ast.parse(text)))
    assert isinstance(change, _Once)
    return ast.unparse(tree) + "\n" if change.changed else None


def _drawn(name: str) -> Sequence[Operator]:
    """All operators, in an order that the name of the case draws."""
    return sorted(OPERATORS, key=lambda o: hashlib.sha256(f"{name}/{o.name}".encode()).digest())
