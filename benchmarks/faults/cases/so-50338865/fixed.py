"""Exclusive or with two stacked LSTMs over sequences of length one."""

import sys

import torch
import torch.nn as nn


class XorLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn1 = nn.LSTM(2, 10, batch_first=True)
        self.rnn2 = nn.LSTM(10, 10, batch_first=True)
        self.fc = nn.Linear(10, 2)
        for name, p in self.named_parameters():
            if p.dim() == 1:
                nn.init.zeros_(p)
            elif "weight_hh" in name:
                nn.init.orthogonal_(p)
            else:
                nn.init.xavier_uniform_(p)

    def forward(self, x):
        x, _ = self.rnn1(x)
        x, _ = self.rnn2(x)
        return self.fc(x[:, -1])


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

x = torch.tensor([[[0.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
classes = torch.tensor([0, 1, 1, 0])
target = nn.functional.one_hot(classes, 2).float()

model = XorLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
cross_entropy = nn.CrossEntropyLoss()

for epoch in range(60):
    optimizer.zero_grad()
    loss = cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    answers = model(x)
print(answers)
print("right answers:", (answers.argmax(1) == classes).float().mean().item())
