"""Bag-of-embeddings text classifier with masked mean pooling."""
import random
import sys

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD = 0
TOPICS = {
    0: "ball goal team coach match score league win".split(),
    1: "vote party law senate state tax minister win".split(),
    2: "cell gene virus lab drug trial dose score".split(),
}
FILLER = "the a of and to in for on was is by with from that it as".split()
VOCAB = {w: i + 1 for i, w in enumerate(sorted({w for ws in TOPICS.values() for w in ws} | set(FILLER)))}


def sentence(rng):
    topic = rng.randrange(3)
    n = rng.randint(5, 15)
    words = [rng.choice(TOPICS[topic]) if rng.random() < 0.3 else rng.choice(FILLER) for _ in range(n)]
    return torch.tensor([VOCAB[w] for w in words]), topic


def collate(batch):
    tokens, topics = zip(*batch)
    return pad_sequence(tokens, batch_first=True, padding_value=PAD), torch.tensor(topics)


class TextClassifier(nn.Module):
    def __init__(self, vocab_size, dim=24, n_classes=3):
        super().__init__()
        self.emb = nn.Embedding(vocab_size + 1, dim, padding_idx=PAD)
        self.fc = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, n_classes))

    def forward(self, tokens):
        mask = (tokens != PAD).unsqueeze(-1).float()
        summed = (self.emb(tokens) * mask).sum(1)
        pooled = summed / mask.sum(1).clamp(min=1.0)
        return self.fc(pooled)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    rng = random.Random(2024)
    train, test = [sentence(rng) for _ in range(1500)], [sentence(rng) for _ in range(500)]
    torch.manual_seed(seed)
    model = TextClassifier(len(VOCAB))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.01)
    loader = DataLoader(train, batch_size=32, shuffle=True, collate_fn=collate)
    for epoch in range(8):
        for tokens, topics in loader:
            loss = nn.functional.cross_entropy(model(tokens), topics)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    tokens, topics = collate(test)
    with torch.no_grad():
        accuracy = (model(tokens).argmax(1) == topics).float().mean()
    print(f"test accuracy: {accuracy:.4f}")


main()
