# Physics-informed net for a heated rod: u_t = k u_xx, u(0)=u(1)=0, u(x,0) = sin(pi x) + sin(3 pi x) / 2
import sys

import torch

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
torch.set_default_dtype(torch.float64)
pi, K = torch.pi, 0.1


def exact(x, t):
    return torch.sin(pi * x) * torch.exp(-K * pi**2 * t) + 0.5 * torch.sin(3 * pi * x) * torch.exp(-9 * K * pi**2 * t)


class Field(torch.nn.Module):
    def __init__(self, width=32, depth=3):
        super().__init__()
        sizes = [2] + [width] * depth + [1]
        self.linears = torch.nn.ModuleList([torch.nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        for lin in self.linears:
            torch.nn.init.xavier_normal_(lin.weight)
            torch.nn.init.zeros_(lin.bias)

    def forward(self, x, t):
        h = torch.cat([2 * x - 1, 2 * t - 1], dim=1)
        for lin in self.linears[:-1]:
            h = torch.tanh(lin(h))
        return self.linears[-1](h)


def grad(u, x):
    return torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]


net = Field()
adam = torch.optim.Adam(net.parameters(), lr=5e-3)
decay = torch.optim.lr_scheduler.StepLR(adam, 250, gamma=0.4)
x0 = torch.linspace(0, 1, 40)[:, None]
t0 = torch.zeros_like(x0)

for step in range(900):
    x = torch.rand(100, 1, requires_grad=True)
    t = torch.rand(100, 1, requires_grad=True)
    u = net(x, t)
    residual = grad(u, t) - K * grad(grad(u, x), x)
    tb = torch.rand(30, 1)
    edge = net(torch.zeros_like(tb), tb).square().mean() + net(torch.ones_like(tb), tb).square().mean()
    start = (net(x0, t0) - exact(x0, t0)).square().mean()
    loss = residual.square().mean() + 10 * edge + 20 * start
    adam.zero_grad()
    loss.backward()
    adam.step()
    decay.step()
    if step % 150 == 0:
        print(f"{step:4d} residual {residual.square().mean().item():.2e} edge {edge.item():.2e} start {start.item():.2e}")

with torch.no_grad():
    xx, tt = torch.meshgrid(torch.linspace(0, 1, 41), torch.linspace(0, 1, 41), indexing="ij")
    xx, tt = xx.reshape(-1, 1), tt.reshape(-1, 1)
    true = exact(xx, tt)
    error = (net(xx, tt) - true).norm() / true.norm()
print(f"relative error: {error.item():.4f}")
