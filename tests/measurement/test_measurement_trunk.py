"""The trunk of well-known networks, loss first, as somebody who knows the network would draw it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from measurement_nets import ZOO, Case, norm_of, oracle_calls, oracle_errors, recorded_case, row, squares
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gradiometer.records import Network, Run

pytestmark = pytest.mark.torch


def trunk(case: Case) -> tuple[Network, Run]:
    """The network and its run after one backward pass."""
    run = recorded_case(case)
    return run.network(), run


def parts(network: Network) -> list[str]:
    """Roles of the parts of every hop, loss first."""
    return [" ".join(p.role for p in hop.parts) for hop in network.hops]


def chain(network: Network) -> list[str]:
    """Every site of the trunk in the order in which the error meets it."""
    return [network.hops[0].upper, *(p.lower for hop in network.hops for p in hop.parts)]


# ---- what holds of every trunk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_hops_join_and_their_parts_multiply_to_the_gain(name: str) -> None:
    case = ZOO[name]()
    network, run = trunk(case)
    errors = row(run, "err_norm")
    assert len(network.hops) >= 2
    assert network.stations == (network.hops[0].upper, *(h.lower for h in network.hops))
    for hop, following in zip(network.hops, network.hops[1:], strict=False):
        assert hop.lower == following.upper
    for hop in network.hops:
        assert hop.parts[0].upper == hop.upper
        assert hop.parts[-1].lower == hop.lower
        product = 1.0
        for part in hop.parts:
            product *= errors[part.lower] / errors[part.upper]
        assert product == pytest.approx(errors[hop.lower] / errors[hop.upper])


@pytest.mark.parametrize("name", ZOO)
def test_every_error_must_pass_every_station(name: str) -> None:
    """Foreign proof: where a station's error is set to 0, no parameter below the trunk's last weights gets any."""
    case = ZOO[name]()
    network, _ = trunk(case)
    source = network.stations[-1]
    modules = dict(case.model.named_modules())
    blocked = []
    for station in network.stations[:-1]:
        if ":" in station or ".input" in station or "#" in station:
            continue
        output: list[Tensor] = []
        handle = modules[station].register_forward_hook(lambda m, a, o, output=output: output.append(o))
        below: list[Tensor] = []
        path = source.split("#")[0].split(".input")[0].split(":")[0]
        other = modules[path].register_forward_hook(
            lambda m, a, o, below=below: below.append(a[0] if source.endswith("input") else o)
        )
        for module in case.model.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        loss = case.loss(case.model(*case.args))
        handle.remove()
        other.remove()
        output[0].register_hook(torch.zeros_like)
        sent = torch.autograd.grad(loss, [below[0] if isinstance(below[0], Tensor) else below[0][0]])
        blocked.append(norm_of(list(sent)))
    assert blocked == [0.0] * len(blocked)
    assert blocked or name in {"shared", "unrolled"}


@pytest.mark.parametrize("name", ZOO)
def test_stations_are_told_once(name: str) -> None:
    network, _ = trunk(ZOO[name]())
    assert len(set(network.stations)) == len(network.stations)


def test_sites_of_the_trunk_know_their_position() -> None:
    network, run = trunk(ZOO["mlp"]())
    position = {s.name: s.hop for s in run.sites() if s.hop >= 0}
    assert sorted(position, key=position.__getitem__) == ["4", "3", "2", "1", "0"]
    assert chain(network) == ["4", "3", "2", "1", "0"]
    assert all(s.hop == -1 for s in run.sites() if s.kind == "param")


# ---- well-known networks --------------------------------------------------------------------------------------------


def test_mlp() -> None:
    network, _ = trunk(ZOO["mlp"]())
    assert network.stations == ("4", "2", "0")
    assert parts(network) == ["weights activation", "weights activation"]
    first = network.hops[0]
    assert [(p.kind, p.path, p.upper, p.lower, p.weight) for p in first.parts] == [
        ("linear", "4", "4", "3", "4.weight"),
        ("tanh", "3", "3", "2", None),
    ]
    assert [p.kind for p in network.hops[1].parts] == ["linear", "sigmoid"]


class FunctionalMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


def test_mlp_with_functions_has_the_same_hops() -> None:
    network, _ = trunk(Case(FunctionalMlp(), (torch.randn(5, 6),)))
    assert network.stations == ("layers.2", "layers.1", "layers.0")
    assert parts(network) == ["weights activation", "weights activation"]
    assert chain(network) == ["layers.2", ":tanh#1", "layers.1", ":tanh#0", "layers.0"]


def test_dropout_and_norm_are_parts_of_a_hop() -> None:
    layers = (nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2))
    network, _ = trunk(Case(nn.Sequential(*layers), (torch.randn(9, 6),)))
    assert network.stations == ("4", "0")
    assert parts(network) == ["weights dropout activation norm"]


def test_resnet_stations_are_block_outputs() -> None:
    """Everything in place, one activation module called twice a block."""
    network, _ = trunk(ZOO["resnet"]())
    assert network.stations == ("fc", "layers.1", "layers.0", "stem.0")
    assert [h.skip for h in network.hops] == [False, True, True]
    assert parts(network) == ["weights reshape pool", "activation block", "activation block activation norm"]


def test_a_block_part_names_the_block_and_not_the_module_above_it() -> None:
    for name, path in (("resnet", "layers.1"), ("residual_post", "blocks.2"), ("gated", "")):
        network, _ = trunk(ZOO[name]())
        first = next(p for h in network.hops for p in h.parts if p.role == "block")
        assert first.path == path


def test_pre_activation_residual_network_skips() -> None:
    network, _ = trunk(ZOO["residual_pre"]())
    assert network.stations == ("head", "blocks.2", "blocks.1", "blocks.0", "stem")
    assert [(h.skip, [p.role for p in h.parts]) for h in network.hops] == [
        (False, ["weights"]),
        *[(True, ["block"])] * 3,
    ]


def test_post_activation_residual_network() -> None:
    """The activation after the sum lies on the trunk: between two blocks the error always passes it."""
    network, _ = trunk(ZOO["residual_post"]())
    assert network.stations == ("head", "blocks.2", "blocks.1", "blocks.0", "stem")
    assert [h.skip for h in network.hops] == [False, True, True, True]


def test_pre_norm_transformer_has_half_block_points() -> None:
    network, _ = trunk(ZOO["transformer"]())
    inner = [s for s in network.stations if s.startswith("h.")]
    assert network.stations[0] == "head"
    assert {"h.1", "h.0"} <= set(inner)
    halves = [s for s in inner if ".ln2" in s or ".input" in s]
    assert len(halves) >= 2
    assert [s.split(".")[1] for s in inner] == sorted((s.split(".")[1] for s in inner), reverse=True)
    assert all(h.skip for h in network.hops if h.lower.startswith("h.") and h.upper.startswith("h."))


class Siamese(nn.Module):
    """One body, called for both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 4))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.body(x) - self.body(y)).pow(2).sum(1)


def test_siamese_shows_one_of_its_equal_sides() -> None:
    network, _ = trunk(Case(Siamese(), (torch.randn(5, 6), torch.randn(5, 6))))
    assert chain(network) in (["body.2", "body.1", "body.0"], ["body.2#1", "body.1#1", "body.0#1"])


class Vae(nn.Module):
    """Encoder, two parallel heads, decoder; the loss has a term of its own on the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.e1, self.e2 = nn.Linear(6, 8), nn.Linear(8, 8)
        self.mu, self.lv = nn.Linear(8, 3), nn.Linear(8, 3)
        self.d1, self.d2 = nn.Linear(3, 8), nn.Linear(8, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = torch.tanh(self.e2(torch.tanh(self.e1(x))))
        mu, lv = self.mu(h), self.lv(h)
        z = mu + torch.exp(lv / 2) * torch.ones_like(mu)
        return self.d2(torch.tanh(self.d1(z))), mu, lv


def vae() -> Case:
    x = torch.randn(5, 6)

    def loss(out: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        back, mu, lv = out
        return F.mse_loss(back, x) + 0.1 * (mu.pow(2) + lv.exp() - lv).mean()

    return Case(Vae(), (x,), loss)


def test_vae_runs_from_the_decoder_to_the_encoder() -> None:
    network, _ = trunk(vae())
    assert network.stations[:2] == ("d2", "d1")
    assert network.stations[-1] == "e1"
    assert "mu" not in network.stations  # mu and lv lie beside each other: neither dominates
    assert "lv" not in network.stations
    assert any(h.joins for h in network.hops)  # the second term enters below z


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e1, self.e2 = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1, stride=2)
        self.mid = nn.Conv2d(2, 2, 3, padding=1)
        self.up, self.d1 = nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Conv2d(4, 2, 3, padding=1)
        self.out = nn.Conv2d(2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.e1(x))
        b = torch.relu(self.mid(torch.relu(self.e2(a))))
        return self.out(torch.relu(self.d1(torch.cat([a, self.up(b)], 1))))


def test_unet_has_only_its_ends_and_the_middle_lies_beside() -> None:
    network, _ = trunk(Case(UNet(), (torch.randn(2, 1, 8, 8),)))
    assert network.stations[:2] == ("out", "d1")
    assert network.stations[-1] == "e1"
    assert not {"e2", "mid", "up"} & {h.lower for h in network.hops if not h.spine}


class Dense(nn.Module):
    """Every layer reads all outputs before it."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.layers = nn.ModuleList(nn.Linear(4 * (i + 1), 4) for i in range(layers))
        self.head = nn.Linear(4 * (layers + 1), 2)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.stem(x)]
        for layer in self.layers:
            found.append(torch.tanh(layer(torch.cat(found, 1))))
        return self.head(torch.cat(found, 1))


def test_densenet_has_no_layer_that_every_path_passes() -> None:
    network, _ = trunk(Case(Dense(4), (torch.randn(5, 4),)))
    assert network.stations[0] == "head"
    assert network.stations[-1] == "stem"
    passed = {h.lower for h in network.hops if not h.spine}
    assert not {f"layers.{i}" for i in range(4)} & passed


def test_weight_norm_is_seen_through() -> None:
    layers = (nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
    model = nn.Sequential(*layers)
    for i in (0, 2, 4):
        parametrizations.weight_norm(model[i])
    case = Case(model, (torch.randn(5, 6),))
    network, run = trunk(case)
    assert chain(network) == ["4", "3", "2", "1", "0"]
    assert not [s.name for s in run.sites() if s.kind == "output" and "parametrizations" in s.name]


def test_frozen_bottom_ends_the_trunk_at_the_first_layer_that_learns() -> None:
    layers = (nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
    model = nn.Sequential(*layers)
    model[0].requires_grad_(False)
    network, _ = trunk(Case(model, (torch.randn(5, 6),)))
    assert network.stations == ("6", "4", "2")
    model[0].requires_grad_(True)
    network, _ = trunk(Case(model, (torch.randn(5, 6),)))
    assert network.stations == ("6", "4", "2", "0")


def test_frozen_top_stays_in_the_trunk() -> None:
    case = ZOO["mlp"]()
    case.model[4].requires_grad_(False)
    assert trunk(case)[0].stations == ("4", "2", "0")


def test_shared_cell_is_a_station_at_every_call() -> None:
    network, _ = trunk(ZOO["shared"]())
    assert network.stations == ("head", "cell#2", "cell#1", "cell")


def test_unrolled_cell_is_a_station_at_every_time_step() -> None:
    network, _ = trunk(ZOO["unrolled"]())
    assert network.stations == ("head", "cell#3", "cell#2", "cell#1", "cell")


class TwoHeads(nn.Module):
    """A deep head and a shallow one."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
        self.deep, self.flat = nn.Sequential(nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        return squares(self.deep(h)) + squares(self.flat(h))


def test_two_heads_show_the_longer_one_and_where_the_other_joins() -> None:
    network, _ = trunk(Case(TwoHeads(), (torch.randn(5, 6),), lambda loss: loss))
    assert network.stations[0] == "deep.3"  # the container and its last child are one place
    assert network.stations[-1] == "body.0"
    joined = [h.lower for h in network.hops if h.joins]
    assert len(joined) == 1
    assert joined[0] in {"body", "body.2"}
    without = Case(nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)), (torch.randn(5, 6),))
    assert not any(h.joins for h in trunk(without)[0].hops)


def test_a_network_of_raw_parameters_says_why_it_has_no_trunk_or_has_one_of_functions() -> None:
    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.ParameterList(nn.Parameter(torch.randn(6, 6)) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for w in self.w:
                x = torch.tanh(F.linear(x, w))
            return x

    network, _ = trunk(Case(Raw(), (torch.randn(5, 6),)))
    assert network.hops or network.trunk_note


def test_tied_head_and_embedding_do_not_close_a_circle() -> None:
    case = ZOO["transformer"]()
    case.model.head.weight = case.model.tok.weight
    network, run = trunk(case)
    assert network.stations[0] == "head"
    assert row(run, "err_norm")["head"] == pytest.approx(oracle_errors(oracle_calls(case))["head"], rel=2e-6)
    tied = {p.name: p.tied_to for p in network.params if p.tied_to}
    assert tied in ({"head.weight": "tok.weight"}, {"tok.weight": "head.weight"})
