"""Every formula of every law, with its symbols put in, is a formula on the page, and not shown as it was written."""

from __future__ import annotations

import pytest
import torch

from gradiometer.views.mathml import formula
from gradiometer.walk.laws import LAWS


def shown(tex: str) -> tuple[str, ...]:
    return formula(tex.replace("@d", r"\delta_{3}").replace("@u", "3").replace("@v", r"\mathrm{fc\_1}"))


@pytest.mark.parametrize("name", sorted(LAWS))
def test_the_formulas_of_a_law(name: str) -> None:
    law = LAWS[name]
    for tex in (law.value, law.error, law.step):
        pieces = shown(tex)
        assert pieces or not tex
        assert all(p.startswith("<math>") for p in pieces), tex


def test_a_wrong_formula_would_be_seen() -> None:
    assert torch.is_tensor(torch.zeros(1))  # this file needs torch through the laws
    assert shown(r"\wrong @d")[0].startswith("<code>")
