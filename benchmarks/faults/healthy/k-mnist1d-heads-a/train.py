import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

np.random.seed(5)
random.seed(5)
args = get_dataset_args()
args.num_samples = 2500
d = make_dataset(args)
X, Xt = torch.tensor(d["x"]).float().unsqueeze(1), torch.tensor(d["x_test"]).float().unsqueeze(1)
Y, Yt = torch.tensor(d["y"]).long(), torch.tensor(d["y_test"]).long()


def stage(c_in, c_out, stride):
    conv1 = nn.Conv1d(c_in, c_out, 5, stride=stride, padding=2)
    conv2 = nn.Conv1d(c_out, c_out, 3, padding=1)
    for conv in (conv1, conv2):
        nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv1, nn.ReLU(), conv2, nn.ReLU())


class DeeplySupervised(nn.Module):
    """A classifier behind every stage (Lee et al. 2015). Only the last one counts in the end."""

    def __init__(self, widths=(16, 24, 32)):
        super().__init__()
        self.stages, self.heads = nn.ModuleList(), nn.ModuleList()
        c = 1
        for w in widths:
            self.stages.append(stage(c, w, 2))
            self.heads.append(nn.Sequential(nn.AdaptiveAvgPool1d(5), nn.Flatten(), nn.Linear(5 * w, 10)))
            c = w

    def forward(self, x):
        outs = []
        for s, head in zip(self.stages, self.heads):
            x = s(x)
            outs.append(head(x))
        return outs if self.training else outs[-1]


torch.manual_seed(seed)
net = DeeplySupervised()
opt = torch.optim.Adamax(net.parameters(), lr=4e-3)
epochs = 13
for epoch in range(epochs):
    net.train()
    aux = 0.4 * max(0.0, 1 - epoch / (epochs - 3))  # companions fade out
    for i in torch.randperm(len(X)).split(50):
        *early, last = net(X[i])
        loss = F.cross_entropy(last, Y[i])
        if aux > 0:
            loss = loss + aux * sum(F.cross_entropy(e, Y[i]) for e in early)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch}: loss {loss.item():.3f} weight of the companions {aux:.2f}")

net.eval()
with torch.no_grad():
    acc = (net(Xt).argmax(1) == Yt).float().mean()
print(f"accuracy: {acc:.4f}")
