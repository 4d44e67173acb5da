import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

learning_rate = 0.1
epsilon = 1e-16
batch_size = 64
epochs = 6


class Digits(Dataset):
    def __init__(self, train):
        data = load_digits()
        keep = slice(0, 1350) if train else slice(1350, None)
        self.images = torch.tensor(data.images[keep] / 16, dtype=torch.float32)
        self.targets = torch.tensor(data.target[keep])

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.images[i].unsqueeze(0), self.targets[i]


class BaseCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 2 * 2, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
train_loader = DataLoader(Digits(train=True), batch_size=batch_size, shuffle=True)
test_loader = DataLoader(Digits(train=False), batch_size=500)
model = BaseCNN()
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, eps=epsilon)

for epoch in range(epochs):
    model.train()
    for images, targets in train_loader:
        output = model(images)
        loss = F.cross_entropy(output, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"Epoch [{epoch + 1}/{epochs}], loss: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    images, targets = next(iter(test_loader))
    accuracy = (model(images).argmax(1) == targets).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
