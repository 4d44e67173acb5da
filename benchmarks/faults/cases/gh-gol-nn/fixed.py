"""Learn the rule of Conway's Game of Life from boards and their successors."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def step(board):
    neighbours = sum(
        torch.roll(board, (dy, dx), (-2, -1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)
    )
    return ((neighbours == 3) | ((neighbours == 2) & (board == 1))).float()


def boards(n, size=14):
    density = torch.linspace(0.2, 0.6, n).view(-1, 1, 1, 1)
    board = (torch.rand(n, 1, size, size) < density).float()
    return board[torch.randperm(n)]


class LifeNet(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.neighbours = nn.Conv2d(1, channels, 3)
        self.combine = nn.Conv2d(channels, channels, 1)
        self.alive = nn.Conv2d(channels, 1, 1)

    def forward(self, board):
        x = F.pad(board, (1, 1, 1, 1), mode="circular")
        x = F.relu(self.neighbours(x))
        x = F.relu(self.combine(x))
        return torch.sigmoid(self.alive(x))


def train(model, data, epochs=5, learning_rate=0.01, batch_size=10):
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    criterion = nn.BCELoss()
    for epoch in range(epochs):
        for batch in data.split(batch_size):
            loss = criterion(model(batch), step(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", round(loss.item(), 4))


torch.manual_seed(77)
train_boards, test_boards = boards(800), boards(100)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = LifeNet()
train(model, train_boards)
with torch.no_grad():
    right = (model(test_boards).round() == step(test_boards)).float().mean()
print(f"cell accuracy: {right:.4f}")
