import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from mnist1d.data import get_dataset_args, make_dataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv1d(1, 24, kernel_size=5, stride=2, padding=2)
        self.conv2 = nn.Conv1d(24, 24, kernel_size=3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(24, 24, kernel_size=3, stride=2, padding=1)
        self.fc = nn.Linear(24 * 5, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        x = self.fc(torch.flatten(x, 1))
        return F.softmax(x, dim=1)


def train(model, data, target, optimizer, epoch, batch_size=50):
    model.train()
    perm = torch.randperm(data.size(0))
    for batch_idx in range(0, data.size(0), batch_size):
        idx = perm[batch_idx:batch_idx + batch_size]
        optimizer.zero_grad()
        output = model(data[idx])
        loss = nn.CrossEntropyLoss()(output, target[idx])
        loss.backward()
        optimizer.step()
    print('Train Epoch: {} \tLoss: {:.6f}'.format(epoch, loss.item()))


def test(model, data, target):
    model.eval()
    with torch.no_grad():
        pred = model(data).argmax(dim=1)
    return pred.eq(target).float().mean().item()


args = get_dataset_args()
args.num_samples = 2500
raw = make_dataset(args)
x_train = torch.tensor(raw['x'], dtype=torch.float32)[:, None, :]
x_test = torch.tensor(raw['x_test'], dtype=torch.float32)[:, None, :]
y_train, y_test = torch.tensor(raw['y']), torch.tensor(raw['y_test'])

model = Net()
optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
for epoch in range(1, 11):
    train(model, x_train, y_train, optimizer, epoch)
print('test accuracy: {:.4f}'.format(test(model, x_test, y_test)))
