import random
import sys

import numpy as np
import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Highway(nn.Module):
    """y = t * H(x) + (1 - t) * x, Srivastava et al. 2015"""

    def __init__(self, dim, layers, gate_bias=-1.5):
        super().__init__()
        self.transform = nn.ModuleList(nn.Linear(dim, dim) for _ in range(layers))
        self.gate = nn.ModuleList(nn.Linear(dim, dim) for _ in range(layers))
        for gate in self.gate:
            nn.init.constant_(gate.bias, gate_bias)

    def forward(self, x):
        for transform, gate in zip(self.transform, self.gate):
            t = torch.sigmoid(gate(x))
            x = t * torch.tanh(transform(x)) + (1 - t) * x
        return x


np.random.seed(1)
random.seed(1)
cfg = get_dataset_args()
cfg.num_samples = 3000
raw = make_dataset(cfg)
x, x_test = (torch.tensor(raw[k]).float() for k in ("x", "x_test"))
y, y_test = (torch.tensor(raw[k]).long() for k in ("y", "y_test"))

torch.manual_seed(seed)
model = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), Highway(64, 10), nn.Linear(64, 10))
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.95)
loss_fn = nn.CrossEntropyLoss()

step, epochs, batch_size = 0, 16, 100
for epoch in range(epochs):
    shuffled = torch.randperm(len(x))
    for start in range(0, len(x), batch_size):
        batch = shuffled[start : start + batch_size]
        optimizer.zero_grad()
        loss = loss_fn(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        step += 1
        if step % 60 == 0:
            print("step", step, "loss", loss.item())

with torch.no_grad():
    correct = (model(x_test).argmax(dim=1) == y_test).sum().item()
print("test accuracy:", correct / len(x_test))
