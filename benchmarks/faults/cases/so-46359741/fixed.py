import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# answer 1 to a one and 0 to a two
x = torch.tensor([[1.0], [2.0]])
y = torch.tensor([[1.0], [0.0]])

model = nn.Sequential(nn.Linear(1, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid())
with torch.no_grad():
    for layer in (model[0], model[2]):
        nn.init.xavier_uniform_(layer.weight)
        layer.bias.zero_()

loss_function = nn.BCELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, nesterov=True)

for epoch in range(1, 201):
    optimizer.zero_grad()
    output = model(x)
    loss = loss_function(output, y)
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print("Epoch:", epoch, "Output:", [round(v, 3) for v in output.flatten().tolist()])

with torch.no_grad():
    print("cross-entropy:", loss_function(model(x), y).item())
