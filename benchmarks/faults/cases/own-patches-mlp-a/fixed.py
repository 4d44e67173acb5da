import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# 8-bit grey images, as they come out of a PNG
images = torch.tensor(load_digits().images)
pixels = (images / 16 * 255).round().to(torch.uint8)
labels = torch.tensor(load_digits().target)
pixels = pixels.float() / 127.5 - 1

model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 50),
    nn.Tanh(),
    nn.Linear(50, 50),
    nn.Tanh(),
    nn.Linear(50, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.06)
criterion = nn.CrossEntropyLoss()

n = 1297
for epoch in range(25):
    order = torch.randperm(n)
    correct = 0
    for i in range(0, n, 16):
        batch = order[i:i + 16]
        outputs = model(pixels[batch])
        loss = criterion(outputs, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        correct += (outputs.argmax(1) == labels[batch]).sum().item()
    if epoch % 5 == 4:
        print(f'epoch {epoch + 1}, training accuracy {correct / n:.3f}')

with torch.no_grad():
    hits = model(pixels[n:]).argmax(1) == labels[n:]
print(f'test accuracy: {hits.float().mean().item():.4f}')
