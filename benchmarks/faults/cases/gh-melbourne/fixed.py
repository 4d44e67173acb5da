import sys

import pandas as pd
import torch
from sklearn.datasets import make_regression
from sklearn.model_selection import train_test_split
from torch import nn

HIDDEN = 40


def load_properties():
    """Twelve columns of a property (standardised), and its price."""
    rows, value = make_regression(n_samples=1000, n_features=12, n_informative=7, noise=10, random_state=21)
    price = 1.05e6 + 3.5e5 * value / value.std()
    rows = pd.DataFrame(rows, columns=[f"f{i}" for i in range(rows.shape[1])])
    price = pd.Series(price, name="Price")
    return rows, (price - price.mean()) / price.std()


rows, price = load_properties()
train_x, test_x, train_y, test_y = [
    torch.tensor(part.to_numpy(), dtype=torch.float32) for part in train_test_split(rows, price, random_state=1)
]

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = nn.Sequential(
    nn.Linear(rows.shape[1], HIDDEN),
    nn.Tanh(),
    nn.Linear(HIDDEN, HIDDEN),
    nn.Tanh(),
    nn.Linear(HIDDEN, 1),
    nn.Flatten(0),
)
for module in model:
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)

mae = nn.L1Loss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
for epoch in range(1, 41):
    model.train()
    for chunk in torch.randperm(len(train_x)).chunk(24):
        optimizer.zero_grad()
        loss = mae(model(train_x[chunk]), train_y[chunk])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"epoch {epoch}: mae {loss.item():.6g}")

model.eval()
with torch.no_grad():
    residual = model(test_x) - test_y
print("test R2:", 1 - (residual.pow(2).mean() / test_y.var(correction=0)).item())
