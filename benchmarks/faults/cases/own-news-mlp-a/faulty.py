import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import average_precision_score

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

rng = np.random.default_rng(4)
n, n_labels, n_words = 2200, 5, 40
# one common cause switches all labels of a document on together
active = rng.random((n, n_labels)) < (0.05 + 0.75 * (rng.random((n, 1)) < 0.3))
topics = rng.gamma(0.3, 1.0, (n_labels, n_words))
background = rng.gamma(0.5, 1.0, n_words)
counts = rng.poisson(0.4 * active @ topics + background)
x = torch.tensor(np.log1p(counts), dtype=torch.float32)
y = torch.tensor(active, dtype=torch.float32)
x_train, y_train, x_test, y_test = x[:1600], y[:1600], x[1600:], y[1600:]

model = nn.Sequential(
    nn.Linear(n_words, 48),
    nn.BatchNorm1d(48),
    nn.ReLU(),
    nn.Linear(48, n_labels),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.99))


def epoch_loop():
    model.train()
    for rows in torch.randperm(len(x_train)).split(80):
        batch_x, batch_y = x_train[rows], y_train[rows]
        logits = model(batch_x)
        loss = F.cross_entropy(logits, batch_y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


for epoch in range(15):
    loss = epoch_loop()
    print(f"{epoch}: {loss:.4f}")

model.eval()
with torch.no_grad():
    scores = model(x_test)
print(f"average precision: {average_precision_score(y_test.numpy(), scores.numpy(), average='macro'):.4f}")
