"""Handwritten digits, 8x8 pixels, with a deep multilayer perceptron."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--depth", type=int, default=20)
parser.add_argument("--steps", type=int, default=700)
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()
torch.manual_seed(args.seed)

x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
mean, std = x_train.mean(), x_train.std()
x_train = torch.tensor((x_train - mean) / std, dtype=torch.float32)
x_test = torch.tensor((x_test - mean) / std, dtype=torch.float32)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

layers = [nn.Linear(64, args.width), nn.Sigmoid()]
for _ in range(args.depth - 2):
    layers += [nn.Linear(args.width, args.width), nn.Sigmoid()]
layers += [nn.Linear(args.width, 10)]
model = nn.Sequential(*layers)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)

for step in range(args.steps):
    batch = torch.randint(len(x_train), (64,))
    loss = criterion(model(x_train[batch]), y_train[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:4d}  loss {loss.item():.4f}")

with torch.no_grad():
    train_loss = criterion(model(x_train), y_train).item()
    accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"train loss {train_loss:.4f}  test accuracy {accuracy:.3f}")
