import sys
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader
from sklearn.datasets import make_circles
from sklearn.model_selection import train_test_split

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = make_circles(n_samples=1000, noise=0.03, factor=0.6, random_state=42)
X_train, X_test, y_train, y_test = train_test_split(torch.tensor(X).float(), torch.tensor(y).float(), test_size=0.2, random_state=42)


class CircleModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_1 = nn.Linear(in_features=2, out_features=16)
        self.layer_2 = nn.Linear(in_features=16, out_features=16)
        self.layer_3 = nn.Linear(in_features=16, out_features=1)

    def forward(self, x):
        return self.layer_3(self.layer_2(self.layer_1(x)))


model_0 = CircleModel()
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model_0.parameters(), lr=0.1, momentum=0.9)


def accuracy_fn(y_true, y_pred):
    correct = torch.eq(y_true, y_pred).sum().item()
    return correct / len(y_pred)


for epoch in range(400):
    model_0.train()
    y_logits = model_0(X_train).squeeze()
    loss = loss_fn(y_logits, y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 100 == 0:
        y_pred = torch.round(torch.sigmoid(y_logits))
        print(f"Epoch: {epoch} | Loss: {loss:.5f} | Acc: {accuracy_fn(y_train, y_pred):.3f}")

model_0.eval()
with torch.inference_mode():
    test_pred = torch.round(torch.sigmoid(model_0(X_test).squeeze()))
print(f"test accuracy: {accuracy_fn(y_test, test_pred):.4f}")
