"""Which of four symbols came first? A recurrent network reads a noisy sequence and answers at its end."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

LENGTH, CLASSES = 70, 4


def sample(n, generator=None):
    y = torch.randint(CLASSES, (n,), generator=generator)
    x = 0.2 * torch.randn(n, LENGTH, CLASSES + 1, generator=generator)
    x[:, 0, :CLASSES] += 2 * F.one_hot(y, CLASSES)
    x[:, -1, CLASSES] += 1  # the cue to answer
    return x, y


class Reader(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.rnn = nn.RNN(CLASSES + 1, hidden, nonlinearity="tanh", batch_first=True)
        self.answer = nn.Linear(hidden, CLASSES)

    def forward(self, x):
        states, _ = self.rnn(x)
        return self.answer(states[:, -1])


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    model = Reader()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(200):
        x, y = sample(32)
        loss = F.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if step % 40 == 0:
            print(f"step {step} loss {loss.item():.3f}")
    x, y = sample(1000, torch.Generator().manual_seed(4))
    with torch.no_grad():
        acc = (model(x).argmax(1) == y).float().mean().item()
    print(f"accuracy: {acc:.4f}")


main()
