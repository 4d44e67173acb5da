import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

# the product of two sums: x -> (x0 + x1) * (x2 - x3)
torch.manual_seed(2024)
inputs = torch.randn(1500, 6)
outputs = (inputs[:, 0] + inputs[:, 1]) * (inputs[:, 2] - inputs[:, 3])
outputs = outputs / outputs.std()
train_x, train_y, test_x, test_y = inputs[:1000], outputs[:1000], inputs[1000:], outputs[1000:]

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def block(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.GELU(), nn.Dropout(0.02))


model = nn.Sequential(block(6, 128), block(128, 128), block(128, 64), nn.Linear(64, 1), nn.Flatten(0))
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=5e-3, total_steps=400)
for epoch in range(20):
    model.train()
    for rows in torch.randperm(1000).split(50):
        loss = F.mse_loss(model(train_x[rows]), train_y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    print(epoch, loss.item())

model.eval()
with torch.no_grad():
    r2 = 1 - F.mse_loss(model(test_x), test_y) / test_y.var()
print(f"R2: {r2.item():.4f}")
