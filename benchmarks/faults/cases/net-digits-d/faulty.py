import sys
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
scaler = StandardScaler().fit(X_train)
X_train = torch.tensor(scaler.transform(X_train).astype(np.float32))
X_test = torch.tensor(scaler.transform(X_test).astype(np.float32))
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)


def make_mlp(sizes, activation):
    layers = []
    for i in range(len(sizes) - 2):
        linear = nn.Linear(sizes[i], sizes[i + 1])
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers.append(linear)
        layers.append(activation())
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*layers)


net = make_mlp([64, 60, 60, 60, 60, 60, 60, 10], nn.Sigmoid)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)

n_epochs, batch_size = 15, 32
for epoch in range(1, n_epochs + 1):
    perm = torch.randperm(X_train.shape[0])
    epoch_loss = 0.0
    for start in range(0, X_train.shape[0], batch_size):
        take = perm[start : start + batch_size]
        optimizer.zero_grad()
        loss = criterion(net(X_train[take]), y_train[take])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * take.numel()
    if epoch % 5 == 0:
        print("Epoch {}/{}  loss {:.4f}".format(epoch, n_epochs, epoch_loss / X_train.shape[0]))

with torch.no_grad():
    accuracy = (net(X_test).argmax(dim=1) == y_test).double().mean()
print("test accuracy: %.4f" % accuracy)
