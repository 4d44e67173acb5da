import argparse
import random

import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

parser = argparse.ArgumentParser(description="metric learning on digits")
parser.add_argument("seed", nargs="?", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
random.seed(args.seed)


class PKSampler(Sampler):
    """Batches of P classes with K samples each."""

    def __init__(self, labels, p, k, batches):
        self.by_class = {c: (labels == c).nonzero().flatten().tolist() for c in labels.unique().tolist()}
        self.p, self.k, self.batches = p, k, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            batch = []
            for c in random.sample(list(self.by_class), self.p):
                batch += random.sample(self.by_class[c], self.k)
            yield batch


def semi_hard_triplet(emb, labels, margin=0.3):
    d = torch.cdist(emb, emb)
    same = labels[:, None] == labels[None, :]
    positive = (d * same).max(1).values
    # nearest of the others
    negative = d.masked_fill(same, float("inf")).min(1).values
    return torch.relu(positive - negative + margin).mean()


class Embed(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(64, 96), nn.LeakyReLU(0.1), nn.Linear(96, 48), nn.LeakyReLU(0.1))
        self.head = nn.Linear(48, dim)

    def forward(self, x):
        return nn.functional.normalize(self.head(self.features(x)), dim=1)


x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x, dtype=torch.float32) / 16 - 0.3, torch.tensor(y)
xtr, ytr, xte, yte = x[:1300], y[:1300], x[1300:], y[1300:]
loader = DataLoader(TensorDataset(xtr, ytr), batch_sampler=PKSampler(ytr, p=8, k=6, batches=40))

model = Embed()
optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-3)
for epoch in range(8):
    mean = 0.0
    for xb, yb in loader:
        loss = semi_hard_triplet(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean += loss.item() / len(loader)
    print(f"epoch {epoch}: triplet loss {mean:.4f}")

model.eval()
with torch.no_grad():
    a, b = model(xtr).numpy(), model(xte).numpy()
knn = KNeighborsClassifier(1).fit(a, ytr.numpy())
print(f"1-NN accuracy: {knn.score(b, yte.numpy()):.4f}")
