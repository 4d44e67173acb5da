import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset

STEPS = 32


class SequenceClassifier(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)
        self.softmax = nn.Softmax(dim=-1)

        for name, p in self.lstm.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(p)
            elif "weight_hh" in name:
                nn.init.orthogonal_(p)
            else:
                nn.init.zeros_(p)
                if "bias_ih" in name:
                    p.data[hidden : 2 * hidden] = 1.0  # forget gate
        nn.init.xavier_uniform_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.softmax(self.fc(states[:, -1]))


def load_data():
    x, y = make_classification(
        n_samples=1600, n_features=STEPS, n_informative=16, n_redundant=0, n_clusters_per_class=1,
        class_sep=1.5, shuffle=False, random_state=10,
    )  # fmt: skip
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x = torch.tensor(x, dtype=torch.float32)[order].flip(1).unsqueeze(-1)
    y = torch.tensor(y, dtype=torch.float32)[order].unsqueeze(-1)
    return TensorDataset(x[:1200], y[:1200]), TensorDataset(x[1200:], y[1200:])


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(seed)
    train_data, test_data = load_data()
    loader = DataLoader(train_data, batch_size=100, shuffle=True)

    model = SequenceClassifier()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

    for epoch in range(10):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")

    with torch.no_grad():
        x, y = test_data[:]
        print(f"test accuracy: {((model(x) > 0.5) == (y > 0.5)).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
