import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

DEPTH = 20
WIDTH = 128
BATCH_SIZE = 32
EPOCHS = 12
LEARNING_RATE = 0.001


class DeepNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, WIDTH)
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH - 1)])
        self.logits = nn.Linear(WIDTH, 10)
        for layer in (self.first, *self.layers, self.logits):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = F.relu(self.first(x))
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.logits(x)


def evaluate(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(
    torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target), test_size=400, random_state=0
)

net = DeepNet()
optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
for epoch in range(EPOCHS):
    for batch in torch.randperm(len(x_train)).split(BATCH_SIZE):
        loss = F.cross_entropy(net(x_train[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {evaluate(net, x_train, y_train):.3f}")
print(f"test accuracy: {evaluate(net, x_test, y_test):.4f}")
