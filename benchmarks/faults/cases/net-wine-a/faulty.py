import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

seed = 0
if len(sys.argv) > 1:
    seed = int(sys.argv[1])
torch.manual_seed(seed)

wine = load_wine()
features = StandardScaler().fit_transform(wine.data)
test_rows = slice(0, None, 3)
train_mask = torch.ones(len(features), dtype=torch.bool)
train_mask[test_rows] = False
features = torch.FloatTensor(features)
labels = torch.LongTensor(wine.target)


class WineClassifier(nn.Module):
    def __init__(self, hidden=128):
        super(WineClassifier, self).__init__()
        self.fc1 = nn.Linear(13, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, hidden)
        self.fc4 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 3)
        self.relu = nn.ReLU()
        self.reset_parameters()

    def reset_parameters(self):
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p)
            else:
                nn.init.constant_(p, 0)

    def forward(self, x):
        out = self.relu(self.fc1(x))
        out = self.relu(self.fc2(out))
        out = self.relu(self.fc3(out))
        out = self.relu(self.fc4(out))
        return self.out(out)


model = WineClassifier()
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
x_train, y_train = features[train_mask], labels[train_mask]
for epoch in range(60):
    model.train()
    perm = torch.randperm(x_train.size(0))
    for k in range(0, x_train.size(0), 20):
        batch = perm[k : k + 20]
        optimizer.zero_grad()
        loss = loss_fn(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()

model.eval()
correct = (model(features[~train_mask]).argmax(1) == labels[~train_mask]).sum().item()
print("test accuracy: {:.4f}".format(correct / (~train_mask).sum().item()))
