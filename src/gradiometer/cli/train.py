"""``gradiometer train``: train a reference network on a built-in task or on own data, watched from its first step."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from . import train_options as options
from .guard import command
from .options import FailOnOption, Ignore
from .outlet import put_text
from .train_break import last_word
from .train_plan import Asked, TrainPlan, Watching, plan_of

EXAMPLES = """\b
Examples:
  gradiometer train --depth 30 --activation sigmoid
  gradiometer train --task digits --depth 5 --optimizer adam --steps 200
  gradiometer train --task table --data houses.csv --target price
  gradiometer train --norm batch --activation tanh --json trained.json
  gradiometer train --by-hand --network gru --steps 100
"""


@command
def train(
    task: options.Task = None,
    network: options.Network = None,
    depth: options.Depth = None,
    width: options.Width = None,
    activation: options.Activation = None,
    init: options.Init = None,
    norm: options.Norm = None,
    optimizer: options.Optimizer = None,
    lr: options.Rate = None,
    weight_decay: options.Decay = None,
    batch: options.Batch = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    data_seed: options.DataSeed = None,
    data: options.Data = None,
    target: options.Target = None,
    length: options.Length = None,
    raw: options.Raw = False,
    teacher: options.Teacher = None,
    temperature: options.Temperature = None,
    soft_share: options.SoftShare = None,
    hints: options.Hints = None,
    hint_steps: options.HintSteps = None,
    pretrain: options.Pretrain = None,
    pretrain_steps: options.PretrainSteps = None,
    from_: options.From = None,
    resume: options.Resume = None,
    search_lr: options.SearchRate = False,
    by_hand: options.ByHand = False,
    out: options.Out = None,
    every: options.Every = None,
    budget: options.Budget = None,
    json: options.JsonBeside = None,
    fail_on: FailOnOption = None,
    ignore: Ignore = None,
    quiet: options.Quiet = False,
    list_: options.List = False,
) -> int:
    """Train a reference network, watch it from the first step, and say where its error signal dies, and why.

    The page goes to stdout, progress to stderr. The exit code is 1 where --fail-on asks for a finding that is there.
    """
    if list_:
        return _listed()
    given: dict[str, object] = {
        "task": task,
        "network": network,
        "depth": depth,
        "width": width,
        "activation": activation,
        "init": init,
        "norm": norm,
        "optimizer": optimizer,
        "lr": lr,
        "weight_decay": weight_decay,
        "batch": batch,
        "steps": steps,
        "seed": seed,
        "data_seed": data_seed,
        "data": str(data.absolute()) if data is not None else None,
        "target": target,
        "length": length,
        "standardise": False if raw else None,
        "teacher": teacher,
        "temperature": temperature,
        "soft_share": soft_share,
        "hints": hints,
        "hint_steps": hint_steps,
        "pretrain": pretrain.value if pretrain is not None else None,
        "pretrain_steps": pretrain_steps,
        "start": from_,
    }
    watching = Watching(out, every, budget, json, fail_on, tuple(ignore or ()), length="line" if quiet else "page")
    asked = Asked(given, resume, search_lr)
    return _by_hand(asked, watching) if by_hand else _trained(plan_of(asked, watching))


def _listed() -> int:
    from gradiometer.views import Style

    from .train_list import list_page

    put_text(list_page(Style.of_stream(sys.stdout)))
    return 0


def _by_hand(asked: Asked, watching: Watching) -> int:
    from .train_by_hand import train_shown
    from .train_by_hand_page import tell_by_hand
    from .train_by_hand_plan import hand_plan_of

    trained = train_shown(hand_plan_of(asked, watching))
    with last_word() if trained.interrupted else nullcontext():
        return tell_by_hand(trained)


def _trained(plan: TrainPlan) -> int:
    from .train_loop import train_watched
    from .train_page import tell
    from .train_ready import made_ready

    trained = train_watched(made_ready(plan))
    with last_word() if trained.interrupted else nullcontext():
        return tell(trained)
