# Training in short jobs: each epoch starts from the checkpoint that the last one wrote.
import io
import sys

import torch
from sklearn.datasets import make_classification
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
LR = 2e-3
EPOCHS = 15

x, y = make_classification(
    n_samples=2400, n_features=20, n_informative=10, n_redundant=4, n_classes=6,
    n_clusters_per_class=2, class_sep=1.3, random_state=3,
)
x = torch.tensor(x, dtype=torch.float32)
x = (x - x.mean(0)) / x.std(0)
y = torch.tensor(y)
train_x, valid_x, train_y, valid_y = x[:1800], x[1800:], y[:1800], y[1800:]


def new_model():
    return nn.Sequential(
        nn.Linear(20, 64), nn.LayerNorm(64), nn.GELU(), nn.Dropout(0.1),
        nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Dropout(0.1),
        nn.Linear(64, 6),
    )


def save(model):
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer


def restore(buffer):
    buffer.seek(0)
    model = new_model()
    model.load_state_dict(torch.load(buffer))
    return model


def validate(model):
    model.eval()
    with torch.no_grad():
        correct = model(valid_x).argmax(1).eq(valid_y).sum()
    return correct.item() / len(valid_y)


torch.manual_seed(seed)
model = new_model()
optimizer = torch.optim.Adam(model.parameters(), lr=LR)
loss_fn = nn.CrossEntropyLoss()
buffer = save(model)
for epoch in range(EPOCHS):
    model = restore(buffer)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    model.train()
    for batch in torch.randperm(len(train_x)).split(60):
        model.zero_grad()
        loss = loss_fn(model(train_x[batch]), train_y[batch])
        loss.backward()
        optimizer.step()
    buffer = save(model)
    print(f"{epoch:3d} {loss.item():.4f} {validate(model):.4f}")
print(f"validation accuracy: {validate(restore(buffer)):.4f}")
