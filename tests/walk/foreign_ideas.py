"""Networks that put an idea into practice, each as its readers write it; none of them made for the walk."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from foreign_networks import Made, classified, rows, words
from torch import Tensor, nn


class Timed(nn.Module):
    """GroupNorm, SiLU, convolution, twice; the time is added between, the input beside."""

    def __init__(self, given: int, made: int, time: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(2, given), nn.Conv2d(given, made, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(2, made), nn.Conv2d(made, made, 3, padding=1)
        self.time = nn.Linear(time, made)
        self.fit = nn.Conv2d(given, made, 1) if given != made else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(F.silu(t))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + self.fit(x)


class Denoiser(nn.Module):
    """A small U-Net that is told how noisy its input is."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, 8), nn.SiLU(), nn.Linear(8, 8))
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.down, self.middle = Timed(width, 2 * width, 8), Timed(2 * width, 2 * width, 8)
        self.up = Timed(3 * width, width, 8)
        self.norm, self.out = nn.GroupNorm(2, width), nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        rates = torch.exp(-math.log(100) * torch.arange(self.width // 2) / (self.width // 2))
        angles = t[:, None].to(x.dtype) * rates.to(x.dtype)
        emb = self.time(torch.cat([angles.sin(), angles.cos()], dim=-1))
        a = self.first(x)
        h = self.middle(self.down(F.avg_pool2d(a, 2), emb), emb)
        h = self.up(torch.cat([F.interpolate(h, scale_factor=2, mode="nearest"), a], dim=1), emb)
        return self.out(F.silu(self.norm(h)))


def noise_told(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Squared error of the noise that was added."""
    clean, noise, t = batch
    kept = torch.cos(t / 10 * math.pi / 2)[:, None, None, None].to(clean.dtype)
    return F.mse_loss(model(kept * clean + (1 - kept**2).sqrt() * noise, t), noise)


class TwoTowers(nn.Module):
    """Pictures and words in one space; a learned temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(96, 8))
        self.tokens, self.text = nn.Embedding(20, 8), nn.Linear(8, 8)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, pictures: Tensor, ids: Tensor) -> Tensor:
        v = F.normalize(self.visual(pictures), dim=-1)
        w = F.normalize(self.text(self.tokens(ids).mean(dim=1)), dim=-1)
        return self.logit_scale.exp() * v @ w.t()


def paired(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Each picture finds its words, and the other way round."""
    logits = model(**batch)
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2


class GraphNet(nn.Module):
    """Messages along edges, added up at their ends; a mean over all nodes of a graph."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.encode = nn.Linear(3, width)
        self.message = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.update = nn.ModuleList(nn.GRUCell(width, width) for _ in range(2))
        self.readout = nn.Linear(width, 1)

    def forward(self, x: Tensor, edges: Tensor, graph: Tensor) -> Tensor:
        source, target = edges
        h = torch.relu(self.encode(x))
        for message, update in zip(self.message, self.update, strict=True):
            m = F.elu(message(torch.cat([h[source], h[target]], dim=-1)))
            h = update(torch.zeros_like(h).index_add(0, target, m), h)
        pooled = torch.zeros(int(graph.max()) + 1, h.shape[1], dtype=h.dtype)
        pooled = pooled.scatter_reduce(0, graph[:, None].expand_as(h), h, "mean", include_self=False)
        return self.readout(pooled).squeeze(-1)


def graphs() -> Made:
    """Two graphs of five and four nodes."""
    edges = torch.tensor([[0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 5], [1, 2, 3, 4, 0, 2, 6, 7, 8, 5, 7]])
    graph = torch.tensor([0] * 5 + [1] * 4)
    batch = {"x": torch.randn(9, 3), "edges": edges, "graph": graph}
    return GraphNet(), (batch, torch.randn(2)), lambda m, b: F.l1_loss(m(**b[0]), b[1])


class MixtureDensity(nn.Module):
    """Weights, means and widths of three normal distributions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
        self.pi, self.mu, self.sigma = nn.Linear(16, 3), nn.Linear(16, 3), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.body(x)
        return F.log_softmax(self.pi(h), dim=-1), self.mu(h), F.softplus(self.sigma(h)) + 1e-3


def unlikely(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Negative log-likelihood of the mixture, by torch's own distribution."""
    pi, mu, sigma = model(batch[0])
    return -torch.logsumexp(pi + torch.distributions.Normal(mu, sigma).log_prob(batch[1][:, None]), dim=-1).mean()


class Relative(nn.Module):
    """A window's attention with a learned bias for each distance, heads by hand."""

    def __init__(self, width: int = 12, heads: int = 3, steps: int = 7) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn(2 * steps - 1, heads) * 0.02)
        self.mlp = nn.Sequential(nn.Linear(width, 24), nn.GELU(), nn.Dropout(0.1), nn.Linear(24, width))
        at = torch.arange(steps)
        self.register_buffer("distance", at[:, None] - at[None] + steps - 1)

    def attend(self, x: Tensor) -> Tensor:
        """softmax(q kᵀ / √d + bias) v."""
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        scores = scores + self.table[self.distance.view(-1)].view(t, t, -1).permute(2, 0, 1).unsqueeze(0)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Speller(nn.Module):
    """Two such blocks between an embedding and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.blocks = nn.Embedding(20, 12), nn.Sequential(Relative(), Relative())
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 20)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.embed(ids))))


class WaveNet(nn.Module):
    """Dilated causal convolutions whose tanh a sigmoid gates; every layer adds to the residual and to the output."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.embed = nn.Conv1d(2, width, 1)
        self.filters, self.gates, self.residuals, self.skips = (nn.ModuleList() for _ in range(4))
        for i in range(3):
            self.filters.append(nn.Conv1d(width, width, 2, dilation=2**i))
            self.gates.append(nn.Conv1d(width, width, 2, dilation=2**i))
            self.residuals.append(nn.Conv1d(width, width, 1))
            self.skips.append(nn.Conv1d(width, 8, 1))
        self.end = nn.Sequential(nn.ReLU(), nn.Conv1d(8, 8, 1), nn.ReLU(), nn.Conv1d(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        skips = []
        for i, (f, g) in enumerate(zip(self.filters, self.gates, strict=True)):
            padded = F.pad(x, (2**i, 0))
            z = torch.tanh(f(padded)) * torch.sigmoid(g(padded))
            skips.append(self.skips[i](z))
            x = x + self.residuals[i](z)
        return self.end(sum(skips))


class HyperNetwork(nn.Module):
    """A network that makes, for each example, the weights of a layer of another."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 5 * 6 + 6))
        self.fc1, self.fc2 = nn.Linear(5, 5), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        made = self.maker(x[:, :3])
        weight, bias = made[:, :30].view(-1, 6, 5), made[:, 30:]
        h = torch.tanh(self.fc1(x[:, 3:]))
        return self.fc2(torch.relu(torch.bmm(weight, h.unsqueeze(-1)).squeeze(-1) + bias))


class Transformed(nn.Module):
    """A spatial transformer turns the picture before it is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.localise = nn.Sequential(nn.Conv2d(1, 4, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(64, 6))
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 5 * 5, 5)
        self.localise[-1].weight.data.mul_(0.1)
        self.localise[-1].bias.data.copy_(torch.tensor([1.0, 0, 0.1, 0, 1, 0]))

    def forward(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self.localise(x).view(-1, 2, 3), list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, align_corners=False)
        return self.fc(F.max_pool2d(F.relu(self.conv(x)), 2).flatten(1))


class Flow(nn.Module):
    """An ordinary differential equation, by twenty steps of Euler that share their weights."""

    def __init__(self, steps: int = 20) -> None:
        super().__init__()
        self.steps = steps
        self.into, self.out = nn.Linear(8, 12), nn.Linear(12, 5)
        self.field = nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, 12))

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(x)
        for i in range(self.steps):
            t = torch.full_like(h[:, :1], i / self.steps)
            h = h + self.field(torch.cat([h, t], dim=1)) / self.steps
        return self.out(h)


class Byol(nn.Module):
    """An online network predicts what its slow copy makes of another view; no error goes through the copy."""

    def __init__(self) -> None:
        super().__init__()
        self.online = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 6))
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictor = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 6))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        with torch.no_grad():
            aims = self.target(right), self.target(left)
        said = self.predictor(self.online(left)), self.predictor(self.online(right))
        return sum((2 - 2 * F.cosine_similarity(a, b.detach())).mean() for a, b in zip(said, aims, strict=True))


class Lora(nn.Module):
    """A frozen linear layer and beside it two thin ones that learn."""

    def __init__(self, base: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, base.in_features) * 0.1)
        self.b = nn.Parameter(torch.randn(base.out_features, rank) * 0.1)  # zero at the start, here a step later

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2.0 * (x @ self.a.t() @ self.b.t())


def adapted() -> nn.Module:
    """A network whose layers are adapted; norms are frozen too."""
    body = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 5))
    body.requires_grad_(False)
    for i in (0, 3, 5):
        body[i] = Lora(body[i])
    return body


IDEAS: dict[str, Callable[[], Made]] = {
    "denoiser": lambda: (
        Denoiser(),
        (torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8), torch.tensor([2, 7])),
        noise_told,
    ),
    "two-towers": lambda: (
        TwoTowers(),
        {"pictures": torch.randn(6, 3, 16, 16), "ids": torch.randint(0, 20, (6, 4))},
        paired,
    ),
    "graph": graphs,
    "mixture-density": lambda: (MixtureDensity(), (torch.randn(10, 8), torch.randn(10)), unlikely),
    "relative": lambda: words(Speller()),
    "wavenet": lambda: (
        WaveNet(),
        (torch.randn(3, 2, 12), torch.randn(3, 1, 12)),
        lambda m, b: F.huber_loss(m(b[0]), b[1]),
    ),
    "hypernetwork": lambda: rows(HyperNetwork()),
    "transformed": lambda: (Transformed(), (torch.randn(4, 1, 12, 12), torch.randint(0, 5, (4,))), classified),
    "flow": lambda: rows(Flow()),
    "byol": lambda: (Byol(), (torch.randn(10, 8), torch.randn(10, 8)), lambda m, b: m(*b)),
    "lora": lambda: rows(adapted()),
}
