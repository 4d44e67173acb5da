"""What every law of a family must keep to, whatever it calculates."""

from __future__ import annotations

import dataclasses
import re

import torch
from dense_checks import Case
from law_checks import gap, kept
from torch import Tensor

from gradiometer.walk.laws.law import Kept, Law, Settings, Tensors

WORDS = {
    *("top", "odot", "sum", "partial", "frac", "sqrt", "mathrm", "operatorname", "cdot", "left", "right", "langle"),
    *(
        "rangle",
        "mathbb",
        "leq",
        "geq",
        "lt",
        "gt",
        "ast",
        "circ",
        "times",
        "bar",
        "hat",
        "infty",
        "in",
        "ldots",
        "tanh",
    ),
    *("alpha", "beta", "gamma", "delta", "epsilon", "lambda", "mu", "pi", "sigma", "varphi", "Phi"),
}
PROPER = {"ReLU", "ReLU6", "RReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "GLU", "norm"}
"""Last words of titles that are proper names."""


def first_only(law: Law) -> Law:
    """The same law without the outputs that carry no error, so that no difference is taken of them."""

    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        return law.forward(inputs, settings)[:1]

    def backward(errors: Tensors, at: Kept) -> Tensors:
        outputs = law.forward(at.inputs, at.settings)
        none = (None,) * (len(outputs) - 1)
        return law.backward((errors[0], *none), dataclasses.replace(at, outputs=outputs))

    return dataclasses.replace(law, forward=forward, backward=backward)


def assert_tells(law: Law) -> None:
    """Its formulas are there, in words that every page knows, and its step has a place for the error."""
    for tex in (law.value, law.error, law.step):
        assert tex and set(re.findall(r"\\([a-zA-Z]+)", tex)) <= WORDS, (law.name, tex)
        assert tex.count("{") == tex.count("}") and tex.count(r"\left") == tex.count(r"\right"), (law.name, tex)
        assert not set("<>$") & set(tex), (law.name, tex)
    assert "@d" in law.step and "@d" not in law.value + law.error
    assert r"\delta" in law.error
    assert law.source and law.title
    assert law.title == law.title.lower() or law.title.split()[-1] in PROPER, law.title


def ones(case: Case, at: Kept) -> Tensors:
    """An error of 1 at the first output, none at the others."""
    first = at.outputs[0]
    assert first is not None
    return (torch.ones_like(first), *(None,) * (len(at.outputs) - 1))


def _floats(x: Tensor | None) -> Tensor | None:
    return x.float() if x is not None and x.is_floating_point() else x


def assert_stays_float32(case: Case) -> None:
    """In float32 value and errors are float32, and the value is torch's."""
    settings = {k: _floats(v) if isinstance(v, Tensor) else v for k, v in case.settings.items()}
    inputs = tuple(_floats(x) for x in case.inputs)
    k = kept(case.law, inputs, settings)
    first = case.law.forward(case.inputs, case.settings)[0]
    assert k.outputs[0] is not None and k.outputs[0].dtype == torch.float32 and first is not None
    assert gap(k.outputs[0].double(), first) <= 1e-5
    for error in case.law.backward(ones(case, k), k):
        assert error is None or error.dtype == torch.float32


def assert_changes_nothing(case: Case) -> None:
    """Neither inputs, nor outputs, nor settings, nor the errors that arrive are written to."""
    k = kept(case.law, case.inputs, case.settings)
    arrived = ones(case, k)
    held = [x for x in (*case.inputs, *k.outputs, *arrived, *case.settings.values()) if isinstance(x, Tensor)]
    before = [x.clone() for x in held]
    case.law.backward(arrived, k)
    case.law.forward(case.inputs, case.settings)
    assert all(torch.equal(a, b) for a, b in zip(before, held, strict=True))


def assert_hands_on_what_is_wanted(case: Case) -> None:
    """Each input's error alone is the same as with all others; nothing comes where nothing is wanted or arrives."""
    full = kept(case.law, case.inputs, case.settings)
    arrived = ones(case, full)
    every = case.law.backward(arrived, full)
    assert len(every) == len(case.inputs)
    for i in range(len(case.inputs)):
        wanted = tuple(j == i and full.wanted[i] for j in range(len(case.inputs)))
        errors = case.law.backward(arrived, dataclasses.replace(full, wanted=wanted))
        assert [e is not None for e in errors] == list(wanted)
        assert gap(errors[i], every[i]) <= 1e-12
    assert case.law.backward((None,) * len(full.outputs), full) == (None,) * len(case.inputs)


def assert_does_without_outputs(case: Case) -> None:
    """Where the outputs were not kept, they are made again."""
    full = kept(case.law, case.inputs, case.settings)
    arrived = ones(case, full)
    bare = dataclasses.replace(full, outputs=(None,) * len(full.outputs))
    for a, b in zip(case.law.backward(arrived, full), case.law.backward(arrived, bare), strict=True):
        assert gap(a, b) <= 1e-12


def assert_keeps_to_the_rules(case: Case) -> None:
    """All of the above that ask for a case."""
    assert_stays_float32(case)
    assert_changes_nothing(case)
    assert_hands_on_what_is_wanted(case)
    assert_does_without_outputs(case)
