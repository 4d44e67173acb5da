import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

frame = load_wine(as_frame=True).frame
frame = frame.sample(frac=1.0, random_state=1)
inputs = torch.tensor(frame.drop(columns="target").to_numpy(), dtype=torch.float32)
classes = torch.tensor(frame["target"].to_numpy())
n_train = 120
x_train, x_test = inputs[:n_train], inputs[n_train:]
c_train, c_test = classes[:n_train], classes[n_train:]


class WineClassifier(nn.Module):
    def __init__(self, n_features=13, n_hidden=40, n_classes=3):
        super().__init__()
        self.bottom = nn.Linear(n_features, n_hidden)
        self.top = nn.Linear(n_hidden, n_classes)

    def forward(self, x):
        return self.top(F.relu(self.bottom(x)))


torch.manual_seed(seed)
model = WineClassifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
history = {"loss": [], "accuracy": []}
for epoch in range(60):
    perm = torch.randperm(n_train)
    for k in range(0, n_train, 12):
        rows = perm[k : k + 12]
        scores = model(x_train[rows])
        loss = F.cross_entropy(scores, c_train[rows])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        history["loss"].append(loss.item())
        history["accuracy"].append((model(x_train).argmax(1) == c_train).float().mean().item())
    if epoch % 20 == 19:
        print(epoch + 1, history["loss"][-1], history["accuracy"][-1])

with torch.no_grad():
    test_accuracy = (model(x_test).argmax(1) == c_test).float().mean().item()
print(f"test accuracy: {test_accuracy:.4f}")
