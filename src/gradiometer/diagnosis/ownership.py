"""Which parameters an optimizer holds, which receive a gradient, and in which order their modules run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..records import ParamSeen
from .memory import remembered
from .reading import Reading


@dataclass(frozen=True, slots=True)
class Owned:
    """One parameter: its module, whether that module ran, and what gradient it saw over the recorded frames."""

    param: ParamSeen
    module: str
    order: int  # place of its module among the sites, input first; -1 where the module never ran
    missing: bool  # no gradient in any frame
    gradient: bool  # a gradient above 0 in some frame
    used: bool  # the optimizer got one above 0 in some frame: no clip, no hook had made it 0
    moved: bool | None  # the update was above 0 in some frame; None where it was not measured


def plays(reading: Reading) -> bool:
    """Another network of the run has an optimizer of its own: they may play against each other."""
    return len([o for o in reading.run.optimizers if o.owned]) > 1


@remembered
def table(reading: Reading) -> tuple[Owned, ...]:
    """A row for every parameter of the model that is no alias of another."""
    owners = _modules(reading)
    order = _order(reading)
    return tuple(_row(reading, p, owners, order) for p in reading.network.params if p.tied_to is None)


def _modules(reading: Reading) -> dict[str, str]:
    out = {}
    for param in reading.network.params:
        out[param.name] = param.name.rpartition(".")[0]
    for module in reading.network.modules:
        for name in (module.weight, module.bias):
            if name is not None:
                out[name] = module.path
    return out


def _order(reading: Reading) -> dict[str, int]:
    """Place of every module that ran. Trunk position where there is one, else the place in the table of sites."""
    ran = np.atleast_1d(np.isfinite(reading.of("act_norm")).any(axis=0))
    out: dict[str, int] = {}
    for i, site in enumerate(reading.run.sites(reading.model)):
        if site.kind == "output" and i < len(ran) and ran[i]:
            out.setdefault(site.path, i)
    return out


def _row(reading: Reading, param: ParamSeen, owners: dict[str, str], order: dict[str, int]) -> Owned:
    missing, raw = reading.at("grad_missing", param.name), reading.at("grad_norm_raw", param.name)
    used, update = reading.at("grad_norm", param.name), reading.at("update_norm", param.name)
    seen, known = missing[np.isfinite(missing)], update[np.isfinite(update)]
    raw_seen, used_seen = (bool((np.nan_to_num(x) > 0).any()) for x in (raw, used))
    return Owned(
        param=param,
        module=owners[param.name],
        order=order.get(owners[param.name], -1),
        missing=bool(seen.size) and bool((seen == 1).all()),
        gradient=raw_seen or used_seen,
        used=used_seen or not np.isfinite(used).any(),
        moved=bool((known > 0).any()) if known.size else None,
    )
