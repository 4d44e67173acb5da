"""Find the disc among rectangles and noise, pixel by pixel (a small U-Net, Dice loss)."""
import argparse

import torch
from torch import nn


def make_images(n, g, size=24):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    c = torch.rand(n, 2, 1, 1, generator=g) * (size - 10) + 5
    r = torch.rand(n, 1, 1, generator=g) * 2.5 + 2.0
    mask = ((yy - c[:, 0]) ** 2 + (xx - c[:, 1]) ** 2 <= r**2).float()
    corner = torch.rand(n, 2, 1, 1, generator=g) * (size - 8)
    side = torch.rand(n, 2, 1, 1, generator=g) * 4 + 4
    box = (yy >= corner[:, 0]) & (yy < corner[:, 0] + side[:, 0]) & (xx >= corner[:, 1]) & (xx < corner[:, 1] + side[:, 1])
    # a disc is a little brighter than the box it may lie upon
    image = 0.6 * box.float() * (1 - mask) + 0.9 * mask
    image = image + 0.25 * torch.randn(n, size, size, generator=g)
    return image[:, None], mask[:, None]


def double(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.enc1, self.enc2 = double(1, c), double(c, 2 * c)
        self.mid = double(2 * c, 4 * c)
        self.up2 = nn.ConvTranspose2d(4 * c, 2 * c, 2, stride=2)
        self.dec2 = double(4 * c, 2 * c)
        self.up1 = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.dec1 = double(2 * c, c)
        self.out = nn.Conv2d(c, 1, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(self.pool(e1))
        d2 = self.up2(self.mid(self.pool(e2)))
        d2 = self.dec2(torch.cat([e2, d2], 1))
        d1 = self.dec1(torch.cat([e1, self.up1(d2)], 1))
        return self.out(d1)


def soft_dice(logits, mask, eps=1.0):
    p = torch.sigmoid(logits).flatten(1)
    m = mask.flatten(1)
    return 1 - ((2 * (p * m).sum(1) + eps) / (p.sum(1) + m.sum(1) + eps)).mean()


def train(model, images, masks, epochs, batch):
    opt = torch.optim.Adam(model.parameters(), lr=5e-3)
    bce = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        model.train()
        for i in torch.randperm(len(images)).split(batch):
            logits = model(images[i])
            loss = 0.5 * bce(logits, masks[i]) + soft_dice(logits, masks[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", type=int, default=0)
    args = parser.parse_args()
    g = torch.Generator().manual_seed(17)
    images, masks = make_images(480, g)
    test_images, test_masks = make_images(150, g)
    torch.manual_seed(args.seed)
    model = UNet()
    train(model, images, masks, epochs=5, batch=20)
    model.eval()
    with torch.no_grad():
        found = model(test_images) > 0
    both = (found & (test_masks > 0.5)).sum().item()
    either = (found | (test_masks > 0.5)).sum().item()
    print(f"test IoU: {both / either:.4f}")


main()
