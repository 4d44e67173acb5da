import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn import datasets, model_selection, preprocessing

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

X, y = datasets.load_wine(return_X_y=True)
X = preprocessing.scale(X)
X_tr, X_te, y_tr, y_te = model_selection.train_test_split(X, y, train_size=110, random_state=2)
X_tr, X_te = torch.FloatTensor(X_tr), torch.FloatTensor(X_te)
y_tr, y_te = torch.LongTensor(y_tr), torch.LongTensor(y_te)

# softmax regression, plain full-batch gradient descent
model = nn.Linear(13, 3)
nn.init.normal_(model.weight, std=0.01)
nn.init.zeros_(model.bias)
sgd = torch.optim.SGD(model.parameters(), lr=0.5)

for t in range(300):
    log_p = F.log_softmax(model(X_tr), dim=1)
    loss = F.nll_loss(log_p, y_tr)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    if t % 50 == 0:
        print(t, loss.item())

with torch.no_grad():
    acc = (model(X_te).argmax(1) == y_te).float().mean().item()
print("test accuracy: %.4f" % acc)
