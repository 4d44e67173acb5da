"""Write docs/cures.md: every cure, as the catalog has it.

python scripts/write_cures.py [docs/cures.md]
"""

from __future__ import annotations

import sys
from pathlib import Path

from gradiometer.catalog import ENTRIES, GROUPS, Entry
from gradiometer.views.text_cures import KINDS, facts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cures.md"
HEAD = """# The cures

A cure is a named change to a network or to its training. `gradiometer cures` shows this manual in the terminal,
`gradiometer cures NAME` one page of it. No cure claims success: it changes what the theory says it changes, and
whether the training is better for it must be seen. Three kinds:

- **applied**: Gradiometer does it to a live network, in place. A training script needs no change
  (`gradiometer run --cure NAME train.py`); in code, `gm.cure` gives a receipt that lists every change, undoes them bit
  for bit, and prints them as plain PyTorch. Settings are written `--cure NAME:setting=value`.
- **edit**: a change that you write into the code.
- **advice**: an edit that repairs a fault of the training loop.

<!-- file: cured.py -->
```python
import torch
from torch import nn

import gradiometer as gm

torch.manual_seed(0)
layers = [module for _ in range(12) for module in (nn.Linear(32, 32), nn.Sigmoid())]
model = nn.Sequential(*layers, nn.Linear(32, 4))
inputs = torch.randn(256, 32)

receipt = gm.cure(model, "tanh", batch=inputs)
for change in receipt.changes[:3]:
    print(change.site, change.what, change.before, "->", change.after)
print(receipt.as_patch().splitlines()[0])
receipt.undo()
```

```bash
python cured.py
gradiometer cures tanh
```

What `gm.cure` takes: the network; the cure's name; `batch=`, what the network reads (a tensor, `(inputs, targets)`,
named arguments, or any batch together with `loss=`, where `loss(model, batch)` runs the network); `optimizer=`, where
one holds the parameters already; `targets=`, paths of modules that it is confined to; `teacher=`, a trained network
to learn from (`hints`, `distil`; on the command line `--cure hints:teacher=package.module:function`, which gives it);
and the cure's settings. Weights are those of torch's linear and convolutional layers, and parameters of your own
modules that `F.linear`, `F.conv1d` to `F.conv3d`, `@`, `mm` or `addmm` reads once a pass; those are drawn anew, and
nothing else is put beside them. A network that cannot take the cure is left as it was, and the `ModelError` says why.
`receipt.undo()` goes back to the moment of application; after a training step it asks for `discard_training=True`.
"""


def page() -> str:
    """The whole page."""
    sections = [HEAD]
    for group, entries in GROUPS.items():
        rows = [f"| `{e.name}` | {KINDS[e.kind]} | {_cell(e.title)} |" for e in entries]
        table = "\n".join(["| cure | kind | what it is |", "|---|---|---|", *rows])
        sections += [f"## {group[0].upper()}{group[1:]}\n", f"{table}\n", *(_cure(entry) for entry in entries)]
    return "\n".join(sections)


def _cure(entry: Entry) -> str:
    rows = [f"| {title.lower()} | {_value(title, words)} |" for title, words in facts(entry)]
    return "\n".join([f"### `{entry.name}`\n", "| | |", "|---|---|", *rows, ""])


def _value(title: str, words: str) -> str:
    if title == "By hand":
        return f"`{_cell(words)}`"
    if title == "Answers":
        return ", ".join(f"[`{cause}`](causes.md#{cause})" for cause in words.split(", "))
    return _cell(words)


def _cell(text: str) -> str:
    """A bar would end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: {len(ENTRIES)} cures")
