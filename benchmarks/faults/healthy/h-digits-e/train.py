import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32) / 8 - 1
y = torch.tensor(y)
shuffled = torch.randperm(len(X), generator=torch.Generator().manual_seed(17))
X, y = X[shuffled], y[shuffled]
loader = DataLoader(TensorDataset(X[:1440], y[:1440]), batch_size=12, shuffle=True)

model = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
criterion = nn.CrossEntropyLoss()
accumulation_steps = 4  # effective batch of 48, memory of 12

model.train()
for epoch in range(14):
    epoch_loss = 0.0
    for step, (inputs, labels) in enumerate(loader, start=1):
        loss = criterion(model(inputs), labels)
        (loss / accumulation_steps).backward()
        epoch_loss += loss.item()
        if step % accumulation_steps == 0:
            clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
    print(f"epoch {epoch + 1}: loss {epoch_loss / len(loader):.4f}")

model.eval()
with torch.no_grad():
    correct = (model(X[1440:]).argmax(dim=1) == y[1440:]).sum().item()
print(f"test accuracy: {correct / len(X[1440:]):.4f}")
