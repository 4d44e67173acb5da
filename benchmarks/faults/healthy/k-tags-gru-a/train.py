# Tag every word of a sentence; the tag of an ambiguous word depends on what comes before AND after.
import random
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0

DET, ADJ = ["the", "a", "this", "every"], ["old", "red", "quick", "calm", "odd"]
NOUN, VERB = ["dog", "river", "house", "child", "song"], ["sees", "finds", "likes", "draws"]
BOTH = ["paint", "walk", "play", "watch", "work", "watches", "plays"]
TAGS = {"DET": 1, "ADJ": 2, "NOUN": 3, "VERB": 4, "ADV": 5, "END": 6}
ADV = ["today", "slowly", "often", "well"]


def noun_phrase(r):
    words = [(r.choice(DET), "DET")]
    while r.random() < 0.4:
        words.append((r.choice(ADJ), "ADJ"))
    words.append((r.choice(NOUN + BOTH), "NOUN"))
    return words


def sentence(r):
    words = noun_phrase(r)
    if r.random() < 0.3:
        words.append((r.choice(ADV), "ADV"))
    words.append((r.choice(VERB + BOTH), "VERB"))
    if r.random() < 0.7:
        words += noun_phrase(r)
    if r.random() < 0.4:
        words.append((r.choice(ADV), "ADV"))
    return words + [(".", "END")]


r = random.Random(5)
sentences = [sentence(r) for _ in range(900)]
vocab = {w: i + 1 for i, w in enumerate(sorted({w for s in sentences for w, _ in s}))}
data = [(torch.tensor([vocab[w] for w, _ in s]), torch.tensor([TAGS[t] for _, t in s])) for s in sentences]


def collate(batch):
    batch.sort(key=lambda pair: -len(pair[0]))
    words, tags = zip(*batch)
    lengths = torch.tensor([len(w) for w in words])
    return pad_sequence(words, batch_first=True), pad_sequence(tags, batch_first=True), lengths


class Tagger(nn.Module):
    def __init__(self, words, tags, dim=24, hidden=24):
        super().__init__()
        self.embed = nn.Embedding(words, dim, padding_idx=0)
        self.rnn = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * hidden, tags)

    def forward(self, words, lengths):
        packed = pack_padded_sequence(self.drop(self.embed(words)), lengths, batch_first=True)
        states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.out(self.drop(states))


torch.manual_seed(SEED)
train_loader = DataLoader(data[:700], batch_size=20, shuffle=True, collate_fn=collate)
test_loader = DataLoader(data[700:], batch_size=100, collate_fn=collate)
model = Tagger(len(vocab) + 1, len(TAGS) + 1)
criterion = nn.CrossEntropyLoss(ignore_index=0)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(5):
    model.train()
    total = 0
    for words, tags, lengths in train_loader:
        model.zero_grad()
        scores = model(words, lengths)
        loss = criterion(scores.flatten(0, 1), tags.flatten())
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: {total / len(train_loader):.4f}")

model.eval()
right = count = 0
with torch.no_grad():
    for words, tags, lengths in test_loader:
        guess = model(words, lengths).argmax(-1)
        seen = tags != 0
        right += (guess == tags)[seen].sum().item()
        count += seen.sum().item()
print(f"tag accuracy: {right / count:.4f}")
