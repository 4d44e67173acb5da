import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


def parse_args():
    parser = argparse.ArgumentParser(description='Digits MLP')
    parser.add_argument('seed', type=int, nargs='?', default=0)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--epochs', type=int, default=15)
    return parser.parse_args()


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                with torch.no_grad():
                    nn.init.kaiming_normal_(module.weight)
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


def train(args, model, x, y, optimizer, epoch):
    model.train()
    for batch in torch.randperm(len(x)).split(args.batch_size):
        optimizer.zero_grad()
        output = model(x[batch])
        loss = F.nll_loss(output, y[batch], reduction='sum')
        loss.backward()
        optimizer.step()
    print('Train Epoch: {}\tLoss: {:.6f}'.format(epoch, loss.item()))


def test(model, x, y):
    model.eval()
    with torch.no_grad():
        output = model(x)
        test_loss = F.nll_loss(output, y, reduction='sum').item() / len(x)
        correct = output.argmax(dim=1).eq(y).sum().item()
    print('Test set: Average loss: {:.4f}'.format(test_loss))
    print('test accuracy: {:.4f}'.format(correct / len(x)))


def main():
    args = parse_args()
    torch.manual_seed(args.seed)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    x = (x - 0.3053) / 0.3760
    y = torch.tensor(digits.target)
    model = Mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1, args.epochs + 1):
        train(args, model, x[:1408], y[:1408], optimizer, epoch)
    test(model, x[1408:], y[1408:])


if __name__ == '__main__':
    main()
