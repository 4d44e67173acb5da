"""Tell whether a list of numbers is in rising order: a pre-norm transformer encoder."""
import argparse

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


def lists(n, generator):
    x = torch.rand(n, 8, generator=generator)
    rising = torch.rand(n, generator=generator) < 0.5
    x[rising] = x[rising].sort(1).values
    half = ~rising & (torch.rand(n, generator=generator) < 0.3)
    x[half] = x[half].sort(1, descending=True).values
    return x, rising.float()


class Encoder(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.lift = nn.Linear(1, d)
        self.place = nn.Embedding(8, d)
        layer = nn.TransformerEncoderLayer(d, 2, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.read = nn.Linear(d, 1)

    def forward(self, x):
        h = self.lift(x[..., None]) + self.place.weight
        return self.read(self.body(h).mean(1)).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--warmup", type=int, default=400_000)
    parser.add_argument("--steps", type=int, default=200)
    opts = parser.parse_args()
    torch.manual_seed(opts.seed)
    g = torch.Generator().manual_seed(55)
    x, y = lists(3000, g)
    xt, yt = lists(500, g)
    model = Encoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    scheduler = LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / opts.warmup))
    loss_fn = nn.BCEWithLogitsLoss()
    for step in range(opts.steps):
        rows = torch.randint(len(x), (48,))
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 50 == 49:
            print(f"step {step + 1} loss {loss.item():.4f}")
    with torch.no_grad():
        acc = ((model(xt) > 0).float() == yt).float().mean().item()
    print(f"test accuracy: {acc:.4f}")


if __name__ == "__main__":
    main()
