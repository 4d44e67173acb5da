import sys

import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

# next number of a series: 1 2 3 4 5 6 -> 7
series = torch.arange(1.0, 13.0)
x = torch.stack([series[i : i + 6] for i in range(6)]).unsqueeze(2)
y = series[6:].unsqueeze(1)
scale = 1.0


class SeriesModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=10, batch_first=True)
        self.hidden = nn.Linear(10, 50)
        self.out = nn.Linear(50, 1)

    def forward(self, x):
        states, _ = self.lstm(x)
        h = torch.tanh(self.hidden(states[:, -1]))
        return torch.tanh(self.out(h))


model = SeriesModel()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.MSELoss()

for epoch in range(500):
    optimizer.zero_grad()
    prediction = model(x)
    loss = criterion(prediction, y / scale)
    loss.backward()
    optimizer.step()
    if epoch % 100 == 0:
        print(f"[{epoch}] loss = {loss.item():.5f}")

with torch.no_grad():
    prediction = model(x) * scale
print(prediction.flatten().tolist())
print("mean squared error:", criterion(prediction, y).item())
