"""The profile and the derived numbers of a small run, against numbers written by hand and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from gradiometer import quantities
from gradiometer.quantities.profile import labels
from gradiometer.records import (
    STAT_INDEX,
    STATS,
    Frame,
    Hop,
    LossSeen,
    ModuleSeen,
    Network,
    ParamSeen,
    Part,
    Run,
    RunInfo,
    Site,
    UserError,
)

WIDTH = 100


def part(i: int, role: str) -> Part:
    """Layer i is ``2i``; the activation above it ``2i + 1``."""
    if role == "weights":
        return Part("weights", "linear", f"{2 * i}", f"{2 * i}", f"{2 * i - 1}", weight=f"{2 * i}.weight", fan_in=WIDTH)
    return Part("activation", "relu", f"{2 * i - 1}", f"{2 * i - 1}", f"{2 * i - 2}", units=WIDTH)


def chain(layers: int = 4, gain: float = 0.5, frames: int = 3, variance: float = 0.01) -> Run:
    """A ReLU chain whose error loses ``gain`` a hop, equally in weights and activation; q = 1 everywhere."""
    modules = [ModuleSeen(f"{2 * i}", "Linear", "weights", "linear", weight=f"{2 * i}.weight") for i in range(layers)]
    params = tuple(ParamSeen(f"{2 * i}.weight", (WIDTH, WIDTH), True, True) for i in range(layers))
    sites = [
        Site("net", f"{j}", op="relu" if j % 2 else "linear", hop=2 * layers - 2 - j) for j in range(2 * layers - 1)
    ]
    sites += [Site("net", p.name, kind="param") for p in params]
    hops = tuple(
        Hop(f"{2 * i}", f"{2 * i - 2}", (part(i, "weights"), part(i, "activation"))) for i in range(layers - 1, 0, -1)
    )
    stations = tuple(f"{2 * i}" for i in range(layers - 1, -1, -1))
    values = np.full((len(sites), len(STATS)), np.nan)
    for j, site in enumerate(sites):
        if site.kind == "param":
            values[j, STAT_INDEX["weight_norm"]] = math.sqrt(variance) * WIDTH
            values[j, STAT_INDEX["weight_mean"]] = 0.0
            values[j, STAT_INDEX["grad_norm_raw"]] = 2.0
            values[j, STAT_INDEX["update_norm"]] = math.sqrt(variance) * WIDTH / 50
        else:
            values[j, STAT_INDEX["err_norm"]] = 3.0 * math.sqrt(gain) ** site.hop
            values[j, STAT_INDEX["act_norm"]] = math.sqrt(20 * WIDTH)
            values[j, STAT_INDEX["act_numel"]] = 20 * WIDTH
    seen = tuple(Frame("net", i, 2.5, 0.1, 1.0, 0.0, 0.0, values.copy()) for i in range(frames))
    network = Network("net", "Net", tuple(modules), params, hops, stations)
    return Run(RunInfo("r"), (network,), tuple(sites), seen, (LossSeen("net", "mse", floor=0.5),))


def put(run: Run, frame: int, site: str, stat: str, value: float) -> Run:
    frames = list(run.frames)
    values = frames[frame].values.copy()
    values[[s.name for s in run.site_table].index(site), STAT_INDEX[stat]] = value
    frames[frame] = replace(frames[frame], values=values)
    return replace(run, frames=tuple(frames))


def test_decades_and_gains_are_those_that_were_put_in() -> None:
    profile = quantities.profile(chain(gain=0.1))
    assert profile.stations == ("6", "4", "2", "0")
    assert profile.labels == ("4", "3", "2", "1")
    np.testing.assert_allclose(profile.error_decades, [0, -1, -2, -3], atol=1e-12)
    np.testing.assert_allclose(profile.gain, 0.1)
    np.testing.assert_allclose(profile.forward_gain, 1.0)
    np.testing.assert_allclose([p.gain for p in profile.parts[0]], math.sqrt(0.1))
    assert not np.allclose(quantities.profile(chain(gain=0.2)).gain, 0.1)


def test_theory_stands_beside_the_first_frame_only() -> None:
    run = chain(variance=2 / WIDTH)  # He: √(n Var W · D2) = 1
    first, later = quantities.profile(run), quantities.profile(run, step=1)
    np.testing.assert_allclose(first.theory_gain, 1.0)
    np.testing.assert_allclose(first.theory_decades, 0.0, atol=1e-12)
    assert np.isnan(later.theory_gain).all()
    small = quantities.profile(chain(variance=1 / (3 * WIDTH)))
    np.testing.assert_allclose(small.theory_gain, math.sqrt(1 / 6))


def test_theory_is_silent_without_a_law() -> None:
    run = chain()
    hops = list(run.networks[0].hops)
    strange = msgspec.structs.replace(hops[1].parts[1], kind="my_activation")
    hops[1] = msgspec.structs.replace(hops[1], parts=(hops[1].parts[0], strange))
    blind = replace(run, networks=(msgspec.structs.replace(run.networks[0], hops=tuple(hops)),))
    profile = quantities.profile(blind)
    assert [bool(x) for x in np.isnan(profile.theory_gain)] == [False, True, False]
    assert [bool(x) for x in np.isnan(profile.theory_decades)] == [False, False, True, True]


def test_theory_is_silent_where_the_weights_have_a_mean() -> None:
    run = put(chain(), 0, "4.weight", "weight_mean", 0.05)
    assert np.isnan(quantities.profile(run).theory_gain[1])
    assert np.isfinite(quantities.profile(run).theory_gain[0])


def test_normalised_hops_follow_their_laws() -> None:
    """Layer and batch normalisation before a ReLU: gain² 1 and π/(π−1), whatever the weights."""
    run = chain(variance=7 / WIDTH)
    for kind, square in (("layernorm", 1.0), ("batchnorm", math.pi / (math.pi - 1))):
        hops = []
        for hop in run.networks[0].hops:
            weights, act = hop.parts
            act = msgspec.structs.replace(act, lower=f"{act.lower}")
            hops.append(
                msgspec.structs.replace(hop, parts=(weights, act, Part("norm", kind, "n", act.lower, hop.lower)))
            )
        normed = replace(run, networks=(msgspec.structs.replace(run.networks[0], hops=tuple(hops)),))
        for frame in range(3):
            for i in range(4):  # z = W φ(u) with q(u) = 1: q(z) = σw² M2 = 3.5, and the norm's output has q = 1
                normed = put(normed, frame, f"{2 * i}", "act_norm", math.sqrt(20 * WIDTH * 3.5))
        gains = quantities.profile(normed).theory_gain
        d2_at_q = 0.5  # of a ReLU, for every q
        want = math.sqrt(7 * d2_at_q / 3.5 * square)
        np.testing.assert_allclose(gains[:-1], want, rtol=1e-6)


def test_the_band_grows_with_depth_and_shrinks_with_width() -> None:
    band = quantities.profile(chain()).band_decades
    want = [(3 * math.sqrt(5 * i / WIDTH) + 0.05 * i) / (2 * math.log(10)) for i in range(4)]  # κ of a ReLU is 5
    np.testing.assert_allclose(band, want, rtol=1e-9)


def test_zero_not_measured_and_small_are_three_things() -> None:
    run = put(put(chain(), 0, "2", "err_norm", 0.0), 0, "0", "err_norm", math.nan)
    profile = quantities.profile(run)
    assert profile.error_decades[2] == -math.inf
    assert math.isnan(profile.error_decades[3])
    assert profile.gain[1] == 0
    assert math.isnan(profile.gain[2])


def test_learning_time_is_the_median_and_infinite_where_nothing_moves() -> None:
    run = put(chain(), 0, "4.weight", "update_norm", 0.0)
    np.testing.assert_allclose(quantities.profile(run).learning_time, 50.0)
    for frame in range(3):
        run = put(run, frame, "4.weight", "update_norm", 0.0)
    profile = quantities.profile(run)
    assert profile.learning_time[1] == math.inf
    assert profile.weights == ("6.weight", "4.weight", "2.weight", "0.weight")


def test_learning_time_of_what_nobody_owns_is_unknown() -> None:
    run = chain()
    params = tuple(msgspec.structs.replace(p, owned=p.name != "2.weight") for p in run.networks[0].params)
    owned = replace(run, networks=(msgspec.structs.replace(run.networks[0], params=params),))
    assert math.isnan(quantities.profile(owned).learning_time[2])


def test_the_profile_waits_for_an_error() -> None:
    """A zero-initialised head passes nothing in the first frame."""
    run = chain()
    for site in ("4", "2", "0", "6"):
        run = put(run, 0, site, "err_norm", 0.0 if site != "6" else math.nan)
    assert quantities.profile(run).step == 1
    assert np.isfinite(quantities.profile(run).theory_gain).all()


def test_what_is_not_there_is_empty_or_named() -> None:
    run = chain()
    assert quantities.profile(Run(RunInfo("r"))).stations == ()
    assert quantities.profile(replace(run, frames=())).step == -1
    bare = replace(run, networks=(msgspec.structs.replace(run.networks[0], hops=(), stations=()),))
    assert quantities.profile(bare).stations == ()
    with pytest.raises(UserError, match="Step 9 of 'net' was not recorded"):
        quantities.profile(run, step=9)
    with pytest.raises(UserError, match="No model 'other'"):
        quantities.profile(run, "other")


def test_a_spine_has_no_gain() -> None:
    run = chain()
    hops = tuple(msgspec.structs.replace(h, spine=i == 1) for i, h in enumerate(run.networks[0].hops))
    profile = quantities.profile(replace(run, networks=(msgspec.structs.replace(run.networks[0], hops=hops),)))
    assert [bool(x) for x in np.isnan(profile.gain)] == [False, True, False]
    assert np.isfinite(profile.error_decades).all()


def test_labels_of_blocks_are_short_paths() -> None:
    network = Network("gpt", "GPT", stations=("gpt.head", "gpt.h.1", "gpt.h.0.input"))
    assert labels(network) == ("head", "h.1", "h.0.input")


def test_elasticity_takes_the_excess_loss_or_the_output() -> None:
    run = chain()
    site = [s.name for s in run.site_table].index("2")
    value = quantities.of(run, "elasticity")[0, site]
    assert value == pytest.approx(math.sqrt(20 * WIDTH) * 3.0 * math.sqrt(0.5) ** 4 / (2.5 - 0.5))
    assert quantities.elasticity_variant(run) == "excess loss"
    unknown = replace(run, losses=())
    assert quantities.elasticity_variant(unknown) == "output"
    assert quantities.of(unknown, "elasticity")[0, site] == pytest.approx(math.sqrt(0.5) ** 4)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_no_derived_number_knows_the_scale_of_the_loss(factor: float) -> None:
    run = chain()
    stats = [STAT_INDEX[s] for s in ("err_norm", "grad_norm", "grad_norm_raw")]
    frames = []
    for frame in run.frames:
        values = frame.values.copy()
        values[:, stats] *= factor
        frames.append(replace(frame, values=values, loss=frame.loss * factor))
    scaled = replace(run, frames=tuple(frames), losses=(LossSeen("net", "mse", floor=0.5 * factor),))
    for name in quantities.REGISTRY:
        np.testing.assert_allclose(quantities.of(scaled, name), quantities.of(run, name), rtol=1e-9, err_msg=name)
    raw = run.of("err_norm"), scaled.of("err_norm")
    assert not np.allclose(*raw, equal_nan=True)


def test_the_registry_names_unit_formula_and_source() -> None:
    for name, quantity in quantities.REGISTRY.items():
        assert quantity.name == name
        assert quantity.unit
        assert quantity.formula
        assert quantity.source
        assert quantities.of(chain(), name).shape[0] == 3
    with pytest.raises(UserError, match="No quantity 'typo'"):
        quantities.of(chain(), "typo")
