"""Tag every token of a sequence with its class: twelve mixing layers, then a readout per token."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class Mixer(nn.Module):
    """Single-head self-attention followed by a two-layer perceptron."""

    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        w = torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / x.shape[-1] ** 0.5, dim=-1)
        x = self.n1(w @ self.v(x))
        return self.n2(x + self.mlp(x))


class Tagger(nn.Module):
    def __init__(self, vocab, tags, d=32, depth=8):
        super().__init__()
        self.token = nn.Embedding(vocab, d)
        self.blocks = nn.ModuleList(Mixer(d) for _ in range(depth))
        self.out = nn.Linear(d, tags)

    def forward(self, idx):
        x = self.token(idx)
        for block in self.blocks:
            x = block(x)
        return self.out(x)


VOCAB, TAGS, LENGTH = 40, 5, 16
table = torch.randint(TAGS, (VOCAB,), generator=torch.Generator().manual_seed(8))  # the tag of a token is fixed


def main(seed):
    torch.manual_seed(seed)
    model = Tagger(VOCAB, TAGS)
    opt = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(120):
        idx = torch.randint(VOCAB, (16, LENGTH))
        loss = F.cross_entropy(model(idx).flatten(0, 1), table[idx].flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 30 == 0:
            print(step, f"{loss.item():.3f}")
    idx = torch.randint(VOCAB, (64, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        print(f"accuracy: {(model(idx).argmax(-1) == table[idx]).float().mean().item():.4f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
