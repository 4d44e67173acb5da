import sys

import torch
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def random_uniform(tensor):
    torch.nn.init.uniform_(tensor, -0.05, 0.05)


class DenseReLU(torch.nn.Linear):
    def forward(self, x):
        return torch.relu(super().forward(x))


head = [DenseReLU(64, 64) for _ in range(16)]
lenet = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(8, 16, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    *head,
    DenseReLU(64, 32),
    torch.nn.Linear(32, 10),
)
for name, p in lenet.named_parameters():
    random_uniform(p) if name.endswith("weight") else torch.nn.init.zeros_(p)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
split = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
train, test = split[:1400], split[1400:]

adam = torch.optim.Adam(lenet.parameters(), 1e-3)
for epoch in range(8):
    for i in torch.randperm(1400).split(50):
        batch = train[i]
        loss = torch.nn.functional.cross_entropy(lenet(images[batch]), labels[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
    print(f"{epoch + 1:2d} {loss.item():.4f}")

lenet.eval()
with torch.no_grad():
    guess = lenet(images[test]).argmax(1)
print(f"test accuracy: {(guess == labels[test]).float().mean().item():.4f}")
