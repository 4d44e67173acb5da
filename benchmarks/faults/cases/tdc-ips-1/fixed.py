import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import init

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

digits = load_digits()
x = torch.tensor(digits.images).float().unsqueeze(1)
labels = torch.eye(10)[torch.tensor(digits.target)]
x, x_test, labels, y_test = x[:1400], x[1400:], labels[:1400], labels[1400:]


class ConvModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.fc1 = nn.Linear(64 * 2 * 2, 1024)
        self.fc2 = nn.Linear(1024, 10)
        self.dropout = nn.Dropout(0.5)
        self.pool = nn.MaxPool2d(2)
        for name, p in self.named_parameters():
            if "weight" in name:
                init.trunc_normal_(p, std=0.1, a=-0.2, b=0.2)
            else:
                init.constant_(p, 0.1)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.dropout(x))


model = ConvModel()
train_step = torch.optim.Adam(model.parameters(), 2e-3)
for step in range(300):
    batch = torch.randint(1400, (50,))
    xs, y_ = x[batch], labels[batch]
    y = model(xs)
    cross_entropy = nn.functional.cross_entropy(y, y_)
    train_step.zero_grad()
    cross_entropy.backward()
    train_step.step()
    if step % 50 == 0:
        hits = (y.argmax(1) == y_.argmax(1)).float().mean().item()
        print("step %d, training accuracy %g" % (step, hits))

model.eval()
with torch.no_grad():
    hits = model(x_test).argmax(1) == y_test.argmax(1)
print("test accuracy: %g" % hits.float().mean().item())
