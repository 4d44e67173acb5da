import random
import sys

import torch
from torch import nn
from torch.nn import functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

# ---------------------------------------------------------------- corpus
places = ["garden", "market", "station", "harbour", "library"]
things = ["a letter", "two apples", "her coat", "the key", "some bread", "an old map"]
r = random.Random(0)


def name():
    return "".join(r.choice("bdfgklmnprstvz") + r.choice("aeiou") for _ in range(r.choice([2, 2, 3])))


def line():
    who, other = name(), name()
    form = r.randrange(3)
    if form == 0:
        return f"{who} went to the {r.choice(places)} and met {other}."
    if form == 1:
        return f"{who} gave {other} {r.choice(things)} at the {r.choice(places)}."
    return f'"{r.choice(things)}?" said {who}, "ask {other}."'


text = "\n".join(line() for _ in range(1000))
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
ids = torch.tensor([stoi[c] for c in text])
cut = int(len(ids) * 0.9)
train_ids, test_ids = ids[:cut], ids[cut:]

# ---------------------------------------------------------------- model
class CharLM(nn.Module):
    def __init__(self, vocab, dim=32, hidden=96):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, x, state=None):
        h, state = self.lstm(self.embed(x), state)
        return self.head(h), state


def batches(stream, n, length):
    """n parallel streams, cut into pieces of `length` (for truncated back-propagation)."""
    usable = (len(stream) - 1) // n * n
    x, y = stream[:usable].view(n, -1), stream[1 : usable + 1].view(n, -1)
    for t in range(0, x.size(1) - length + 1, length):
        yield x[:, t : t + length], y[:, t : t + length]


model = CharLM(len(chars))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.75)
for epoch in range(5):
    state, total, steps = None, 0.0, 0
    for x, y in batches(train_ids, 20, 32):
        logits, state = model(x, state)
        state = tuple(s.detach() for s in state)  # the state goes on, the gradient stops here
        loss = F.cross_entropy(logits.transpose(1, 2), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        total, steps = total + loss.item(), steps + 1
    sched.step()
    print(f"epoch {epoch} bits per character {total / steps / 0.6931:.3f} ({steps} steps)")

# ---------------------------------------------------------------- test
model.eval()
with torch.no_grad():
    logits, _ = model(test_ids[None, :-1])
    nats = F.cross_entropy(logits[0], test_ids[1:]).item()

    state, out = None, [stoi["\n"]]
    for _ in range(60):
        logits, state = model(torch.tensor([[out[-1]]]), state)
        out.append(torch.multinomial(logits[0, -1].softmax(-1), 1).item())
print("".join(chars[i] for i in out[1:]).split("\n")[0])
print(f"test nats per character: {nats:.4f}")
