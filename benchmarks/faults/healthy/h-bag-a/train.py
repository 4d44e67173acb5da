# Review polarity from words and word pairs, hashed into one sparse table.
import random
import sys

import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

BUCKETS = 5000
GOOD = "great lovely superb charming clever warm witty fresh moving bright".split()
BAD = "dull awful clumsy boring weak stale noisy flat grim cheap".split()
PLAIN = "the film a plot actor scene with and very not so music end it was i saw this long short".split()


def make_reviews(n, r):
    out = []
    for _ in range(n):
        label = r.random() < 0.5
        words = [r.choice(PLAIN) for _ in range(r.randint(6, 14))]
        for _ in range(r.randint(2, 4)):
            polar = GOOD if (label == (r.random() < 0.88)) else BAD
            words.insert(r.randrange(len(words)), r.choice(polar))
        out.append((words, float(label)))
    return out


def bucket(s):
    h = 2166136261
    for c in s.encode():
        h = ((h ^ c) * 16777619) & 0xFFFFFFFF
    return h % BUCKETS


def encode(words):
    return [bucket(w) for w in words] + [bucket(a + "_" + b) for a, b in zip(words, words[1:])]


def collate(batch):
    ids, offsets, labels = [], [], []
    for words, label in batch:
        offsets.append(len(ids))
        ids.extend(encode(words))
        labels.append(label)
    return torch.tensor(ids), torch.tensor(offsets), torch.tensor(labels)


r = random.Random(12)
reviews = make_reviews(1600, r)
train_loader = torch.utils.data.DataLoader(reviews[:1200], batch_size=40, shuffle=True, collate_fn=collate)
test_batch = collate(reviews[1200:])


class Polarity(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(BUCKETS, 16, mode="mean", sparse=True)
        self.out = nn.Linear(16, 1)

    def forward(self, ids, offsets):
        return self.out(self.bag(ids, offsets)).squeeze(1)


model = Polarity()
opt_table = torch.optim.SparseAdam(list(model.bag.parameters()), lr=0.02)
opt_dense = torch.optim.Adam(model.out.parameters(), lr=0.01)
bce = nn.BCEWithLogitsLoss()

for epoch in range(6):
    seen = 0.0
    for ids, offsets, labels in train_loader:
        opt_table.zero_grad()
        opt_dense.zero_grad()
        loss = bce(model(ids, offsets), labels)
        loss.backward()
        opt_table.step()
        opt_dense.step()
        seen += loss.item()
    print("epoch", epoch, "loss", round(seen / len(train_loader), 4))

with torch.no_grad():
    ids, offsets, labels = test_batch
    acc = ((model(ids, offsets) > 0) == (labels > 0.5)).float().mean().item()
print(f"accuracy: {acc:.4f}")
