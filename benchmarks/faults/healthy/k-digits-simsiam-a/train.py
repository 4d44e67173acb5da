"""SimSiam (Chen & He 2021) on 8x8 digits, judged by a linear probe on the frozen features."""
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn


def augment(x):
    """Shift by up to one pixel, scale the ink, add noise, drop a 2x2 patch."""
    n = len(x)
    padded = F.pad(x, (1, 1, 1, 1))
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    x = padded[:, :, dy : dy + 8, dx : dx + 8] * (0.7 + 0.6 * torch.rand(n, 1, 1, 1))
    x = x + 0.1 * torch.randn_like(x)
    top, left = torch.randint(0, 7, (2,)).tolist()
    x[:, :, top : top + 2, left : left + 2] = 0
    return x


class SimSiam(nn.Module):
    def __init__(self, dim=48, pred=16):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(
            nn.Linear(512, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(),
            nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim, affine=False),
        )
        self.predictor = nn.Sequential(
            nn.Linear(dim, pred, bias=False), nn.BatchNorm1d(pred), nn.ReLU(), nn.Linear(pred, dim)
        )

    def forward(self, a, b):
        za, zb = self.projector(self.backbone(a)), self.projector(self.backbone(b))
        pa, pb = self.predictor(za), self.predictor(zb)
        return pa, pb, za.detach(), zb.detach()


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    y = digits.target
    train, test = slice(0, 1300), slice(1300, None)

    model = SimSiam()
    opt = torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 8 * 20)
    for epoch in range(8):
        for i in torch.randperm(1300)[:1280].split(64):
            xb = x[train][i]
            pa, pb, za, zb = model(augment(xb), augment(xb))
            loss = -(F.cosine_similarity(pa, zb).mean() + F.cosine_similarity(pb, za).mean()) / 2
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
        std = F.normalize(za, dim=1).std(0).mean().item()
        print(f"epoch {epoch} loss {loss.item():.3f} std of features {std:.3f}")

    model.eval()
    with torch.no_grad():
        # few dimensions, so that the probe can't do the work
        h = model.projector(model.backbone(x)).numpy()
    probe = LogisticRegression(max_iter=200).fit(h[train], y[train])
    print(f"probe accuracy: {probe.score(h[test], y[test]):.4f}")


main()
