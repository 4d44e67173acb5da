import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

data, target = load_iris(return_X_y=True)
data = (data - data.mean(0)) / data.std(0)
train_x, test_x, train_y, test_y = train_test_split(data, target, test_size=50, stratify=target, random_state=3)


class IrisNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 16)
        self.output = nn.Linear(16, 3)

    def forward(self, x):
        x = torch.tanh(self.hidden(x))
        return torch.softmax(self.output(x), dim=0)


net = IrisNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)

# stream the flowers one after another
for sweep in range(15):
    mistakes = 0
    for i in torch.randperm(len(train_x)).tolist():
        flower = torch.tensor(train_x[i], dtype=torch.float32).unsqueeze(0)
        species = torch.tensor([train_y[i]])
        optimizer.zero_grad()
        out = net(flower)
        loss = criterion(out, species)
        loss.backward()
        optimizer.step()
        mistakes += int(out.argmax(1) != species)
    print("sweep", sweep, "mistakes", mistakes)

with torch.no_grad():
    predicted = net(torch.tensor(test_x, dtype=torch.float32)).argmax(1)
print(f"test accuracy: {(predicted == torch.tensor(test_y)).float().mean():.4f}")
