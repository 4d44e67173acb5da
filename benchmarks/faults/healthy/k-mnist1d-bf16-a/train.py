import sys

import torch
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

cfg = get_dataset_args()
cfg.num_samples = 3000
data = make_dataset(cfg)
x, y = torch.tensor(data["x"]).float(), torch.tensor(data["y"]).long()
xt, yt = torch.tensor(data["x_test"]).float(), torch.tensor(data["y_test"]).long()


class ConvBase(nn.Module):
    def __init__(self, channels=32, out=10):
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, 5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.linear = nn.LazyLinear(out)

    def forward(self, x):
        h = x.view(-1, 1, x.shape[-1])
        for conv in (self.conv1, self.conv2, self.conv3):
            h = F.relu(conv(h))
        return self.linear(h.flatten(1))


model = ConvBase()
model(x[:2])  # lazy shapes
opt = torch.optim.Adam(model.parameters(), lr=6e-3)


@torch.no_grad()
def evaluate():
    model.eval()
    hits = (model(xt).argmax(-1) == yt).float().mean().item()
    model.train()
    return hits


steps, bs = 700, 64
for step in range(steps):
    if step == 450:
        opt.param_groups[0]["lr"] *= 0.2
    b = torch.randint(0, len(x), (bs,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x[b])
        loss = F.cross_entropy(logits, y[b])
    loss.backward()
    opt.step()
    opt.zero_grad(set_to_none=True)
    if (step + 1) % 175 == 0:
        print(step + 1, round(loss.item(), 4), f"acc {evaluate():.3f}")

print(f"test accuracy: {evaluate():.4f}")
