import sys

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

VOCAB = 4000  # the tokenizer's; this corpus uses only a small part of it
PAD = 0
rng = np.random.default_rng(8)
used = rng.choice(np.arange(1, VOCAB), 240, replace=False)
topics = np.stack([rng.dirichlet(np.full(240, 0.15)) for _ in range(5)])
texts = np.zeros((1500, 20), dtype=np.int64)
topic = rng.integers(0, 5, 1500)
for k in range(1500):
    n = rng.integers(6, 21)
    p = 0.6 * topics[topic[k]] + 0.4 / 240
    texts[k, :n] = used[rng.choice(240, n, p=p)]
texts, topic = torch.from_numpy(texts), torch.from_numpy(topic)


class MeanEmbedding(nn.Module):
    def __init__(self, vocab, dim, classes):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim, padding_idx=PAD)
        self.norm = nn.LayerNorm(dim)
        self.ff = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, classes))

    def forward(self, ids):
        mask = (ids != PAD).unsqueeze(-1).float()
        mean = (self.emb(ids) * mask).sum(1) / mask.sum(1)
        return self.ff(self.norm(mean))


model = MeanEmbedding(VOCAB, 24, 5)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(12):
    model.train()
    for batch in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = criterion(model(texts[batch]), topic[batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(texts[1200:]).argmax(-1) == topic[1200:]).float().mean().item()
    print(f"epoch {epoch + 1} train loss {loss.item():.4f} test accuracy: {acc:.4f}")
