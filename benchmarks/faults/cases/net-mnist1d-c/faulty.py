# tanh network written by hand, plain SGD
import math
import sys

import torch
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset

cfg = get_dataset_args()
cfg.num_samples = 2000
d = make_dataset(cfg)
x, y = torch.tensor(d["x"], dtype=torch.float32), torch.tensor(d["y"])
x_val, y_val = torch.tensor(d["x_test"], dtype=torch.float32), torch.tensor(d["y_test"])

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
H = 256
sizes = [40, H, H, H, 10]


class Tanh(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.W, self.B = torch.nn.ParameterList(), torch.nn.ParameterList()
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            w = torch.randn(n_out, n_in)
            self.W.append(torch.nn.Parameter(w))
            self.B.append(torch.nn.Parameter(torch.zeros(n_out)))

    def forward(self, h):
        for w, b in zip(self.W[:-1], self.B[:-1]):
            h = torch.tanh(F.linear(h, w, b))
        return F.linear(h, self.W[-1], self.B[-1])


net = Tanh()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for step in range(400):
    i = torch.randint(0, len(x), (100,))
    loss = F.cross_entropy(net(x[i]), y[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 0:
        print(step, loss.item())

with torch.no_grad():
    acc = (net(x_val).argmax(1) == y_val).float().mean().item()
print(f"val accuracy: {acc:.4f}")
