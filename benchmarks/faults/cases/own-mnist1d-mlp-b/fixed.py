import sys

import mnist1d.data
import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

cfg = mnist1d.data.get_dataset_args()
cfg.num_samples = 2500
cfg.shuffle_seq = False
d = mnist1d.data.make_dataset(cfg)
x, y = torch.Tensor(d["x"]), torch.LongTensor(d["y"])
xt, yt = torch.Tensor(d["x_test"]), torch.LongTensor(d["y_test"])


class MLP(nn.Module):
    """Fully connected network for any list of sizes."""

    def __init__(self, sizes):
        super(MLP, self).__init__()
        self.hidden = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-2], sizes[1:-1])])
        self.last = nn.Linear(sizes[-2], sizes[-1])
        self.relu = nn.ReLU()

    def forward(self, x):
        for layer in self.hidden:
            x = self.relu(layer(x))
        return self.last(x)


model = MLP([40, 64, 64, 64, 10])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
criterion = nn.CrossEntropyLoss()
batch_size = 100

for epoch in range(25):
    perm = torch.randperm(x.shape[0])
    for i in range(0, x.shape[0], batch_size):
        b = perm[i:i + batch_size]
        optimizer.zero_grad()
        output = model(x[b])
        loss = criterion(output, y[b])
        loss.backward()
        optimizer.step()

    if (epoch + 1) % 5 == 0:
        with torch.no_grad():
            test_acc = (model(xt).argmax(1) == yt).float().mean().item()
        print(f"Epoch [{epoch + 1}] loss: {loss.item():.4f} acc: {test_acc:.4f}")

print(f"test accuracy: {test_acc:.4f}")
