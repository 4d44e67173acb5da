import math
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_images(per_class, generator, height=18, width=32):
    """Nine kinds of stripes: three directions, three widths."""
    rows = torch.arange(height).view(-1, 1).float()
    cols = torch.arange(width).view(1, -1).float()
    images, labels = [], []
    for label in range(9):
        angle = math.pi * (label // 3) / 3
        period = (3.0, 5.0, 9.0)[label % 3]
        for _ in range(per_class):
            phase = 2 * math.pi * torch.rand(1, generator=generator)
            wave = torch.sin(2 * math.pi * (rows * math.sin(angle) + cols * math.cos(angle)) / period + phase)
            image = 0.5 + 0.35 * wave + 0.1 * torch.randn(height, width, generator=generator)
            images.append(image.clamp(0, 1).expand(3, -1, -1))
            labels.append(label)
    return torch.stack(images), torch.tensor(labels)


def conv(c_in, c_out):
    layer = nn.Conv2d(c_in, c_out, 3, padding=1)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return [layer, nn.ReLU()]


def dense(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class SmallVGG(nn.Module):
    def __init__(self, n_classes=9):
        super().__init__()
        self.features = nn.Sequential(
            *conv(3, 16),
            *conv(16, 16),
            nn.MaxPool2d(2),
            *conv(16, 16),
            *conv(16, 16),
            nn.MaxPool2d(2),
            *conv(16, 32),
            *conv(32, 32),
            nn.MaxPool2d(2),
            *conv(32, 32),
            *conv(32, 32),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            dense(32 * 2 * 4, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
            dense(128, n_classes),
            nn.Softmax(dim=1),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


def categorical_crossentropy(outputs, labels):
    probs = outputs / outputs.sum(dim=1, keepdim=True)
    probs = probs.clamp(1e-7, 1 - 1e-7)
    return -probs.log().gather(1, labels.unsqueeze(1)).mean()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
generator = torch.Generator().manual_seed(0)
train_set = TensorDataset(*make_images(12, generator))
x_test, y_test = make_images(20, generator)

model = SmallVGG()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(25):
    model.train()
    for images, labels in DataLoader(train_set, batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = categorical_crossentropy(model(images), labels)
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(dim=1) == y_test).float().mean().item()
print("test accuracy:", accuracy)
