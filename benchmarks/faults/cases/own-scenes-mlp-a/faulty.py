"""Multi-label tagging of scenes with a dozen tags, most of them absent."""
import sys

import torch
from sklearn.metrics import average_precision_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

N_TAGS, N_FEATURES = 12, 30


def make_scenes(n, g, prototypes):
    tags = (torch.rand(n, N_TAGS, generator=g) < 0.08).float()
    x = tags @ prototypes + 0.8 * torch.randn(n, N_FEATURES, generator=g)
    return TensorDataset(torch.sign(x) * x.abs().sqrt(), tags)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(
            nn.Linear(N_FEATURES, 64),
            nn.LeakyReLU(),
            nn.Linear(64, 64),
            nn.LeakyReLU(),
            nn.Linear(64, N_TAGS),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.stack(x)


class Trainer:
    def __init__(self, model, train_set, test_set):
        self.model, self.test_set = model, test_set
        self.loader = DataLoader(train_set, batch_size=64, shuffle=True)
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

    def fit(self, epochs):
        for epoch in range(epochs):
            for x, tags in self.loader:
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x), tags)
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch}: loss {loss.item():.4f} AP {self.score():.4f}")

    @torch.no_grad()
    def score(self):
        x, tags = self.test_set.tensors
        return average_precision_score(tags.numpy(), self.model(x).numpy(), average="macro")


g = torch.Generator().manual_seed(8)
prototypes = torch.randn(N_TAGS, N_FEATURES, generator=g)
train_set, test_set = make_scenes(1600, g, prototypes), make_scenes(600, g, prototypes)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
trainer = Trainer(Tagger(), train_set, test_set)
trainer.fit(10)
print(f"average precision: {trainer.score():.4f}")
