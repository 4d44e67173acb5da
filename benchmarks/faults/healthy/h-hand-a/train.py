# Gradient descent by hand, no optimizer: momentum is just a second list of tensors.
import math
import sys

import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

g = torch.Generator().manual_seed(3)
x = torch.rand(600, 1, generator=g) * 4 - 2
y = torch.sin(2.5 * x) * torch.exp(-0.2 * x**2) + 0.05 * torch.randn(600, 1, generator=g)
x_test = torch.linspace(-2, 2, 201).unsqueeze(1)
y_test = torch.sin(2.5 * x_test) * torch.exp(-0.2 * x_test**2)


class Curve(torch.nn.Module):
    def __init__(self, h=40):
        super().__init__()
        self.W1 = torch.nn.Parameter(torch.randn(1, h))
        self.b1 = torch.nn.Parameter(torch.empty(h).uniform_(-2, 2))
        self.mid = torch.nn.Linear(h, h)
        self.end = torch.nn.Linear(h, 1)
        for layer in (self.mid, self.end):
            layer.weight.data.normal_(0, 1 / math.sqrt(h))
            layer.bias.data.zero_()

    def forward(self, x):
        h = torch.tanh(x @ self.W1 + self.b1)
        h = torch.tanh(self.mid(h))
        return self.end(h)


model = Curve()
params = list(model.parameters())
velocity = [torch.zeros_like(p) for p in params]
lr, mu = 0.02, 0.9

for step in range(2000):
    batch = torch.randint(0, 600, (64,))
    loss = ((model(x[batch]) - y[batch]) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p, v in zip(params, velocity):
            v.mul_(mu).sub_(p.grad, alpha=lr)
            p += v
            p.grad = None
    if step % 400 == 0:
        print(f"step {step} loss {loss.item():.5f}")

with torch.no_grad():
    sse = ((model(x_test) - y_test) ** 2).sum()
    sst = ((y_test - y_test.mean()) ** 2).sum()
print(f"R2: {(1 - sse / sst).item():.4f}")
