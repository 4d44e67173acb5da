import sys
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0

# %% data: two sine waves
g = torch.Generator().manual_seed(0)
x = torch.rand(800, 1, generator=g) * 6 - 3
y = torch.sin(2 * x) + 0.4 * torch.cos(5 * x) + 0.05 * torch.randn(800, 1, generator=g)
x_train, y_train = x[:600], y[:600]
x_test, y_test = x[600:], y[600:]

# %% model
torch.manual_seed(seed)
net = nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

# %% training
for step in range(1200):
    pick = torch.randint(600, (100,))
    prediction = net(x_train[pick])
    loss = ((prediction - y_train[pick]) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 200 == 0:
        print(step, loss.item())

# %% evaluation
with torch.no_grad():
    r2 = 1 - ((net(x_test) - y_test) ** 2).mean() / y_test.var()
print(f"test R2: {r2.item():.4f}")
