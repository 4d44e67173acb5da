"""From rows to a frame: calls are numbered, micro-batches combined, statistics computed in float64 on the host."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ..records import STAT_INDEX, STATS, Frame, SiteKind
from .columns import fill_usual
from .directions import fill_directions
from .hostrows import SATURATED, HostStatistics
from .models import SiteKey, Slot, WatchedModel
from .recorder import Key
from .rows import GRAM, TRUSTED, PendingRows

_PARAM = {"weight": "weight_norm", "grad": "grad_norm", "update": "update_norm"}


Hosts = dict[torch.device, HostStatistics]


@dataclass(slots=True)
class FrameDraft:
    """Everything of one step of one model, as the training thread leaves it. No module, no graph."""

    model: WatchedModel
    step: int
    slots: list[Slot]
    rows: dict[torch.device, PendingRows]
    lr: float
    step_s: float
    overhead_s: float
    full: bool
    compiled: bool = False
    losses: list[tuple[torch.device, int]] = field(default_factory=list)
    scales: list[tuple[torch.device, int]] = field(default_factory=list)
    expected: set[Key] = field(default_factory=set)
    aliases: list[tuple[Key, str]] = field(default_factory=list)


def finish(draft: FrameDraft) -> Frame:
    """The frame of a draft. Adds new sites to the model's table; marks sites whose norm must be taken in float64."""
    host = {device: HostStatistics(rows.wait()) for device, rows in draft.rows.items()}
    scale = 1.0
    for device, row in draft.scales:
        scale = float(host[device].norm[row])
    loss = math.fsum(float(host[d].norm[r]) for d, r in draft.losses) / scale if draft.losses else math.nan
    values = np.full((len(draft.model.sites) + len(draft.slots), len(STATS)), np.nan)
    slots = draft.slots
    usual = _is_usual(draft) and len(host) == 1
    if usual:
        slots = fill_usual(draft.model, slots, next(iter(host.values())), (values, scale))
    numbered = _number_calls(draft, slots)
    cells: dict[int, dict[str, float]] = defaultdict(dict)
    groups: dict[tuple[SiteKey, str], list[tuple[int, Slot]]] = defaultdict(list)
    for key, micro, slot in numbered:
        groups[key, slot.stat].append((micro, slot))
    for (key, stat), members in groups.items():
        index = draft.model.site(key)
        cells[index].update(_statistics(draft.model, stat, members, host, scale))
    for index, row_cells in cells.items():
        for stat_name, value in row_cells.items():
            values[index, STAT_INDEX[stat_name]] = value
    if draft.aliases:
        numbers = {(s.gen, s.path, s.call, s.kind, s.op): key for key, _, s in numbered}
        _resolve_aliases(draft, [(key[1:] if usual else numbers.get(key), at) for key, at in draft.aliases], values)
    _count_coverage(draft)
    values = values[: len(draft.model.sites)].copy()
    fill_directions(draft, host, values)
    return Frame(draft.model.name, draft.step, loss, draft.lr, scale, draft.overhead_s, draft.step_s, values)


def _is_usual(draft: FrameDraft) -> bool:
    """One call of the root, at most one backward pass, one tensor an output."""
    gens = {s.gen for s in draft.slots if s.gen >= 0}
    passes = {s.backward for s in draft.slots if s.backward}
    return len(gens) <= 1 and len(passes) <= 1 and not any(s.comp for s in draft.slots)


def _number_calls(draft: FrameDraft, slots: list[Slot]) -> list[tuple[SiteKey, int, Slot]]:
    """Slots with their final call number and micro-batch; calls of the root that no error reached are left out."""
    first: dict[int, int] = {}
    for s in draft.slots:
        if s.gen >= 0 and s.stat == "err":
            first[s.gen] = min(first.get(s.gen, s.backward), s.backward)
    gens = sorted({s.gen for s in draft.slots if s.gen >= 0})
    kept = [g for g in gens if g in first] or gens[-1:]
    passes = sorted({first.get(g, 0) for g in kept} | {s.backward for s in draft.slots if s.gen < 0 and s.backward})
    micro_of = {b: i for i, b in enumerate(passes)}
    offset = _call_offsets(draft.slots, kept, first)
    out: list[tuple[SiteKey, int, Slot]] = []
    for s in slots:
        if s.gen < 0:
            out.append(((s.path, s.call, s.kind, s.op), micro_of.get(s.backward, 0), s))
        elif s.gen in offset:
            call = s.call + offset[s.gen].get(s.path, 0)
            micro = micro_of.get(s.backward or first.get(s.gen, 0), 0)
            out.append(((s.path, call, s.kind, s.op), micro, s))
    return out


def _call_offsets(slots: list[Slot], kept: list[int], first: dict[int, int]) -> dict[int, dict[str, int]]:
    """How many calls of each path earlier calls of the root made within the same backward pass."""
    calls: dict[int, dict[str, int]] = {g: {} for g in kept}
    for s in slots:
        if s.gen in calls:
            calls[s.gen][s.path] = max(calls[s.gen].get(s.path, 0), s.call + 1)
    total: dict[int, dict[str, int]] = defaultdict(dict)
    offset: dict[int, dict[str, int]] = {}
    for g in kept:
        so_far = total[first.get(g, 0)]
        offset[g] = dict(so_far)
        for path, n in calls[g].items():
            so_far[path] = so_far.get(path, 0) + n
    return offset


def _statistics(
    model: WatchedModel,
    stat: str,
    members: list[tuple[int, Slot]],
    host: Hosts,
    scale: float,
) -> dict[str, float]:
    slot = members[0][1]
    at = host[slot.device]
    if stat == "gram":
        return _likeness(at.gram[slot.row])
    if stat == "err_gram":
        return _error_likeness(at.gram[slot.row])
    if stat == "rows":
        return {"weight_row_spread": float(at.norm[slot.row])}
    if stat == "dead":
        return {"act_dead_share": float(np.mean([host[s.device].norm[s.row] for _, s in members]))}
    if stat == "missing":
        return {"grad_missing": 1.0}
    if stat == "epsilon":
        return {"epsilon_ratio": float(at.norm[slot.row])}
    if stat == "grad_raw":  # gradients pile up over micro-batches: the last pass has the sum
        last = max(members, key=lambda m: m[1].backward)
        return {"grad_norm_raw": _combined_norm(model, [last], host)[0] / scale}
    norm, estimated = _combined_norm(model, members, host)
    if stat in _PARAM:
        return _parameter(stat, norm, at, slot.row)
    if stat == "act":
        return _activation(norm, members, host)
    if stat == "err_in":
        return {"err_in_norm": norm / scale}
    return {
        "err_norm": norm / scale,
        "err_max": max(float(host[s.device].max[s.row]) for _, s in members) / scale,
        "err_zero_share": _mean([float(host[s.device].zero_share[s.row]) for _, s in members]),
        "err_underflow_share": _mean([float(host[s.device].underflow_share[s.row]) for _, s in members]),
        "err_nonfinite": float(not math.isfinite(norm)),
        "err_estimated": float(estimated),
    }


def _combined_norm(model: WatchedModel, members: list[tuple[int, Slot]], host: Hosts) -> tuple[float, bool]:
    """(norm, estimated): over the tensors of one output the squares add up, over micro-batches they are averaged."""
    norms: dict[int, list[float]] = defaultdict(list)
    estimated = False
    for micro, s in members:
        at = host[s.device]
        norm = float(at.norm[s.row])
        trusted = TRUSTED[0] <= norm <= TRUSTED[1] or at.wide[s.row]
        if not trusted and not at.count[s.row] and s.kind == "param" and not math.isnan(norm):
            model.wide.add(s.path)  # a norm alone: 0 and inf may be neither; from the next frame on in float64
            norm = math.nan
        elif not trusted and at.finite[s.row]:
            if at.nonzero[s.row] and not math.isnan(norm):
                norm = float(at.rms[s.row]) * math.sqrt(s.numel)
                estimated = True
            if norm != 0.0:
                model.wide.add(s.path)
        norms[micro].append(norm)
    if len(members) == 1:
        return norms[members[0][0]][0], estimated
    per_micro = [math.hypot(*values) for values in norms.values()]
    return math.hypot(*per_micro) / math.sqrt(len(per_micro)), estimated


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _activation(norm: float, members: list[tuple[int, Slot]], host: Hosts) -> dict[str, float]:
    micros = len({m for m, _ in members})
    out = {
        "act_norm": norm,
        "act_numel": sum(s.numel for _, s in members) / micros,
        "act_nonfinite": float(not math.isfinite(norm)),
    }
    if not all(host[s.device].finite[s.row] for _, s in members):
        return out
    mean = _mean([float(host[s.device].mean[s.row]) for _, s in members])
    rms = [float(host[s.device].rms[s.row]) for _, s in members]
    rms_all = math.hypot(*rms) / math.sqrt(len(rms))
    out["act_mean"] = mean
    out["act_std"] = rms_all * math.sqrt(max(1.0 - (mean / rms_all) ** 2, 0.0)) if rms_all else 0.0
    out["act_max"] = max(float(host[s.device].max[s.row]) for _, s in members)
    out["act_zero_share"] = _mean([float(host[s.device].zero_share[s.row]) for _, s in members])
    op = members[0][1].op
    if op in SATURATED:
        low, high = SATURATED[op]
        x = np.concatenate([host[s.device].values(s.row) for _, s in members])
        out["act_saturated_share"] = float(np.mean((x <= low) | (x >= high)))
    return out


def _parameter(stat: str, norm: float, at: HostStatistics, row: int) -> dict[str, float]:
    out = {_PARAM[stat]: norm}
    if stat == "weight":
        out["weight_nonfinite"] = float(not math.isfinite(norm))
        if at.count[row]:
            out["weight_mean"] = float(at.mean[row])
    if stat == "grad":
        out["grad_zero_share"] = float(at.zero_share[row])
        out["grad_missing"] = 0.0
    return out


def _likeness(gram: NDArray[np.float64]) -> dict[str, float]:
    """Mean cosine between different examples, and effective rank / examples, from inner products [example, example]."""
    g, n = gram, len(gram)
    if n < 2 or not np.isfinite(g).all():
        return {}
    length = np.sqrt(np.maximum(np.diag(g), 0.0))
    if (length == 0).any():
        return {}
    cosine = g / np.outer(length, length)
    similarity = (cosine.sum() - n) / (n * (n - 1))
    spectrum = np.maximum(np.linalg.eigvalsh(g), 0.0)
    p = spectrum[spectrum > 0] / spectrum.sum()
    rank = float(np.exp(-(p * np.log(p)).sum()))
    return {"act_similarity": float(similarity), "act_rank_share": rank / min(n, GRAM)}


def _error_likeness(gram: NDArray[np.float64]) -> dict[str, float]:
    """Root mean square cosine between errors of different examples: those of unlike classes point to both sides."""
    n, length = len(gram), np.sqrt(np.maximum(np.diag(gram), 0.0))
    kept = length > 0  # an example that the loss has done with sends no error
    if n < 2 or not np.isfinite(gram).all() or kept.sum() < 2:
        return {}
    cosine = gram[np.ix_(kept, kept)] / np.outer(length[kept], length[kept])
    pairs = kept.sum() * (kept.sum() - 1)
    return {"err_similarity": float(np.sqrt(np.maximum(np.square(cosine).sum() - kept.sum(), 0.0) / pairs))}


def _resolve_aliases(draft: FrameDraft, aliases: list[tuple[SiteKey | None, str]], values: NDArray[np.float64]) -> None:
    """A module whose input has no other consumer sends exactly the error that arrives there."""
    by_name = {site.name: i for i, site in enumerate(draft.model.sites)}
    arriving, leaving = STAT_INDEX["err_norm"], STAT_INDEX["err_in_norm"]
    sent: dict[int, set[int]] = defaultdict(set)
    for target, source in aliases:
        index = by_name.get(source)
        if target is not None and index is not None and not math.isnan(values[index, arriving]):
            sent[draft.model.site(target)].add(index)
    for index, sources in sent.items():
        own = values[index, leaving]
        values[index, leaving] = math.hypot(0.0 if math.isnan(own) else own, *(values[i, arriving] for i in sources))


def _count_coverage(draft: FrameDraft) -> None:
    """Of the calls that the error must pass, how many have a row; told of the last full frame."""
    if not draft.full:
        return
    hidden = _hidden_calls(draft) if draft.compiled else 0
    if not draft.expected and not hidden:
        return
    kinds: set[SiteKind] = {"output", "function"}
    hit = {(s.gen, s.path, s.call, s.kind, s.op) for s in draft.slots if s.stat == "err" and s.kind in kinds}
    draft.model.calls_seen = len(draft.expected) + hidden
    draft.model.calls_recorded = len(draft.expected & hit)
    told = tuple(draft.model.not_covered)
    for _, path, _, _, op in draft.expected - hit:
        if any(path == place or path.startswith(place + ".") for place in told):
            continue  # its reason is known
        draft.model.skip(path or "(root)", f"no error was delivered at its output ({op})")


def _hidden_calls(draft: FrameDraft) -> int:
    """Modules without children that a compiled region hides: each counts as one call that was not recorded."""
    seen = {s.path for s in draft.slots if s.stat == "act"}
    hidden = [e.path for e in draft.model.entries.values() if e.leaf and e.path not in seen]
    if hidden:
        draft.model.skip("(compiled)", f"{len(hidden)} modules run inside torch.compile and are not measured")
    return len(hidden)
