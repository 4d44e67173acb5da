import sys
import torch
from torch import nn
from mnist1d.data import make_dataset, get_dataset_args

if len(sys.argv) > 1:
    torch.manual_seed(int(sys.argv[1]))
else:
    torch.manual_seed(0)

a = get_dataset_args()
a.num_samples = 2000
ds = make_dataset(a)
to = lambda v, t: torch.as_tensor(v).to(t)
Xtr, ytr = to(ds['x'], torch.float32), to(ds['y'], torch.long)
Xte, yte = to(ds['x_test'], torch.float32), to(ds['y_test'], torch.long)

# classifier
model = nn.Sequential(
    nn.Linear(40, 100), nn.Softmax(dim=-1),
    nn.Linear(100, 100), nn.Softmax(dim=-1),
    nn.Linear(100, 100), nn.Softmax(dim=-1),
    nn.Linear(100, 10),
)
loss_func = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)

losses = []
for epoch in range(20):
    for k in torch.randperm(len(Xtr)).split(64):
        loss = loss_func(model(Xtr[k]), ytr[k])
        opt.zero_grad(); loss.backward(); opt.step()
        losses.append(float(loss))
    print(epoch, sum(losses[-25:]) / 25)

acc = (model(Xte).argmax(1) == yte).float().mean()
print(f'test accuracy: {acc:.4f}')
