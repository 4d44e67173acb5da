"""Classify short sequences of tokens; the model is held as flat shards, one a layer."""
import sys

import torch
from torch import nn
from torch.func import functional_call


class FlatLayer(nn.Module):
    """Keeps all parameters of a layer in one vector."""

    def __init__(self, layer):
        super().__init__()
        named = list(layer.named_parameters())
        self.names = [name for name, _ in named]
        self.shapes = [p.shape for _, p in named]
        self.flat = nn.Parameter(torch.cat([p.detach().flatten() for _, p in named]))
        self.skeleton = [layer]

    def forward(self, *args):
        pieces = self.flat.split([shape.numel() for shape in self.shapes])
        params = {name: piece.view(shape) for name, piece, shape in zip(self.names, pieces, self.shapes)}
        return functional_call(self.skeleton[0], params, args)


class FlatSharded(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.layers = nn.ModuleList(FlatLayer(layer) for layer in module)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class MeanOverTime(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(x.mean(dim=1))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(torch.nn.functional.gelu(self.up(x)))


def sentences(n, generator):
    """Each of four topics has tokens of its own; most tokens belong to none."""
    topic = torch.randint(0, 4, (n,), generator=generator)
    tokens = torch.randint(0, 100, (n, 12), generator=generator)
    special = 4 + 8 * topic[:, None] + torch.randint(0, 8, (n, 12), generator=generator)
    chosen = torch.rand(n, 12, generator=generator) < 0.3
    return torch.where(chosen, special, tokens), topic


def main():
    generator = torch.Generator().manual_seed(0)
    x_train, y_train = sentences(1200, generator)
    x_test, y_test = sentences(400, generator)
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

    model = nn.Sequential(nn.Embedding(100, 32), FeedForward(32), MeanOverTime(32), nn.Linear(32, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model = FlatSharded(model)

    for epoch in range(8):
        for rows in torch.randperm(1200).split(40):
            loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
            model.zero_grad()
        print(f"epoch {epoch}: {loss.item():.4f}")

    with torch.no_grad():
        print("test accuracy:", (model(x_test).argmax(1) == y_test).float().mean().item())


main()
