"""``gradiometer explain``: one backward pass by hand, hop by hop."""

from __future__ import annotations

from . import explain_options as own
from . import train_options as options
from .explain_page import Telling, tell, waiting
from .explain_source import Asked, check_source, source_of, walked
from .guard import command
from .options import Json

EXAMPLES = """\b
Examples:
  gradiometer explain --depth 20 --activation sigmoid
  gradiometer explain --depth 20 --activation sigmoid --hop 7
  gradiometer explain --focus blocks.0.linear.weight:3,5 --optimizer adam
  gradiometer explain networks:make --html walk.html
  gradiometer explain src/networks.py:make --examples 1 --json walk.json

\b
A factory:
  def make(seed):
      torch.manual_seed(seed)
      return gm.Setup(model, batches, loss, optimizer)   # loss(model, batch) -> scalar
"""


@command
def explain(
    factory: own.Factory = None,
    hop: own.Hop = None,
    focus: own.Focus = None,
    examples: own.Examples = None,
    html: own.Html = None,
    json: Json = None,
    task: options.Task = None,
    network: options.Network = None,
    depth: options.Depth = None,
    width: options.Width = None,
    activation: options.Activation = None,
    init: options.Init = None,
    norm: options.Norm = None,
    optimizer: options.Optimizer = None,
    lr: options.Rate = None,
    batch: options.Batch = None,
    steps: own.Steps = None,
    seed: options.Seed = None,
    data_seed: options.DataSeed = None,
    data: options.Data = None,
    target: options.Target = None,
    length: options.Length = None,
    raw: options.Raw = False,
) -> int:
    """Walk one error back from the loss to the input, hop by hop, by laws written out by hand.

    Each hop shows its formula with this network's numbers, what the weights, the activation and the normalisation do
    to the error, what theory predicts, and how far autograd agrees.
    """
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
        "batch": batch,
        "steps": steps,
        "seed": seed,
        "data_seed": data_seed,
        "data": str(data) if data is not None else None,
        "target": target,
        "length": length,
        "standardise": False if raw else None,
    }
    asked, telling = Asked(factory, given, examples, focus), Telling(hop, html, json)
    check_source(asked)
    telling.check()
    source = source_of(asked)
    with waiting(f"walking the error of {source.name} back, by hand and by autograd"):
        walk = walked(source, focus)
    return tell(walk, asked, telling)
