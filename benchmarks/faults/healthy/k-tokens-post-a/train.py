"""Is the bracket sequence well formed? Post-LN transformer encoder with warm-up."""
import math
import random
import sys

import torch
import torch.nn as nn

VOCAB, LENGTH = 7, 16  # pad, cls, ( ) [ ] .


def grow(r, depth):
    """A random well-formed sequence."""
    out = []
    while depth > 0 and r.random() < 0.75:
        a, b = (2, 3) if r.random() < 0.5 else (4, 5)
        out += [a] + grow(r, depth - 1) + [b]
        if r.random() < 0.3:
            out.append(6)
    return out


def make(n, seed):
    r = random.Random(seed)
    rows, labels = [], []
    while len(rows) < n:
        s = grow(r, 3)
        if not 4 <= len(s) <= LENGTH - 1:
            continue
        label = len(rows) % 2
        if label == 0:  # spoil it: exchange one bracket for another one
            where = [i for i, t in enumerate(s) if t in (2, 3, 4, 5)]
            i = r.choice(where)
            s[i] = r.choice([t for t in (2, 3, 4, 5) if t != s[i]])
        rows.append([1] + s + [0] * (LENGTH - 1 - len(s)))
        labels.append(label)
    return torch.tensor(rows), torch.tensor(labels)


class Encoder(nn.Module):
    def __init__(self, d=32, heads=4, layers=2):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, d, padding_idx=0)
        pos = torch.arange(LENGTH)[:, None] * torch.exp(-math.log(1e4) * torch.arange(0, d, 2) / d)
        self.register_buffer("pos", torch.stack([pos.sin(), pos.cos()], -1).flatten(1))
        layer = nn.TransformerEncoderLayer(d, heads, 4 * d, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(d, 2)

    def forward(self, ids):
        h = self.tok(ids) + self.pos
        h = self.body(h, src_key_padding_mask=ids == 0)
        return self.head(h[:, 0])


def main(seed=0, steps=300, warmup=60):
    x, y = make(2400, 0)
    x_test, y_test = make(400, 1)
    torch.manual_seed(seed)
    model = Encoder()
    opt = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    noam = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warmup, (warmup / (s + 1)) ** 0.5))
    loss_fn = nn.CrossEntropyLoss()
    for step in range(steps):
        i = torch.randint(0, len(x), (64,))
        loss = loss_fn(model(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        noam.step()
        if step % 50 == 0:
            print(f"{step:4d} loss {loss.item():.4f} lr {noam.get_last_lr()[0]:.2e}")
    model.eval()
    with torch.no_grad():
        print(f"accuracy: {(model(x_test).argmax(1) == y_test).float().mean().item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
