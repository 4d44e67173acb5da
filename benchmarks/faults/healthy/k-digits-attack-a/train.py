import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
EPS = 0.15

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=400, random_state=9)
to_x = lambda a: torch.tensor(a, dtype=torch.float32).view(-1, 1, 8, 8)
X_test, y_test = to_x(X_test), torch.tensor(y_test)
loader = DataLoader(TensorDataset(to_x(X_train), torch.tensor(y_train)), batch_size=64, shuffle=True)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def fgsm(model, x, y, eps):
    """Fast gradient sign method (Goodfellow et al. 2014)."""
    x = x.detach().clone().requires_grad_(True)
    (g,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    return (x + eps * g.sign()).clamp(0, 1).detach()


model = CNN()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for x, y in loader:
        # first the clean ones only, then ever stronger attacks
        eps = EPS * min(1.0, epoch / 6)
        x_adv = fgsm(model, x, y, eps)
        loss = 0.5 * F.cross_entropy(model(x), y) + 0.5 * F.cross_entropy(model(x_adv), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 2:
        print(f"epoch {epoch + 1} eps {eps:.3f} loss {loss.item():.4f}")

attacked = fgsm(model, X_test, y_test, EPS)
with torch.no_grad():
    clean = (model(X_test).argmax(1) == y_test).float().mean().item()
    robust = (model(attacked).argmax(1) == y_test).float().mean().item()
print(f"clean accuracy {clean:.4f}")
print(f"accuracy under attack: {robust:.4f}")
