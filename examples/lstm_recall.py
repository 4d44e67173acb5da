"""An LSTM that reads a row of symbols and has to name the first one."""

import argparse

import torch
from torch import nn

N_SYMBOLS = 6


class Reader(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embed = nn.Embedding(N_SYMBOLS, 16)
        self.lstm = nn.LSTM(16, hidden, batch_first=True)
        self.out = nn.Linear(hidden, N_SYMBOLS)
        with torch.no_grad():
            self.lstm.bias_ih_l0[hidden : 2 * hidden].fill_(1.0)

    def forward(self, symbols):
        states, _ = self.lstm(self.embed(symbols))
        return self.out(states[:, -1])


def main(seed, hidden, steps, length=12):
    torch.manual_seed(seed)
    reader = Reader(hidden)
    loss_fn = nn.CrossEntropyLoss()
    adam = torch.optim.Adam(reader.parameters(), lr=5e-3)
    smooth = None
    for step in range(1, steps + 1):
        symbols = torch.randint(N_SYMBOLS, (64, length))
        loss = loss_fn(reader(symbols), symbols[:, 0])
        adam.zero_grad()
        loss.backward()
        adam.step()
        smooth = loss.item() if smooth is None else 0.9 * smooth + 0.1 * loss.item()
        if step % 50 == 0:
            print(step, f"loss {smooth:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    main(options.seed, options.width, options.steps)
