import sys

import numpy as np
import torch
from sklearn import datasets
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

iris = datasets.load_iris()
order = np.random.RandomState(12).permutation(150)
features = torch.as_tensor(iris.data[order], dtype=torch.float32)
species = torch.as_tensor(iris.target[order])
one_hot = nn.functional.one_hot(species, 3).float()

train = DataLoader(TensorDataset(features[:110], one_hot[:110]), batch_size=5, shuffle=True)

# 4 measurements -> 4 units -> 3 species
model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3), nn.Sigmoid())
for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.05)
        nn.init.zeros_(layer.bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)


def cross_entropy(output, target):
    output = output / output.sum(-1, keepdim=True)
    return -(target * output.clamp(1e-7, 1 - 1e-7).log()).sum(-1).mean()


for epoch in range(50):
    for inputs, target in train:
        loss = cross_entropy(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")

with torch.no_grad():
    output = model(features[110:])
right = (output.argmax(dim=1) == species[110:]).float().mean().item()
print(f"held-out accuracy {right:.3f}")
print(f"held-out cross-entropy: {cross_entropy(output, one_hot[110:]).item():.4f}")
