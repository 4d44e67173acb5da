# Adversarial training with random-start FGSM ("fast is better than free") on the scikit-learn digits.
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
EPS, STEP = 0.12, 0.15

data = load_digits()
X = torch.tensor(data.data / 16, dtype=torch.float32)
Y = torch.tensor(data.target)
train_x, train_y, test_x, test_y = X[:1350], Y[:1350], X[1350:], Y[1350:]

model = nn.Sequential(
    nn.Linear(64, 128),
    nn.ReLU(),
    nn.Linear(128, 128),
    nn.ReLU(),
    nn.Linear(128, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.15, total_steps=16 * 27)


def attack(x, y):
    delta = torch.empty_like(x).uniform_(-EPS, EPS).requires_grad_(True)
    criterion(model((x + delta).clamp(0, 1)), y).backward()
    delta = (delta + STEP * delta.grad.sign()).clamp(-EPS, EPS).detach()
    return (x + delta).clamp(0, 1)


for epoch in range(16):
    running = 0.0
    for i in torch.randperm(1350).split(50):
        x, y = train_x[i], train_y[i]
        adv = attack(x, y)
        optimizer.zero_grad()
        loss = criterion(model(adv), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        running += loss.item()
    if epoch % 4 == 3:
        print("epoch", epoch + 1, "adversarial loss %.4f" % (running / 27))

# ten small steps from the clean image for the test
adv = test_x.clone()
for _ in range(10):
    adv.requires_grad_(True)
    (g,) = torch.autograd.grad(criterion(model(adv), test_y), adv)
    adv = (adv + 0.03 * g.sign()).detach()
    adv = torch.min(torch.max(adv, test_x - EPS), test_x + EPS).clamp(0, 1)

with torch.no_grad():
    clean = (model(test_x).argmax(1) == test_y).float().mean().item()
    robust = (model(adv).argmax(1) == test_y).float().mean().item()
print(f"clean accuracy {clean:.4f}")
print(f"robust accuracy: {robust:.4f}")
