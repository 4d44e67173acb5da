import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset


class ConvModel(nn.Module):
    """A row of 150 numbers is read as a signal with one channel."""

    def __init__(self, length=150):
        super().__init__()
        self.conv = nn.Conv1d(1, 20, kernel_size=5)
        self.pool = nn.MaxPool1d(2)
        self.drop = nn.Dropout(0.3)
        self.hidden = nn.Linear(20 * ((length - 4) // 2), 50)
        self.out = nn.Linear(50, 1)
        for module in (self.conv, self.hidden, self.out):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.drop(self.pool(torch.relu(self.conv(x))))
        x = torch.relu(self.hidden(torch.flatten(x, 1)))
        return torch.softmax(self.out(x), 1)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x, y = make_classification(n_samples=549, n_features=150, n_informative=30, class_sep=2.0, random_state=20)
    x = torch.tensor(x / x.std(), dtype=torch.float32)[:, None, :]
    y = torch.tensor(y, dtype=torch.float32)[:, None]
    train_set, test_set = TensorDataset(x[:400], y[:400]), TensorDataset(x[400:], y[400:])

    model = ConvModel()
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.001)
    criterion = nn.BCELoss()

    for epoch in range(8):
        model.train()
        correct = 0
        for xb, yb in DataLoader(train_set, batch_size=8, shuffle=True):
            p = model(xb)
            loss = criterion(p, yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            correct += ((p > 0.5) == (yb > 0.5)).sum().item()
        print(f"epoch {epoch}: training accuracy {correct / 400:.3f}")

    model.eval()
    xb, yb = test_set.tensors
    print(f"accuracy: {((model(xb) > 0.5) == (yb > 0.5)).float().mean().item():.4f}")


main()
