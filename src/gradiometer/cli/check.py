"""``gradiometer check``: a network before it is trained."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .causal import Causal, causal_words
from .causes import check_ignored
from .check_factory import load_factory, made, trained
from .guard import FINDING, command
from .options import Ignore, Json
from .outlet import check_json, put_diagnosis, put_text
from .settings import read_settings

EXAMPLES = """\b
Examples:
  gradiometer check networks:make
  gradiometer check src/networks.py:make
  gradiometer check networks:make --json -
  gradiometer check networks:make --causal
  gradiometer check networks:make --ignore activation-shrinks-error:2

\b
A factory:
  def make(seed):
      torch.manual_seed(seed)
      return gm.Setup(model, batches, loss, optimizer)   # loss(model, batch) -> scalar
"""


@command
def check(
    factory: Annotated[
        str,
        typer.Argument(metavar="FACTORY", help="package.module:make, or path/to/file.py:make; make(seed) -> Setup."),
    ],
    json: Json = None,
    causal: Causal = False,
    ignore: Ignore = None,
) -> int:
    """Check a network, its loss and its optimizer in seconds, before any training.

    One pass and ten optimizer steps. The exit code is 1 where a finding fails, so that the line can stand in CI.
    """
    settings = read_settings()
    check_ignored(ignore or (), "--ignore")
    check_json(json)
    setup = made(load_factory(factory), factory)
    run = trained(setup, factory, causal)
    from gradiometer.session.check import judge_setup

    found = judge_setup(setup, run, (*settings.ignore, *(ignore or ())))
    put_diagnosis(run, found, json)
    if json is None:
        from gradiometer.views import Style

        put_text(causal_words(run, Style.of_stream(sys.stdout)))
    return FINDING if found.healthy is False else 0
