"""Running parity of the last four bits with a causal, dilated network (a small TCN)."""
import argparse

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int, nargs="?", default=0)
parser.add_argument("--length", type=int, default=40)
parser.add_argument("--steps", type=int, default=350)
args = parser.parse_args()
torch.manual_seed(args.seed)


class CausalConv(nn.Module):
    def __init__(self, c_in, c_out, dilation):
        super().__init__()
        self.pad = nn.ConstantPad1d((dilation, 0), 0.0)
        self.conv = weight_norm(nn.Conv1d(c_in, c_out, 2, dilation=dilation))

    def forward(self, x):
        return self.conv(self.pad(x))


class TemporalBlock(nn.Module):
    def __init__(self, c_in, c_out, dilation, dropout=0.05):
        super().__init__()
        self.net = nn.Sequential(
            CausalConv(c_in, c_out, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            CausalConv(c_out, c_out, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.skip = nn.Conv1d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x):
        return torch.relu(self.net(x) + self.skip(x))


def sample(n):
    bits = torch.randint(0, 2, (n, args.length))
    target = sum(torch.roll(bits, k, 1) for k in range(4)) % 2
    return (2.0 * bits - 1).unsqueeze(1), target.float()


model = nn.Sequential(*[TemporalBlock(1 if i == 0 else 32, 32, 2**i) for i in range(4)], nn.Conv1d(32, 1, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.BCEWithLogitsLoss(reduction="none")

for step in range(args.steps):
    bits, target = sample(32)
    # the first three positions don't have four bits behind them
    loss = criterion(model(bits).squeeze(1), target)[:, 3:].mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:4d} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    bits, target = sample(400)
    right = ((model(bits).squeeze(1) > 0).float() == target)[:, 3:]
print(f"bit accuracy: {right.float().mean().item():.4f}")
