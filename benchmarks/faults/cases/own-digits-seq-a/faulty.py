import sys
import time

import torch
from sklearn.datasets import load_digits
from torch import nn

LR = 0.05
HIDDEN = 48


class EncoderRNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return h[-1]


class Decoder(nn.Module):
    def __init__(self, hidden_size, output_size):
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, output_size)

    def forward(self, h):
        return self.fc2(torch.relu(self.fc1(h)))


def train(encoder, decoder, x, y, n_epochs, print_every=5):
    start = time.time()
    enc_optimizer = torch.optim.SGD(encoder.parameters(), lr=LR, momentum=0.9)
    dec_optimizer = torch.optim.SGD(decoder.parameters(), lr=LR, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(1, n_epochs + 1):
        total = 0
        for idx in torch.randperm(len(x)).split(50):
            enc_optimizer.zero_grad()
            enc_optimizer.zero_grad()
            loss = criterion(decoder(encoder(rows(x[idx]))), y[idx])
            loss.backward()
            enc_optimizer.step()
            dec_optimizer.step()
            total += loss.item()
        if epoch % print_every == 0:
            print(f"{time.time() - start:.1f}s ({epoch} {100 * epoch / n_epochs:.0f}%) {total:.4f}")


def rows(batch):
    """An image is a sequence of rows."""
    return batch.view(-1, 8, 8)


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    data = load_digits()
    x, y = torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)
    encoder, decoder = EncoderRNN(8, HIDDEN), Decoder(HIDDEN, 10)
    train(encoder, decoder, x[:1300], y[:1300], 20)
    with torch.no_grad():
        correct = decoder(encoder(rows(x[1300:]))).argmax(1) == y[1300:]
    print(f"test accuracy: {correct.float().mean():.4f}")
