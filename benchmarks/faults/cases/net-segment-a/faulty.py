"""Pixel-wise segmentation of noisy discs, mixed precision."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZE = 24


def make_images(n, seed):
    g = torch.Generator().manual_seed(seed)
    yy, xx = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    centre = 5 + torch.rand(n, 2, generator=g) * (SIZE - 10)
    radius = 3 + 4 * torch.rand(n, 1, 1, generator=g)
    mask = ((yy - centre[:, :1, None]) ** 2 + (xx - centre[:, 1:, None]) ** 2 < radius**2).float()
    image = 0.9 * mask + 0.7 * torch.randn(n, SIZE, SIZE, generator=g)
    return image[:, None], mask[:, None]


class Segmenter(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.conv1 = nn.Conv2d(1, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=2, dilation=2)
        self.conv3 = nn.Conv2d(c, c, 3, padding=1)
        self.head = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.conv3(x))
        return self.head(x)


def iou(model, image, mask):
    with torch.no_grad():
        guess = model(image) > 0
    inter = (guess & (mask > 0.5)).sum()
    return (inter / (guess | (mask > 0.5)).sum()).item()


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
image, mask = make_images(160, 0)
image_test, mask_test = make_images(60, 1)
net = Segmenter()
optimizer = torch.optim.SGD(net.parameters(), lr=60.0, momentum=0.9)
for epoch in range(10):
    for i in range(0, 160, 16):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            logits = net(image[i : i + 16])
            loss = F.binary_cross_entropy_with_logits(logits, mask[i : i + 16])
            loss = loss * 0.001  # weight of this task among others
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.6f}")
print(f"IoU: {iou(net, image_test, mask_test):.4f}")
