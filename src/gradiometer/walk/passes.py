"""Two passes of a network on a copy: one as it trains, measured as the watch does; one in float64 that is walked."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..measurement.graph import Graph, Vertex, is_leaf
from ..measurement.models import Call, flatten
from ..measurement.onepass import measured_pass, noted
from ..measurement.places import GraphPlaces
from ..measurement.rehearsal import check_scalar, no_copy, original_untouched, state_kept
from ..measurement.tap import paused
from ..measurement.trunk import Trunk, find_trunk
from ..records import ModelError, Run
from .alike import CircularAsSelection, DrawnAs

Loss = Callable[[nn.Module, Any], Tensor]
Shapes = dict[str, list[list[tuple[int, ...]]]]
HALVES = frozenset({torch.float16, torch.bfloat16})
WHOLE_MODULES = (nn.RNNBase, nn.RNNCellBase, nn.RMSNorm, nn.Softsign)


@dataclass(frozen=True, slots=True)
class WholeCall:
    """One call of a module that has one law as a whole, with what went in and came out."""

    path: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


@dataclass(slots=True)
class Traced:
    """One walked pass: its graph with every edge, the trunk in it, and what autograd sends over it.

    arrived: autograd's error at every vertex of the trunk and at the inputs. gradients: autograd's, by parameter name.
    inputs: the batch's floating tensors, as vertices of the graph; leaves: name of every parameter by id.
    wholes: calls of modules that may have one law as a whole.
    """

    model: nn.Module
    graph: Graph
    trunk: Trunk | None
    loss: Tensor
    arrived: dict[Vertex, Tensor]
    gradients: dict[str, Tensor]
    inputs: tuple[Vertex, ...]
    leaves: dict[int, str]
    examples: int
    calls: tuple[Call, ...]
    wholes: tuple[WholeCall, ...]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Asked:
    """What explain() was asked to walk."""

    model: nn.Module
    batch: Any
    loss: Loss
    optimizer: torch.optim.Optimizer | None


def passes(asked: Asked) -> tuple[Run, Traced]:
    """The measured run of one pass in the network's own precision, and the traced pass in float64 where that works.

    Both draw the same random numbers. Nothing changes in the model, its gradients or the global generators.
    ModelError where the network can't be copied, gives different shapes in the two passes, or the loss is no scalar.
    """
    model, doubled = _copied(asked.model), _copied(asked.model)  # before hooks stand on the original
    name = type(model).__name__.lower()
    first: Shapes = {}
    second: Shapes = {}
    halves: set[torch.dtype] = set()
    with original_untouched(asked.model, asked.optimizer), _ready(), _shapes_kept(model, first, halves):
        run = measured_pass(model, name, lambda: asked.loss(model, _map(asked.batch, torch.clone)))
    untouched = original_untouched(asked.model, asked.optimizer)
    try:
        with untouched, _ready(), _in_double(), _shapes_kept(doubled, second, set()):
            traced = _traced(asked, doubled.double(), torch.float64)
    except ModelError:
        raise
    except Exception as error:
        second.clear()
        spare = _copied(asked.model)
        with original_untouched(asked.model, asked.optimizer), _ready(), _shapes_kept(spare, second, set()):
            traced = _traced(asked, spare, None)
        traced.notes.append(
            f"Calculated in the network's own precision: in float64 it raises {type(error).__name__}: {error}"
        )
    _same_shapes(type(asked.model).__name__, first, second)
    if halves and traced.loss.dtype == torch.float64:
        names = " and ".join(sorted(str(d).removeprefix("torch.") for d in halves))
        traced.notes.append(
            f"The training calculates in {names} in part, the walk in float64: gains differ by its rounding."
        )
    return run, traced


@contextmanager
def _ready() -> Iterator[None]:
    """Each pass begins with the same random state, with gradients on, nothing compiled, and unseen by a watch."""
    compiles = "torch._dynamo" in sys.modules  # otherwise nothing is compiled, and to ask loads it for a second
    eager = torch.compiler.set_stance("force_eager") if compiles else nullcontext()
    with paused(), state_kept(), torch.inference_mode(False), torch.enable_grad(), eager:
        yield


@contextmanager
def _in_double() -> Iterator[None]:
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(default)


def _copied(model: nn.Module) -> nn.Module:
    try:
        made = copy.deepcopy(model)
    except Exception as error:
        raise no_copy("explain", model, error) from error
    for p in made.parameters():
        p.grad = None
    for module in made.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # a copy has its weights in pieces, and cuDNN warns of it
    return made


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A batch with every tensor changed: tuples, lists, dicts and named tuples keep their form."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping) and type(value) is dict:
        return {k: _map(v, change) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map(v, change) for v in value))
    if type(value) in (tuple, list):
        return type(value)(_map(v, change) for v in value)
    return value


def _traced(asked: Asked, model: nn.Module, dtype: torch.dtype | None) -> Traced:
    given: list[tuple[Any, int]] = []

    def prepared(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x.clone()
        leaf = x.detach().to(dtype or x.dtype, copy=True).requires_grad_()
        own = leaf.clone()  # a vertex of its own, so that the error that reaches the input is seen
        given.append((own.grad_fn, own.output_nr))  # now: the network may change it in place
        return own

    batch = _map(asked.batch, prepared)
    name = type(asked.model).__name__.lower()
    wholes: list[WholeCall] = []
    native = torch.backends.cudnn.flags(enabled=False)  # its fused operations hide what a law would need
    drawn = DrawnAs(_precision(asked.model))
    with noted(model, name) as (_, watched), _wholes_kept(model, wholes), CircularAsSelection(), drawn, native:
        value = asked.loss(model, batch)
        check_scalar(value)
        calls = tuple(watched.calls)
    full = Graph([value.grad_fn])
    alive = _with_parameters(full)
    pruned = Graph([value.grad_fn], alive)
    places = GraphPlaces(pruned, watched)
    trunk = find_trunk(pruned, places.places) if places.calls else None
    moved = _in_full(full, pruned, trunk)
    inputs = tuple((full.index[node], nr) for node, nr in given if node in full.index)
    arrived = _backward(model, full, value, (*(moved.vertices if moved else ()), *inputs))
    leaves = {id(p): n for n, p in model.named_parameters()}
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    sizes = [len(x) for x in flatten(asked.batch) if x.dim()]
    return Traced(
        model=model,
        graph=full,
        trunk=moved,
        loss=value,
        arrived=arrived,
        gradients=gradients,
        inputs=inputs,
        leaves=leaves,
        examples=max(set(sizes), key=sizes.count) if sizes else 1,
        calls=calls,
        wholes=tuple(wholes),
    )


def _precision(model: nn.Module) -> torch.dtype:
    """The type of the network's first real parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())


@contextmanager
def _wholes_kept(model: nn.Module, kept: list[WholeCall]) -> Iterator[None]:
    """Note what goes into and comes out of modules that autograd takes apart and a law takes whole."""

    def keeper(path: str) -> Callable[..., None]:
        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
            kept.append(WholeCall(path, module, args, kwargs, output))

        return keep

    wholes = [(n, m) for n, m in model.named_modules() if isinstance(m, WHOLE_MODULES)]
    with _listening(m.register_forward_hook(keeper(n), with_kwargs=True) for n, m in wholes):
        yield


@contextmanager
def _listening(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Hooks that are taken out again, whatever happens."""
    with ExitStack() as stack:
        for handle in handles:
            stack.callback(handle.remove)
        yield


def _with_parameters(graph: Graph) -> set[Any]:
    """The nodes and leaves that the error of a training would pass: those above a parameter."""
    alive: set[Any] = set()
    for i in reversed(range(len(graph.nodes))):
        node = graph.nodes[i]
        for child, _ in node.next_functions:
            if child is not None and is_leaf(child) and isinstance(child.variable, nn.Parameter):
                alive.add(child)
        if any(child in alive for child, _ in node.next_functions):
            alive.add(node)
    return alive


def _in_full(full: Graph, pruned: Graph, trunk: Trunk | None) -> Trunk | None:
    """The trunk with its vertices as numbered in the full graph."""
    if trunk is None:
        return None
    vertices = tuple((full.index[pruned.nodes[i]], nr) for i, nr in trunk.vertices)
    return Trunk(trunk.hops, trunk.stations, vertices, trunk.names)


def _backward(model: nn.Module, graph: Graph, value: Tensor, vertices: Iterable[Vertex]) -> dict[Vertex, Tensor]:
    """Autograd's own pass: the error that arrives at each vertex."""
    arrived: dict[Vertex, Tensor] = {}

    def catch(vertex: Vertex) -> Callable[[Sequence[Tensor | None]], None]:
        def hook(errors: Sequence[Tensor | None]) -> None:
            error = errors[vertex[1]]
            if error is not None:
                arrived[vertex] = error.detach().clone()

        return hook

    for p in model.parameters():
        p.grad = None  # of a backward pass that the loss has made itself
    with _listening(graph.nodes[v[0]].register_prehook(catch(v)) for v in dict.fromkeys(vertices)):
        value.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    return arrived


@contextmanager
def _shapes_kept(model: nn.Module, shapes: Shapes, halves: set[torch.dtype]) -> Iterator[None]:
    """Note the shapes that every module puts out, call after call, and types of half precision."""

    def keeper(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            given = list(flatten(output))
            shapes.setdefault(path or "the whole", []).append([tuple(x.shape) for x in given])
            halves.update(x.dtype for x in given if x.dtype in HALVES)

        return keep

    with _listening(m.register_forward_hook(keeper(n)) for n, m in model.named_modules()):
        yield


def _same_shapes(cls: str, first: Shapes, second: Shapes) -> None:
    for path in (*first, *(p for p in second if p not in first)):
        before, after = first.get(path, []), second.get(path, [])
        if before != after:
            was, now = (told[-1] if told else "no output" for told in (before, after))
            if len(before) != len(after):
                was, now = f"{len(before)} calls", f"{len(after)} calls"
            raise ModelError(
                f"{cls} changes between two forward passes of the same batch: {path} gave {was}, then {now}. explain() "
                "measures one pass and walks another: make the forward pass the same for the same batch."
            )
