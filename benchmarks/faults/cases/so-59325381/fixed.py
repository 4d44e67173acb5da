import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# load the data and bring it to [0, 1]
images, labels = load_digits(return_X_y=True)
x_train, y_train = images[:1400].reshape(-1, 1, 8, 8), labels[:1400]
x_test, y_test = images[1400:].reshape(-1, 1, 8, 8), labels[1400:]
x_train, x_test = x_train / 16.0, x_test / 16.0

x_train = torch.tensor(x_train, dtype=torch.float32)
x_test = torch.tensor(x_test, dtype=torch.float32)
y_train = torch.tensor(y_train, dtype=torch.long)
y_test = torch.tensor(y_test, dtype=torch.long)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 8, 2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(8 * 2 * 2, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
for m in model:
    if hasattr(m, "weight"):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)

loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(2):
    for step, i in enumerate(torch.randperm(1400).split(2)):
        loss = loss_fn(model(x_train[i]), y_train[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"epoch {epoch} step {step} loss {loss:.4f}")

acc = (model(x_test).argmax(1) == y_test).float().mean()
print(f"test accuracy: {acc:.4f}")
