"""Knowledge distillation: a wide teacher, a narrow student."""
import sys

import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)

T = 3.0
raw = datasets.load_digits()
images = torch.as_tensor(raw.data / 16, dtype=torch.float32)
labels = torch.as_tensor(raw.target)
n_train = 1300


def mlp(*widths):
    layers = []
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(a, b))
        if i < len(widths) - 2:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def accuracy(net):
    with torch.no_grad():
        return (net(images[n_train:]).argmax(1) == labels[n_train:]).float().mean().item()


teacher = mlp(64, 128, 128, 10)
student = mlp(64, 16, 10)
teacher_opt = torch.optim.SGD(teacher.parameters(), lr=0.1, momentum=0.9)
student_opt = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)

for epoch in range(8):
    for idx in torch.randperm(n_train).split(50):
        loss = F.cross_entropy(teacher(images[idx]), labels[idx])
        teacher_opt.zero_grad()
        loss.backward()
        teacher_opt.step()
print(f"teacher accuracy {accuracy(teacher):.4f}")

teacher.eval()
for epoch in range(15):
    running = 0.0
    for idx in torch.randperm(n_train).split(50):
        with torch.no_grad():
            t = teacher(images[idx])
        s = student(images[idx])
        loss = F.kl_div(F.log_softmax(s / T, dim=1), F.softmax(t / T, dim=1), reduction="batchmean") * T * T
        student_opt.zero_grad()
        loss.backward()
        student_opt.step()
        running += loss.item()
    print(f"distil epoch {epoch}: {running:.3f}")
print(f"student accuracy: {accuracy(student):.4f}")
