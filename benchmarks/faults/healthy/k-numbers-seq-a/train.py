"""From digits to number words ("407" -> "four hundred seven"): encoder-decoder, teacher forcing."""
import random
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
random.seed(seed)

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def words(n):
    out = []
    if n >= 100:
        out += [ONES[n // 100], "hundred"]
        n %= 100
    if n >= 20:
        out.append(TENS[n // 10])
        n %= 10
    if n:
        out.append(ONES[n])
    return out or ["zero"]


WORDS = ["<pad>", "<go>", "<end>", "hundred"] + ONES + TENS[2:]
ID = {w: i for i, w in enumerate(WORDS)}
pairs = []
for n in range(1000):
    digits = [int(c) for c in f"{n:03d}"]
    ids = [ID[w] for w in words(n)] + [ID["<end>"]]
    pairs.append((digits, ids + [0] * (6 - len(ids))))
random.Random(4).shuffle(pairs)
src = torch.tensor([p[0] for p in pairs])
tgt = torch.tensor([p[1] for p in pairs])
N_TRAIN = 850


class Encoder(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.embed = nn.Embedding(10, dim)
        self.rnn = nn.GRU(dim, hidden, batch_first=True)

    def forward(self, s):
        return self.rnn(self.embed(s))[1]


class Decoder(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), dim, padding_idx=0)
        self.cell = nn.GRUCell(dim, hidden)
        self.out = nn.Linear(hidden, len(WORDS))

    def forward(self, token, h):
        h = self.cell(self.embed(token), h)
        return self.out(h), h


enc, dec = Encoder(16, 64), Decoder(16, 64)
enc_opt = torch.optim.Adam(enc.parameters(), lr=5e-3)
dec_opt = torch.optim.Adam(dec.parameters(), lr=5e-3)
loss_fn = nn.NLLLoss(ignore_index=0)


def train_batch(s, t, forcing):
    h = enc(s)[0]
    token = torch.full((len(s),), ID["<go>"])
    loss = 0.0
    use_truth = random.random() < forcing
    for k in range(t.size(1)):
        logits, h = dec(token, h)
        if (t[:, k] != 0).any():
            loss = loss + loss_fn(torch.log_softmax(logits, -1), t[:, k])
        token = t[:, k] if use_truth else logits.argmax(-1).detach()
    enc_opt.zero_grad()
    dec_opt.zero_grad()
    loss.backward()
    enc_opt.step()
    dec_opt.step()
    return loss.item() / t.size(1)


def translate(s):
    h, token, out = enc(s)[0], torch.full((len(s),), ID["<go>"]), []
    ended = torch.zeros(len(s), dtype=torch.bool)
    for _ in range(6):
        logits, h = dec(token, h)
        token = logits.argmax(-1)
        out.append(torch.where(ended, torch.zeros_like(token), token))
        ended |= token == ID["<end>"]
    return torch.stack(out, 1)


for epoch in range(18):
    losses = [train_batch(src[i], tgt[i], forcing=0.8) for i in torch.randperm(N_TRAIN).split(50)]
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1}: {sum(losses) / len(losses):.4f}")

with torch.no_grad():
    exact = (translate(src[N_TRAIN:]) == tgt[N_TRAIN:]).all(1).float().mean().item()
print(f"exact match: {exact:.4f}")
