import sys

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.preprocessing import MinMaxScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def used_cars(n=900):
    rng = np.random.default_rng(77)
    age = rng.uniform(0, 15, n)
    mileage = age * rng.normal(14000, 3000, n).clip(2000)
    power = rng.normal(110, 35, n).clip(45, 300)
    doors = rng.choice([3, 5], n)
    owners = 1 + rng.poisson(age / 6)
    price = 21000 * (power / 110) ** 1.1 * np.exp(-0.11 * age - mileage / 400000) - 300 * (owners - 1)
    price += 400 * (doors == 5) + rng.normal(0, 500, n)
    return np.column_stack([age, mileage, power, doors, owners]), price.reshape(-1, 1)


X, price = used_cars()
scale_x = MinMaxScaler()
X_train = scale_x.fit_transform(X[:700]).astype(np.float32)
X_test = scale_x.transform(X[700:]).astype(np.float32)
scale_y = MinMaxScaler()
y_train = scale_y.fit_transform(price[:700]).astype(np.float32)
y_test = price[700:]

regressor = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1))
for m in regressor.children():
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)

mse = nn.MSELoss()
adam = torch.optim.Adam(regressor.parameters(), lr=0.001)
loader = DataLoader(TensorDataset(torch.from_numpy(X_train), torch.from_numpy(y_train)), batch_size=50, shuffle=True)

for epoch in range(150):
    for xb, yb in loader:
        adam.zero_grad()
        loss = mse(regressor(xb), yb)
        loss.backward()
        adam.step()
    if epoch % 30 == 0:
        print(f"epoch {epoch} mse {loss.item():.5g}")

predicted = scale_y.inverse_transform(regressor(torch.from_numpy(X_test)).detach().numpy())
print("R2:", r2_score(y_test, predicted))
