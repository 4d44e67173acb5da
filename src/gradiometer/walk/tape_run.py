"""One operation on the tape: as it is where no parameter has a part in it, by its law where one has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .calls import CALLS
from .calls.calling import Called
from .laws.law import Kept, Tensors, given
from .laws.norms_batch import BATCH_NORM, running_update
from .tape_entry import Entry, Looked, name_of, tensors_in
from .tape_laws import COPIED
from .tape_refusals import changes_parameter, changes_wrongly, no_law

if TYPE_CHECKING:
    from .tape import Tape

_NUMBERLESS = (
    *("aten::detach", "aten::new_empty", "aten::new_empty_strided", "aten::new_zeros", "aten::new_ones"),
    *("aten::new_full", "aten::empty_like", "aten::zeros_like", "aten::ones_like", "aten::full_like"),
    *("aten::rand_like", "aten::randn_like", "aten::randint_like", "aten::bernoulli", "aten::multinomial"),
)
_FLAT = ("aten::sign", "aten::floor", "aten::ceil", "aten::round", "aten::trunc", "aten::heaviside")
CONSTANT = frozenset(_NUMBERLESS + _FLAT)
"""Operations whose value is a constant to autograd too: it takes nothing from the numbers, or its slope is 0."""
DRAWS = frozenset(
    f"aten::{name}"
    for name in ("bernoulli", "normal", "uniform", "exponential", "geometric", "random", "log_normal", "cauchy")
)
MOVING = frozenset({"aten::_native_batch_norm_legit", "aten::rrelu_with_noise"})
"""Operations that change something beside what they give: running statistics (``_move_running`` does so for their
law), or the slopes that they draw in training, where they are refused."""
FILLS = DRAWS | {"aten::zero", "aten::fill", "aten::copy"}
"""In-place operations that forget what the tensor held."""


def run(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the operation gives, and its entry on the tape where a parameter has a part in it."""
    tracked = [t for t in tensors_in((*args, *kwargs.values())) if tape.values.of(t) is not None]
    if func._schema.is_mutable and func._schema.name not in MOVING:
        return _changed(tape, func, args, kwargs, tracked)
    if func.is_view:
        return _viewed(tape, func, args, kwargs)
    if not tracked or name_of(func) in CONSTANT:
        return func(*args, **kwargs)
    if name_of(func) not in CALLS:
        return _constant_or_refused(tape, func, args, kwargs)
    layout = kwargs.get("memory_format") or torch.preserve_format
    outputs = apply_called(tape, _read(tape, name_of(func), args, kwargs), tracked, layout)
    returns = func._schema.returns
    if len(returns) > 1:
        return (*outputs, *[None] * (len(returns) - len(outputs)))
    return list(outputs) if str(returns[0].type) == "List[Tensor]" else outputs[0]


def _read(tape: Tape, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Called:
    """The law of an operation with its arguments. ModelError where there is none, or none for these arguments."""
    reader = CALLS.get(name)
    if reader is None:
        raise no_law(tape.places, name)
    try:
        return reader(args, kwargs)
    except ValueError as error:
        raise no_law(tape.places, f"{name} as it is called here ({error})") from error


def apply_called(
    tape: Tape, called: Called, tracked: list[Tensor], layout: torch.memory_format = torch.preserve_format
) -> Tensors:
    """The outputs of a call by its law, each with a value of its own where an error can come to it."""
    if any(all(t is not x for x in called.inputs) for t in tracked):
        raise RuntimeError(f"the call of {called.law.name!r} was read without one of its tensors")
    entry, outputs = tape.apply(called.law, called.inputs, called.settings, layout)
    entry.results = tuple(tape.values.bind(y) if y is not None and y.is_floating_point() else None for y in outputs)
    if called.law.name == BATCH_NORM.name:
        _move_running(tape, entry)
    return outputs


def _move_running(tape: Tape, entry: Entry) -> None:
    """A batch norm in training also moves its running mean and variance; its law does not."""
    buffers = entry.settings["running_mean"], entry.settings["running_var"]
    kept = Kept(tuple(entry.inputs), tuple(entry.outputs), entry.shapes, entry.settings, (False,) * len(entry.inputs))
    moved = running_update(kept)
    for buffer, new in zip(buffers, moved, strict=True) if moved is not None else ():
        tape.protect(buffer)
        buffer.copy_(new)


def look_again(tape: Tape, step: Looked, tensor: Tensor, value: int) -> tuple[Tensor, int]:
    """A view once more, by its law, and the value that it has now."""
    views, at = step.all(tensor), step.at or 0
    entry = _view_entry(tape, step, tensor, value)
    result = tape.values.number()
    entry.results = tuple(result if i == at else None for i in range(len(views)))
    return views[at], result


def _constant_or_refused(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Comparisons, class numbers and sizes are constants; ModelError for anything else that has no law."""
    out = func(*args, **kwargs)
    made = tensors_in(out if isinstance(out, list | tuple) else (out,))
    if any(y.is_floating_point() or y.is_complex() for y in made):
        raise no_law(tape.places, name_of(func))
    return out


def _viewed(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A view is made by torch, since it calculates nothing; its law hands the error on."""
    out = func(*args, **kwargs)
    base, value = args[0], tape.values.of(args[0])
    if name_of(func) == "aten::detach":
        return out  # what is changed through it stays a constant to the tensor that it was taken from
    several = isinstance(out, list | tuple)
    steps = [Looked(func, args[1:], kwargs, i if several else None) for i in range(len(out) if several else 1)]
    views = list(out) if several else [out]
    results: list[int | None] = [None] * len(views)
    if value is not None:
        entry = _view_entry(tape, steps[0], base, value)
        entry.results = tuple(tape.values.number() for _ in views)
        results = list(entry.results)
    for view, step, result in zip(views, steps, results, strict=True):
        tape.values.view(base, view, step, result)
    return out


def _view_entry(tape: Tape, step: Looked, tensor: Tensor, value: int) -> Entry:
    """The entry of a view, still without results: the laws of views need shapes alone."""
    called = _read(tape, name_of(step.func), (tensor, *step.args), step.kwargs)
    if all(x is not tensor for x in called.inputs):
        raise RuntimeError(f"the view {called.law.name!r} was read without its tensor")
    entry = Entry(
        law=called.law,
        inputs=[None] * len(called.inputs),
        outputs=[],
        shapes=tuple(x.shape if x is not None else None for x in called.inputs),
        settings=called.settings,
        sources=tuple(value if x is tensor else None for x in called.inputs),
    )
    tape.keep(entry)
    return entry


def _changed(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tracked: list[Tensor]) -> Any:
    """An operation that writes into what it is given."""
    written = _written(func, args, kwargs)
    if not tracked:
        for tensor in written:
            tape.protect(tensor)
        return func(*args, **kwargs)
    name, target = name_of(func), written[0]
    if len(written) != 1 or target is not args[0]:
        raise changes_wrongly(tape.places, str(func), "what it is given as out=")
    if tape.is_leaf(tape.values.base_of(target)):
        raise changes_parameter(tape.places, func._schema.name)
    others = [t for t in tracked if t is not target]
    if name in FILLS and (name in DRAWS or not others):
        tape.protect(target)
        out = func(*args, **kwargs)
        tape.values.write(target, None)
        return out
    if torch.Tag.inplace_view in func.tags:
        return _turned(tape, func, args, kwargs)
    called = _in_place_call(tape, name, args, kwargs)
    entry, outputs = tape.apply(called.law, called.inputs, called.settings)
    entry.results = (tape.values.number(), *[None] * (len(outputs) - 1))
    tape.protect(target)
    target.copy_(given(outputs, 0))
    tape.values.write(target, entry.results[0])
    return target


def _in_place_call(tape: Tape, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Called:
    """What an in-place operation calculates."""
    if name == "aten::copy":
        target, source = args[0], args[1]
        return Called(COPIED, (source,), {"shape": target.shape, "dtype": target.dtype, "source_dtype": source.dtype})
    return _read(tape, name, args, kwargs)


def _turned(tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An in-place change of shape alone, such as ``transpose_``."""
    target = args[0]
    value = tape.values.of(target)
    if value is None or not tape.values.stands_alone(target):
        raise changes_wrongly(tape.places, func._schema.name, "the shape of a tensor that others look at")
    tape.protect(target)
    entry = _view_entry(tape, Looked(func, args[1:], kwargs), target, value)
    entry.results = (tape.values.number(),)
    func(*args, **kwargs)
    tape.values.write(target, entry.results[0])
    return target


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The tensors that an operation says it writes into; not the slopes that RReLU would draw in training."""
    found = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write and argument.name != "noise":
            found.append(args[i] if i < len(args) else kwargs.get(argument.name))
    return tensors_in(found)
