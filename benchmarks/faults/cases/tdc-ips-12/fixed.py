import math
import sys

import numpy as np
import torch
from torch import nn

N_COLUMNS = 14
LAYERS = [20, 20, 15]
keep_prob = 0.9
beta = 0.001


def get_rows(n, rng):
    rows = rng.normal(loc=0.0, scale=3.0, size=(n, N_COLUMNS))
    score = rows[:, 0] + rows[:, 3] - rows[:, 7] + 0.5 * rows[:, 9]
    return torch.tensor(rows, dtype=torch.float32), torch.tensor(score > 0, dtype=torch.float32).unsqueeze(1)


def linear(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    std = math.sqrt(2 / n_in)
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    nn.init.zeros_(layer.bias)
    return layer


def build_model():
    modules, n_in = [], N_COLUMNS
    for n_out in LAYERS:
        modules.append(linear(n_in, n_out))
        modules.append(nn.ReLU())
        modules.append(nn.Dropout(p=1 - keep_prob))
        n_in = n_out
    modules.append(linear(n_in, 1))
    return nn.Sequential(*modules)


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.RandomState(0)
rows, flags = get_rows(100, rng)
new_rows, new_flags = get_rows(1000, rng)

model = build_model()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
bce = nn.BCEWithLogitsLoss()
for step in range(600):
    logits = model(rows)
    l2 = sum((p**2).sum() / 2 for name, p in model.named_parameters() if name.endswith("weight"))
    loss = bce(logits, flags) + beta * l2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print("Loss at step %d: %f" % (step, loss.item()))

model.eval()
with torch.no_grad():
    accuracy = ((model(new_rows) > 0).float() == new_flags).float().mean().item()
print("test accuracy: %.4f" % accuracy)
