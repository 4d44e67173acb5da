import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class TagModel(nn.Module):
    """20 counts in, 3 tags out. Several tags can be set at once."""

    def __init__(self, hidden=20, p=0.5):
        super().__init__()
        self.dense1 = nn.Linear(20, hidden)
        self.dense2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(p)
        for m in self.children():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.dropout(F.relu(self.dense1(x)))
        x = self.dropout(F.relu(self.dense2(x)))
        return F.softmax(self.out(x), dim=1)


def make_documents(n, rng):
    """Counts of 20 words in documents about one, two or three of three topics."""
    topics = rng.dirichlet(np.full(20, 0.7), size=3)
    about = rng.random((n, 3)) < 0.6
    about[~about.any(1), rng.integers(3)] = True
    words = about @ topics / about.sum(1, keepdims=True)
    counts = rng.poisson(rng.integers(35, 70, size=(n, 1)) * words)
    return counts.astype("float32"), about.astype("float32")


def main(seed):
    torch.manual_seed(seed)
    X, Y = (torch.from_numpy(a) for a in make_documents(3000, np.random.default_rng(1)))
    X_train, X_test, Y_train, Y_test = X[:2400], X[2400:], Y[:2400], Y[2400:]
    loader = DataLoader(TensorDataset(X_train, Y_train), batch_size=20, shuffle=True)

    model = TagModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(10):
        running = 0.0
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = F.mse_loss(model(xb), yb)
            loss.backward()
            optimizer.step()
            running += loss.item() * len(xb)
        if epoch % 3 == 0:
            print(f"epoch {epoch + 1}: loss {running / len(X_train):.4f}")

    model.eval()
    with torch.no_grad():
        predicted = (model(X_test) > 0.5).float()
    print(f"label accuracy: {(predicted == Y_test).float().mean().item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
