"""Equal units, wrong fans, linear stacks, time, collapse, shattering, overflow: each rule with its negative twin."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from diagnosis_runs import Plan, learned_to, loss_seen, network, put, put_all, stuck, train, weights, with_losses

from gradiometer.diagnosis import diagnose
from gradiometer.records import STATS, ModuleSeen, Run, Site

NET = Plan(sigma_w2=2.0, layers=5, steps=60, lr=0.05, every=2)


def net(**changes: object) -> Run:
    run = loss_seen(stuck(train(replace(NET, **changes))), factor=1.0)
    return put_all(put_all(run, weights(run), "update_norm", 0.1), weights(run), "grad_turn", 0.4)


def cause(run: Run) -> str:
    found = diagnose(run).findings
    return found[0].cause if found else ""


def fails(run: Run) -> str:
    """The cause that fails; a loss that stays for no known reason is a warning with a guess."""
    found = diagnose(run).findings
    return found[0].cause if found and found[0].severity == "fail" else ""


def learns(run: Run) -> Run:
    return with_losses(run, learned_to(0.02))


# ---- initialisation -----------------------------------------------------------------------------------------------
def test_units_that_are_one_unit() -> None:
    run = put_all(net(), weights(net()), "weight_row_spread", 0.0)
    assert cause(run) == "init-symmetric"
    parted = put_all(run, weights(run), "weight_row_spread", lambda i: 0.0 if i < 2 else 0.8)
    assert cause(parted) != "init-symmetric"  # a zero-initialised branch
    assert cause(put_all(run, weights(run), "weight_row_spread", 0.9)) != "init-symmetric"
    assert cause(learns(run)) == ""
    half = with_losses(run, learned_to(0.4))
    finding = diagnose(half).findings[0]
    assert (finding.cause, finding.severity) == ("init-symmetric", "warn")  # one unit's worth of learning
    assert cause(put_all(half, weights(run), "weight_row_spread", lambda i: 0.0 if i < 20 else 0.8)) == ""


def grouped(run: Run, groups: int, variance: float) -> Run:
    """The hidden layers of a network as grouped convolutions whose fan · variance is given."""
    hidden = {"2", "4", "6"}
    modules = tuple(
        msgspec.structs.replace(m, kind="conv2d", args={"groups": groups}, fan_in=9) if m.path in hidden else m
        for m in run.networks[0].modules
    )
    out = network(run, modules=modules)
    for p in run.networks[0].params:
        if p.name.rpartition(".")[0] in hidden and p.name.endswith("weight"):
            out = put(out, p.name, "weight_norm", math.sqrt(variance * p.numel / 9))
    return out


def test_grouped_layers_with_a_dense_fan() -> None:
    assert cause(grouped(net(), 64, 2 / 64)) == "init-wrong-fan"
    assert cause(grouped(net(), 64, 2.0)) != "init-wrong-fan"
    assert cause(grouped(net(), 1, 2 / 64)) != "init-wrong-fan"
    assert cause(learns(grouped(net(), 64, 2 / 64))) == ""


# ---- activations --------------------------------------------------------------------------------------------------
def linear(run: Run, ops: tuple[str, ...]) -> Run:
    hops = tuple(
        msgspec.structs.replace(h, parts=tuple(p for p in h.parts if p.role == "weights")) for h in run.networks[0].hops
    )
    return network(run, hops=hops, ops=ops)


def test_a_stack_of_linear_layers() -> None:
    run = with_losses(net(), learned_to(0.6))
    assert cause(linear(run, ("Addmm", "T", "View"))) == "activation-missing"
    assert cause(linear(run, ("Addmm", "T", "Relu"))) != "activation-missing"
    assert cause(linear(learns(net()), ("Addmm", "T"))) == ""


def test_a_linear_bottleneck_is_meant() -> None:
    run = with_losses(net(), learned_to(0.6))
    narrow = tuple(
        msgspec.structs.replace(m, fan_out=3) if m.fan_out and m.path != "8" else m for m in run.networks[0].modules
    )
    assert cause(network(linear(run, ("Addmm",)), modules=narrow)) != "activation-missing"


def test_an_activation_without_a_bound() -> None:
    def blown(ops: tuple[str, ...]) -> Run:
        run = network(net(), ops=ops)
        for i, site in enumerate(reversed(run.networks[0].stations)):
            run = put(run, site, "act_norm", 10.0 ** (3 * i))
        return with_losses(run, np.array([2.3, 2.3, 1e6, math.nan, math.nan]))

    assert cause(blown(("Addmm", "Exp"))) == "activation-overflow"
    assert cause(blown(("Addmm", "Relu"))) != "activation-overflow"
    apart = blown(())  # layers that are no one module: what stands between them is known from the hops
    power = tuple(
        msgspec.structs.replace(h, parts=tuple(msgspec.structs.replace(p, role="other", kind="pow") for p in h.parts))
        for h in apart.networks[0].hops
    )
    assert cause(apart) != "activation-overflow"
    assert cause(network(apart, hops=power)) == "activation-overflow"
    assert cause(learns(network(net(), ops=("Addmm", "Exp")))) == ""


# ---- time, alike inputs, unlike errors ----------------------------------------------------------------------------
def over_time(run: Run, decades: float, steps: int = 30) -> Run:
    """The run with a recurrent part whose error changes by so many decades from the last time step to the first."""
    sites = tuple(Site("net", "rnn", t, "time", "rnn") for t in range(steps))
    error = 10.0 ** np.linspace(decades, 0.0, steps)
    frames = []
    for frame in run.frames:
        rows = np.full((steps, len(STATS)), np.nan)
        rows[:, STATS.index("err_norm")] = error
        frames.append(replace(frame, values=np.concatenate([frame.values, rows])))
    return replace(run, site_table=(*run.site_table, *sites), frames=tuple(frames))


@pytest.mark.parametrize(("decades", "steps", "said"), [(-5.0, 30, True), (-0.5, 30, False), (-5.0, 5, False)])
def test_an_error_that_fades_over_time(decades: float, steps: int, said: bool) -> None:
    assert (cause(over_time(net(), decades, steps)) == "recurrence-too-long") is said


def test_an_error_that_grows_over_time_must_do_harm() -> None:
    run = over_time(net(), 6.0)
    assert cause(with_losses(run, np.geomspace(2.3, 1e5, 150))) == "recurrence-too-long"
    assert cause(learns(run)) == ""


def test_weights_that_have_not_moved_say_nothing_about_time() -> None:
    run = over_time(net(), -5.0)
    assert cause(put_all(run, weights(run), "update_norm", 1e-6)) == "lr-too-low"


def alike(run: Run, top: float, bottom: float) -> Run:
    stations = run.networks[0].stations
    for i, site in enumerate(stations):
        share = max(i - 1, 0) / (len(stations) - 2)  # the head itself is not asked
        run = put(run, site, "act_similarity", top + share * (bottom - top))
    return run


def test_inputs_that_become_alike() -> None:
    assert fails(alike(net(), 1.0, 0.2)) == "inputs-collapse"
    assert fails(alike(net(), 1.0, 0.99)) == ""  # they enter so
    assert fails(alike(net(), 0.6, 0.2)) == ""
    assert cause(learns(alike(net(), 1.0, 0.2))) == ""


def test_errors_that_have_nothing_in_common() -> None:
    deep = alike(net(layers=26), 0.6, 0.2)

    def errors(far: float) -> Run:
        stations, run = deep.networks[0].stations, deep
        for i, site in enumerate(stations):
            run = put(run, site, "err_similarity", 0.5 + (far - 0.5) * i / (len(stations) - 1))
        return run

    finding = diagnose(errors(0.05)).findings[0]
    assert finding.cause == "depth-without-skip"  # it stands before it in the order, and the same skips cure both
    assert "gradients-shatter" in [a.cause for a in finding.alternatives]
    assert fails(errors(0.45)) == ""
    skips = tuple(msgspec.structs.replace(h, skip=True) for h in deep.networks[0].hops)
    assert fails(network(errors(0.05), hops=skips)) == ""


def test_logits_that_start_far_too_large() -> None:
    def loud(first: float, variance: float) -> Run:
        run = with_losses(net(), np.concatenate([np.linspace(first, 2.0, 100), np.full(50, 2.0)]))
        head = run.networks[0].params[-2] if run.networks[0].params[-2].name == "8.weight" else None
        assert head is not None
        module = next(m for m in run.networks[0].modules if m.path == "8")
        assert isinstance(module, ModuleSeen)
        return put(run, head.name, "weight_norm", math.sqrt(variance * head.numel / module.fan_in))

    assert cause(loud(30.0, 64.0)) == "init-too-large"
    assert cause(loud(2.4, 64.0)) != "init-too-large"
    assert cause(loud(30.0, 1.0)) != "init-too-large"
    binary = {"kind": "bce_logits", "outputs": 1, "trivial": 0.69}
    assert cause(loss_seen(loud(30.0, 64.0), **binary)) == "init-too-large"
    assert cause(loss_seen(loud(30.0, 64.0), **binary, pre="tanh")) != "init-too-large"
    seen = net().networks[0].modules
    modules = tuple(msgspec.structs.replace(m, role="norm") if m.path == "8" else m for m in seen)
    behind = network(loud(30.0, 1.0), modules=modules)  # an embedding that is used once more gives the logits
    assert cause(loss_seen(behind, input_std=16.0)) == "init-too-large"
    assert cause(loss_seen(behind, input_std=1.0)) != "init-too-large"
