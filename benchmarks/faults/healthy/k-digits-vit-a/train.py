import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

# ViT on 8x8 digits: 16 patches of 2x2, class token, bfloat16 autocast
DEVICE = "cpu"


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mha = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x):
        h = self.norm(x)
        return self.mha(h, h, h, need_weights=False)[0]


class FeedForward(nn.Sequential):
    def __init__(self, dim, hidden, p):
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(p), nn.Linear(hidden, dim))


class ViT(nn.Module):
    def __init__(self, dim=32, depth=2, heads=4, p=0.1):
        super().__init__()
        self.patch = nn.Conv2d(1, dim, 2, stride=2)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.randn(1, 17, dim) * 0.02)
        self.layers = nn.ModuleList(nn.ModuleList([Attention(dim, heads), FeedForward(dim, 2 * dim, p)]) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        t = self.patch(x).flatten(2).transpose(1, 2)
        t = torch.cat([self.cls.expand(len(t), -1, -1), t], 1) + self.pos
        for attention, mlp in self.layers:
            t = t + attention(t)
            t = t + mlp(t)
        return self.head(self.norm(t[:, 0]))


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    hits = sum((model(x.to(DEVICE)).argmax(1) == y.to(DEVICE)).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    bunch = load_digits()
    ds = TensorDataset(torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 8 - 0.6, torch.tensor(bunch.target))
    train_set, test_set = random_split(ds, [1400, 397], generator=torch.Generator().manual_seed(42))
    torch.manual_seed(seed)
    train_loader = DataLoader(train_set, 50, shuffle=True)
    test_loader = DataLoader(test_set, 200)

    model = ViT().to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2.5e-3, epochs=10, steps_per_epoch=len(train_loader))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(10):
        model.train()
        for x, y in train_loader:
            with torch.autocast(DEVICE, dtype=torch.bfloat16):
                out = model(x.to(DEVICE))
                loss = criterion(out, y.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        print(f"epoch {epoch} last loss {loss.item():.4f}")
    print(f"accuracy: {evaluate(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
