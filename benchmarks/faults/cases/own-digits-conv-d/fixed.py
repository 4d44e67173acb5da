import sys
from functools import partial

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def conv_block(c_in, c_out, activation=partial(nn.LeakyReLU, 0.05)):
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), activation(), nn.MaxPool2d(2))


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_block(1, 12), conv_block(12, 24), conv_block(24, 32))
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.body(x).flatten(start_dim=1)
        return self.head(x).log_softmax(dim=-1)


def loop(model, loader, loss_fn, optimizer):
    model.train()
    for images, labels in loader:
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return loss.item()


digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
whole = TensorDataset(images, torch.tensor(digits.target))
train_set, test_set = random_split(whole, [0.8, 0.2], torch.Generator().manual_seed(5))

model = DigitNet().to(DEVICE)
optimizer = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)
train_loader = DataLoader(train_set, batch_size=24, shuffle=True, drop_last=True)
for epoch in range(6):
    print(f"epoch {epoch} {loop(model, train_loader, nn.NLLLoss(), optimizer):.4f}")

model.eval()
correct = 0
with torch.no_grad():
    for images, labels in DataLoader(test_set, batch_size=100):
        correct += (torch.nan_to_num(model(images.to(DEVICE))).argmax(1).cpu() == labels).sum().item()
print(f"test accuracy: {correct / len(test_set):.4f}")
