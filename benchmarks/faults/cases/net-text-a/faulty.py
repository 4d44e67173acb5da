"""Next-character model on a small artificial language, with tied input and output embeddings."""
import random
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCAB, CONTEXT, DIM = 27, 8, 256


def make_corpus(length=6000, seed=11):
    """Words drawn from a fixed lexicon, joined by blanks."""
    rnd = random.Random(seed)
    lexicon = ["".join(rnd.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rnd.randint(3, 6))) for _ in range(40)]
    text = ""
    while len(text) < length:
        text += rnd.choice(lexicon) + " "
    return torch.tensor([26 if c == " " else ord(c) - 97 for c in text[:length]])


class CharModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.mix = nn.Linear(CONTEXT * DIM, DIM)
        self.norm = nn.LayerNorm(DIM)
        self.bias = nn.Parameter(torch.zeros(VOCAB))

    def forward(self, idx):
        e = self.embed(idx).flatten(1)
        h = self.norm(F.gelu(self.mix(e)))
        return h @ self.embed.weight.t() + self.bias


def main(seed):
    torch.manual_seed(seed)
    ids = make_corpus()
    windows = ids.unfold(0, CONTEXT + 1, 1)
    train, held = windows[:5000], windows[5000:]
    model = CharModel()
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01)
    for it in range(200):
        rows = train[torch.randint(len(train), (64,))]
        loss = F.cross_entropy(model(rows[:, :-1]), rows[:, -1])
        opt.zero_grad()
        loss.backward()
        opt.step()
        if it % 50 == 0:
            print(f"iter {it} loss {loss.item():.3f}")
    model.eval()
    with torch.no_grad():
        nll = F.cross_entropy(model(held[:, :-1]), held[:, -1])
    print(f"held-out loss: {nll.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
