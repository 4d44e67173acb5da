# Classification of MNIST-1D through a linear waist
import sys

import numpy as np
import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
np.random.seed(seed)
conf = get_dataset_args()
conf.num_samples = 2000
bundle = make_dataset(conf)
torch.manual_seed(seed)


class WaistNet(nn.Module):
    def __init__(self, waist):
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv1d(1, 24, 5, stride=2, padding=2), nn.GELU(), nn.Conv1d(24, 24, 5, stride=2, padding=2), nn.GELU(), nn.Flatten()
        )
        self.waist = nn.Linear(240, waist)
        self.back = nn.Linear(waist, 10)

    def forward(self, x):
        return self.back(self.waist(self.front(x.unsqueeze(1))))


tensors = {k: torch.tensor(bundle[k], dtype=torch.float32) for k in ("x", "x_test")}
labels = {k: torch.tensor(bundle[k]) for k in ("y", "y_test")}
net = WaistNet(waist=16)
opt = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-3)
for epoch in range(25):
    for b in torch.from_numpy(np.random.permutation(len(labels["y"]))).split(80):
        logits = net(tensors["x"][b])
        loss = nn.functional.cross_entropy(logits, labels["y"][b], label_smoothing=0.02)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch}: {loss.item():.3f}")
with torch.no_grad():
    accuracy = (net(tensors["x_test"]).argmax(1) == labels["y_test"]).float().mean().item()
print(f"test accuracy: {accuracy:.4f}")
