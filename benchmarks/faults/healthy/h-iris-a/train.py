import sys

import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

iris = load_iris()
Xa, Xb, ya, yb = train_test_split(iris.data, iris.target, test_size=60, random_state=6, stratify=iris.target)
Xa, Xb = torch.tensor(Xa).float(), torch.tensor(Xb).float()
ya, yb = torch.tensor(ya), torch.tensor(yb)
center = Xa.mean(0)
Xa, Xb = Xa - center, Xb - center

net = torch.nn.Sequential(
    torch.nn.Linear(4, 20),
    torch.nn.Hardswish(),
    torch.nn.Linear(20, 3),
)
hinge = torch.nn.MultiMarginLoss(margin=1.0)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.8)

for epoch in range(120):
    for i in torch.randperm(90).split(15):
        loss = hinge(net(Xa[i]), ya[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 20 == 19:
        with torch.no_grad():
            inside = (hinge(net(Xa), ya)).item()
        print(f"epoch {epoch + 1} hinge {inside:.5f}")

print(f"test accuracy: {(net(Xb).argmax(1) == yb).float().mean().item():.4f}")
