import sys

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset, random_split


def draw(kind, rng, size=16):
    """A disc, a square or a cross somewhere in a noisy picture."""
    image = rng.normal(0.3, 0.15, (size, size))
    r = rng.integers(3, 6)
    cy, cx = rng.integers(r, size - r, 2)
    yy, xx = np.mgrid[:size, :size]
    if kind == 0:
        mask = (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r
    elif kind == 1:
        mask = (abs(yy - cy) < r) & (abs(xx - cx) < r)
    else:
        mask = (abs(yy - cy) < 2) & (abs(xx - cx) <= r) | (abs(xx - cx) < 2) & (abs(yy - cy) <= r)
    image[mask] += rng.uniform(0.3, 0.6)
    return image.clip(0, 1)


def get_data():
    rng = np.random.default_rng(4)
    kinds = rng.integers(0, 3, 1000)
    images = np.stack([draw(k, rng) for k in kinds])[:, None]
    data = TensorDataset(torch.tensor(images, dtype=torch.float32), torch.tensor(kinds))
    return random_split(data, [800, 200], generator=torch.Generator().manual_seed(1))


class ShapeNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 16, 3),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(16 * 2 * 2, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 3),
            torch.nn.Sigmoid(),
        )

    def forward(self, x):
        return self.layers(x)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train, test = get_data()
    loader = DataLoader(train, batch_size=32, shuffle=True)
    model = ShapeNet()
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(30):
        running = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        print("Epoch", epoch + 1, "loss", running / len(loader))

    inputs, labels = next(iter(DataLoader(test, batch_size=len(test))))
    with torch.no_grad():
        scores = model(inputs)
    print("right:", (scores.argmax(1) == labels).sum().item(), "of", len(test))
    print("test cross-entropy:", criterion(scores, labels).item())


if __name__ == "__main__":
    main()
