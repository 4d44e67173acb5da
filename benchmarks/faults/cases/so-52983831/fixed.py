"""Running parity: after every bit, has the number of ones so far been odd?"""

import itertools
import sys

import numpy as np
import torch
from torch import nn

LENGTH = 8


def bits():
    x = np.array(list(itertools.product([0, 1], repeat=LENGTH)))
    y = np.cumsum(x, axis=1) % 2
    x = torch.tensor(x, dtype=torch.float32).unsqueeze(-1)
    y = torch.tensor(y, dtype=torch.float32).unsqueeze(-1)
    return x, y


class Parity(nn.Module):
    def __init__(self, units=10):
        super().__init__()
        self.gru1 = nn.GRU(1, units, batch_first=True)
        self.gru2 = nn.GRU(units, units, batch_first=True)
        self.dense = nn.Linear(units, 1)
        for name, p in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(p)
            elif "weight_hh" in name:
                for block in p.data.chunk(3):
                    nn.init.orthogonal_(block)
            else:
                nn.init.xavier_uniform_(p)

    def forward(self, x):
        h, _ = self.gru1(x)
        h, _ = self.gru2(h)
        return torch.sigmoid(self.dense(h))


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    x, y = bits()
    model = Parity()
    loss_fn = nn.BCELoss()
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(70):
        for rows in torch.randperm(len(x)).split(64):
            loss = loss_fn(model(x[rows]), y[rows])
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 10 == 0:
            print(epoch, round(loss.item(), 4))
    with torch.no_grad():
        right = ((model(x) > 0.5) == (y > 0.5)).float().mean().item()
    print("bit accuracy:", right)


main()
