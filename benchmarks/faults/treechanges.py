"""Changes of a syntax tree that sow one fault; each counts what it has changed, so that nothing is no mutant."""

from __future__ import annotations

import ast
from typing import ClassVar

RATES = {"SGD": 1e-3, "Adam": 1e-3, "AdamW": 1e-3, "RMSprop": 1e-2, "Adagrad": 1e-2, "NAdam": 2e-3, "Adamax": 2e-3}
"""Optimizers and the rate that torch gives them where a script names none."""
RECTIFIERS = frozenset({"ReLU", "GELU", "SiLU", "ELU", "SELU", "LeakyReLU"})
RECTIFYING = frozenset({"relu", "gelu", "silu", "elu", "selu", "leaky_relu"})
NORMS = frozenset({"BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "RMSNorm", "InstanceNorm1d"})
LOSSES = frozenset({"cross_entropy", "mse_loss", "nll_loss", "binary_cross_entropy_with_logits", "l1_loss"})
LOSS_MODULES = frozenset({"CrossEntropyLoss", "MSELoss", "NLLLoss", "BCEWithLogitsLoss", "L1Loss"})
WEIGHTED = frozenset({"Linear", "Conv1d", "Conv2d"})
PIXEL_RANGES = frozenset({8.0, 16.0, 255.0})


def name_of(node: ast.AST) -> str:
    """The last name of ``a.b.c``, "" of anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def called(node: ast.AST) -> str:
    """The name of what a call calls, "" where it is no call."""
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class Change(ast.NodeTransformer):
    """A transformer that knows whether it has changed anything. tree: what it is about to change."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.changed = 0


class Rate(Change):
    """The rate of every optimizer, of its groups and of a schedule's peak, multiplied."""

    factor: ClassVar[float] = 1.0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if name_of(node.func) in RATES:
            self._optimizer(node)
        elif self.changed:
            for keyword in node.keywords:
                keyword.value = self._more(keyword.value) if keyword.arg == "max_lr" else keyword.value
        return node

    def _optimizer(self, node: ast.Call) -> None:
        self.changed += 1
        for table in (n for n in ast.walk(node) if isinstance(n, ast.Dict)):
            pairs = zip(table.keys, table.values, strict=True)
            lr = [isinstance(k, ast.Constant) and k.value == "lr" for k, _ in pairs]
            table.values = [self._more(v) if own else v for v, own in zip(table.values, lr, strict=True)]
        named = [k for k in node.keywords if k.arg == "lr"]
        if named:
            named[0].value = self._more(named[0].value)
        elif len(node.args) > 1:
            node.args[1] = self._more(node.args[1])
        else:
            rate = ast.Constant(RATES[name_of(node.func)])
            node.keywords.append(ast.keyword("lr", self._more(rate)))

    def _more(self, value: ast.expr) -> ast.expr:
        return ast.BinOp(value, ast.Mult(), ast.Constant(self.factor))


def rate(factor: float) -> type[Rate]:
    """Rates multiplied by a factor."""
    return type("RateTimes", (Rate,), {"factor": factor})


class Activations(Change):
    """Every rectifier becomes something else. module, function: by what."""

    module: ClassVar[str] = "Sigmoid"
    function: ClassVar[str] = "torch.sigmoid"

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr not in RECTIFIERS:
            return node
        self.changed += 1
        return ast.Attribute(node.value, self.module, node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in RECTIFYING:
            self.changed += 1
            value = node.args[0] if node.args else node.func.value  # F.relu(x), or x.relu()
            return ast.Call(_expression(self.function), [value], []) if self.function else value
        if isinstance(node.func, ast.Attribute) and node.func.attr == "Sigmoid":
            node.args, node.keywords = [], []
        return node


class NoActivations(Activations):
    """Every rectifier becomes its argument."""

    module = "Identity"
    function = ""


class NoNorms(Change):
    """Normalisation becomes an identity, which takes and ignores the arguments."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr not in NORMS:
            return node
        self.changed += 1
        return ast.Attribute(node.value, "Identity", node.ctx)


class Deeper(Change):
    """A loop that builds layers runs five times as often."""

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        if any(self._builds(s) for s in node.body):
            node.iter = self._longer(node.iter)
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehended(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehended(node)

    def _comprehended(self, node: ast.ListComp | ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        if len(node.generators) == 1 and self._builds(node.elt):
            node.generators[0].iter = self._longer(node.generators[0].iter)
        return node

    def _builds(self, node: ast.AST) -> bool:
        own = {n.name for n in ast.walk(self.tree) if isinstance(n, ast.ClassDef)}
        return any(called(n) in WEIGHTED | own for n in ast.walk(node))

    def _longer(self, loop: ast.expr) -> ast.expr:
        if not (isinstance(loop, ast.Call) and called(loop) == "range" and len(loop.args) == 1):
            return loop
        self.changed += 1
        loop.args = [ast.BinOp(loop.args[0], ast.Mult(), ast.Constant(5))]
        return loop


class Dropout(Change):
    """Dropout takes nearly everything."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if called(node) in ("Dropout", "Dropout1d", "Dropout2d"):
            node.args, node.keywords = [ast.Constant(0.97)], []
            self.changed += 1
        return node


class NotCleared(Change):
    """``zero_grad`` is forgotten."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if called(node.value) == "zero_grad":
            self.changed += 1
            return ast.Pass()
        return node


class Negated(Change):
    """The root of the backward pass changes its sign."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "backward" and not node.args:
            node.func.value = ast.UnaryOp(ast.USub(), node.func.value)
            self.changed += 1
        return node


class Epsilon(Change):
    """The epsilon of Adam stands above every gradient."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if called(node) in ("Adam", "AdamW", "RMSprop"):
            node.keywords = [k for k in node.keywords if k.arg != "eps"]
            node.keywords.append(ast.keyword("eps", ast.Constant(10.0)))
            self.changed += 1
        return node


class Stale(Change):
    """The optimizer holds the parameters of a copy."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if called(node) in RATES and node.args:
            own = node.args[0]
            if called(own) == "parameters" and isinstance(own, ast.Call) and isinstance(own.func, ast.Attribute):
                copy = ast.Call(_expression("__import__('copy').deepcopy"), [own.func.value], [])
                own.func = ast.Attribute(copy, "parameters", ast.Load())
                self.changed += 1
        return node


class Detached(Change):
    """In the longest ``forward``, the error stops in the middle."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == "forward" and node is self._longest():
            steps = self._steps(node)
            middle = steps[len(steps) // 2]
            middle.value = ast.Call(ast.Attribute(middle.value, "detach", ast.Load()), [], [])
            self.changed += 1
        return self.generic_visit(node)

    def _longest(self) -> ast.FunctionDef | None:
        functions = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef) and n.name == "forward"]
        longest = max(functions, key=lambda n: len(self._steps(n)), default=None)
        return longest if longest is not None and len(self._steps(longest)) > 1 else None

    @staticmethod
    def _steps(node: ast.FunctionDef) -> list[ast.Assign]:
        """Statements like ``x = self.fc(x)`` of a body."""
        plain = [s for s in node.body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Call)]
        return [s for s in plain if len(s.targets) == 1 and isinstance(s.targets[0], ast.Name)]


class Before(Change):
    """Lines before the statement that makes an optimizer: ``MODEL`` stands for its network."""

    text: ClassVar[str] = ""

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


def before(text: str) -> type[Before]:
    """These lines before the first optimizer."""
    return type("BeforeOptimizer", (Before,), {"text": text})


def _model_of(statement: ast.stmt) -> str:
    """``model`` of a statement like ``opt = torch.optim.Adam(model.parameters(), ...)``; "" elsewhere."""
    call = statement.value if isinstance(statement, ast.Assign) else None
    if not isinstance(call, ast.Call) or called(call) not in RATES or not call.args:
        return ""
    first = call.args[0]
    if isinstance(first, ast.Call) and called(first) == "parameters" and isinstance(first.func, ast.Attribute):
        return ast.unparse(first.func.value)
    return ""


class Clipped(Change):
    """The gradient is clipped to nothing before every step of SGD."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and called(n.value) == "SGD"]
        self.sgd = {ast.unparse(target) for n in made for target in n.targets}

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        value = node.value
        if not (isinstance(value, ast.Call) and called(value) == "step" and isinstance(value.func, ast.Attribute)):
            return node
        owner = ast.unparse(value.func.value)
        if owner not in self.sgd:
            return node
        self.changed += 1
        text = f"torch.nn.utils.clip_grad_norm_([p for g in {owner}.param_groups for p in g['params']], 1e-5)"
        return [*ast.parse(text).body, node]


class Loss(Change):
    """Changes the losses of the training alone: in statements that assign what is sent backward, never in a metric."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        roots = [n.func.value for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
                 and n.func.attr == "backward"]  # fmt: skip
        self.sent = {n.id for root in roots for n in ast.walk(root) if isinstance(n, ast.Name)}
        made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and called(n.value) in LOSS_MODULES]
        self.modules = {ast.unparse(t): n.value for n in made for t in n.targets}
        self.inside = False

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.inside = any(name_of(t) in self.sent for t in node.targets)
        self.generic_visit(node)
        self.inside = False
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        kind = called(self.modules.get(ast.unparse(node.func), node))
        return self.change(node, kind) if self.inside and node.args else node

    def change(self, node: ast.Call, kind: str) -> ast.AST:
        """The changed call of a loss. kind: name of its function or class."""
        raise NotImplementedError


class Squashed(Loss):
    """A softmax before cross-entropy, a sigmoid before binary cross-entropy with logits."""

    def change(self, node: ast.Call, kind: str) -> ast.AST:
        before_it = {"cross_entropy": "torch.softmax(X, 1)", "CrossEntropyLoss": "torch.softmax(X, 1)"}
        before_it |= dict.fromkeys(("binary_cross_entropy_with_logits", "BCEWithLogitsLoss"), "torch.sigmoid(X)")
        if kind in before_it:
            squashed = _expression(before_it[kind])
            assert isinstance(squashed, ast.Call)
            squashed.args[0] = node.args[0]
            node.args[0] = squashed
            self.changed += 1
        return node


class Summed(Loss):
    """The loss is summed over the batch."""

    def change(self, node: ast.Call, kind: str) -> ast.AST:
        if kind in LOSSES and not any(k.arg == "reduction" for k in node.keywords):
            node.keywords.append(ast.keyword("reduction", ast.Constant("sum")))
            self.changed += 1
        elif kind in LOSS_MODULES and called(node) != kind:
            made = self.modules[ast.unparse(node.func)]
            assert isinstance(made, ast.Call)
            self.changed += 1
            kept = [k for k in made.keywords if k.arg != "reduction"]
            summed = ast.Call(made.func, made.args, [*kept, ast.keyword("reduction", ast.Constant("sum"))])
            return ast.Call(summed, node.args, node.keywords)
        return node


class Raw(Change):
    """Inputs keep their scale: pixels are not divided, columns not standardised. Targets (y, t ...) keep theirs."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        first = ast.unparse(node.targets[0]).lower()
        return node if first.startswith(("y", "t", "label")) else self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div) or not _of_inputs(node.left):
            return node
        right = node.right
        pixels = isinstance(right, ast.Constant) and right.value in PIXEL_RANGES
        columns = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Sub) and _is_spread(right)
        self.changed += pixels or columns
        if columns and isinstance(node.left, ast.BinOp):
            return node.left.left
        return node.left if pixels else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        scaler = "Scaler" in ast.unparse(self.tree)
        if (
            scaler
            and called(node) in ("transform", "fit_transform")
            and len(node.args) == 1
            and _of_inputs(node.args[0])
        ):
            self.changed += 1
            return node.args[0]
        return node


def _of_inputs(node: ast.expr) -> bool:
    names = {n.id.lower() for n in ast.walk(node) if isinstance(n, ast.Name)} - {"math", "np", "torch"}
    return bool(names) and not any(n.startswith(("y", "target", "label", "loss")) for n in names)


def _is_spread(node: ast.expr) -> bool:
    words = ast.unparse(node).lower()
    return any(word in words for word in ("std", "sd", "sigma", "scale"))
