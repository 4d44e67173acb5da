# SimCLR in one dimension: two views of a signal, NT-Xent loss, then logistic regression on the features.
import sys

import torch
import torch.nn.functional as F
from mnist1d.data import get_dataset_args, make_dataset
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

args = get_dataset_args()
args.num_samples = 2500
data = make_dataset(args)
x_train = torch.as_tensor(data["x"], dtype=torch.float32)
x_test = torch.as_tensor(data["x_test"], dtype=torch.float32)


def view(x):
    shift = int(torch.randint(-6, 7, (1,)))
    x = torch.roll(x, shift, dims=1)
    x = x * (0.6 + 0.8 * torch.rand(len(x), 1)) + 0.1 * torch.randn(len(x), 1)
    # slow drift, as in the making of the set
    t = torch.linspace(-1, 1, x.shape[1])
    x = x + 0.3 * torch.randn(len(x), 1) * t
    return x + 0.05 * torch.randn_like(x)


class Encoder(nn.Module):
    def __init__(self, c=24):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, c, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(c, 2 * c, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(2 * c, 2 * c, 3, padding=1), nn.ReLU(),
        )

    def forward(self, x):
        return self.conv(x.unsqueeze(1)).amax(2)


def nt_xent(a, b, tau=0.2):
    z = F.normalize(torch.cat([a, b]), dim=1)
    n = len(a)
    sim = z @ z.t() / tau
    sim.fill_diagonal_(-1e9)
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(sim, partner)


enc = Encoder()
proj = nn.Sequential(nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 24))
opt = torch.optim.Adam([*enc.parameters(), *proj.parameters()], lr=2e-3)
for epoch in range(8):
    for i in torch.randperm(len(x_train)).split(80):
        loss = nt_xent(proj(enc(view(x_train[i]))), proj(enc(view(x_train[i]))))
        opt.zero_grad(); loss.backward(); opt.step()
    print(epoch, f"{loss.item():.3f}")

with torch.no_grad():
    f_train, f_test = enc(x_train).numpy(), enc(x_test).numpy()
probe = LogisticRegression(max_iter=300, C=10).fit(f_train, data["y"])
print(f"probe accuracy: {probe.score(f_test, data['y_test']):.4f}")
