import sys

import torch
import torch.nn as nn
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = make_blobs(n_samples=900, centers=5, n_features=8, cluster_std=3.0, random_state=10)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)


class SoftmaxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(8, 64)
        self.hidden2 = nn.Linear(64, 64)
        self.output = nn.Linear(64, 5)

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        x = torch.relu(self.hidden2(x))
        scores = self.output(x)
        return torch.softmax(10 * scores, dim=1)


def cross_entropy(probs, labels):
    one_hot = nn.functional.one_hot(labels, 5).float()
    return -(one_hot * torch.log(probs)).sum(dim=1).mean()


model = SoftmaxNet()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(30):
    for idx in torch.randperm(len(X_train)).split(75):
        loss = cross_entropy(model(X_train[idx]), y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    acc = (model(X_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy: {acc:.4f}")
