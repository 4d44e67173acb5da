# a small net that should learn to square a number
import random
import sys

import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
torch.manual_seed(seed)

xs = torch.arange(0, 10, 0.25).unsqueeze(1)
ys = xs**2

hidden = torch.nn.Linear(1, 5)
output = torch.nn.Linear(5, 1)
for lin in (hidden, output):
    torch.nn.init.xavier_uniform_(lin.weight)
    torch.nn.init.zeros_(lin.bias)


def model(x):
    h = torch.sigmoid(hidden(x))
    return output(h)


params = list(hidden.parameters()) + list(output.parameters())
sgd = torch.optim.SGD(params, lr=0.01)
rows = list(range(len(xs)))

for epoch in range(1000):
    random.shuffle(rows)
    for batch in (rows[:32], rows[32:]):
        sgd.zero_grad()
        loss = torch.mean((model(xs[batch]) - ys[batch]) ** 2)
        loss.backward()
        sgd.step()
    if epoch % 200 == 199:
        print(f"{epoch + 1:5d} {loss.item():.3f}")

with torch.no_grad():
    out = model(xs)
for n in (2.0, 5.0, 9.0):
    print(f"{n:.0f} squared is about {model(torch.tensor([[n]])).item():.2f}")
r2 = 1 - ((out - ys) ** 2).sum() / ((ys - ys.mean()) ** 2).sum()
print(f"r2: {r2.item():.4f}")
