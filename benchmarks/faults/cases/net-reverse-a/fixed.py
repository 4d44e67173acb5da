"""A small post-norm transformer reverses short strings."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SYMBOLS, LENGTH, D = 12, 6, 48


class Reverser(nn.Module):
    def __init__(self, n_layers=4):
        super().__init__()
        self.sym = nn.Embedding(SYMBOLS, D)
        self.pos = nn.Parameter(0.5 * torch.randn(LENGTH, D))
        layer = nn.TransformerEncoderLayer(D, nhead=4, dim_feedforward=96, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.head = nn.Linear(D, SYMBOLS)

    def forward(self, s):
        return self.head(self.encoder(self.sym(s) + self.pos))


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    model = Reverser()
    opt = torch.optim.Adam(model.parameters(), lr=0.002, betas=(0.9, 0.98))
    total = 150
    for step in range(total):
        s = torch.randint(SYMBOLS, (32, LENGTH))
        loss = F.cross_entropy(model(s).flatten(0, 1), s.flip(1).flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 30 == 0:
            print(f"step {step} loss {loss.item():.3f}")
    model.eval()
    s = torch.randint(SYMBOLS, (200, LENGTH), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        acc = (model(s).argmax(-1) == s.flip(1)).float().mean().item()
    print(f"token accuracy: {acc:.4f}")


main()
