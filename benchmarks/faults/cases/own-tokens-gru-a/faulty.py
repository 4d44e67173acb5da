import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

# synthetic "intent" data: sentences of 12 words out of 30, the class is which of the four
# keywords comes first
VOCAB, LENGTH, CLASSES = 30, 12, 4


def make_sentences(n, generator):
    words = torch.randint(CLASSES, VOCAB, (n, LENGTH), generator=generator)
    places = torch.rand(n, LENGTH, generator=generator).argsort(1)[:, :2].sort(1).values
    keys = torch.rand(n, CLASSES, generator=generator).argsort(1)[:, :2]
    words.scatter_(1, places, keys)
    return words, keys[:, 0]


g = torch.Generator().manual_seed(1234)
train_x, train_y = make_sentences(1500, g)
test_x, test_y = make_sentences(500, g)


class IntentModel(nn.Module):
    def __init__(self, dim=16, hidden=24):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, CLASSES)

    def forward(self, tokens):
        emb = self.embed(tokens)
        with torch.no_grad():
            states, last = self.gru(emb)
        return self.out(last[-1])


def evaluate(model):
    model.eval()
    with torch.inference_mode():
        hits = (model(test_x).argmax(-1) == test_y).sum().item()
    model.train()
    return hits / len(test_y)


torch.manual_seed(seed)
model = IntentModel()
opt = torch.optim.AdamW(model.parameters(), lr=5e-3)
step = 0
while step < 300:
    batch = torch.randint(len(train_x), (64,))
    logits = model(train_x[batch])
    loss = F.cross_entropy(logits, train_y[batch])
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    step += 1
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.3f}, acc {evaluate(model):.3f}")
print(f"test accuracy: {evaluate(model):.4f}")
