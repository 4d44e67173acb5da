# DQN on a small grid: fetch the key on the left, then open the door on the right.
import collections
import copy
import random
import sys

import numpy as np
import torch
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

LENGTH, LIMIT, GAMMA = 7, 30, 0.95


class Corridor:
    def reset(self):
        self.pos, self.key, self.t = random.randrange(1, LENGTH - 1), 0, 0
        return self.obs()

    def obs(self):
        v = np.zeros(LENGTH + 1, dtype=np.float32)
        v[self.pos] = 1.0
        v[LENGTH] = self.key
        return v

    def step(self, action):
        self.t += 1
        self.pos = min(max(self.pos + (1 if action else -1), 0), LENGTH - 1)
        if self.pos == 0:
            self.key = 1
        done = self.pos == LENGTH - 1 and self.key == 1
        return self.obs(), 1.0 if done else 0.0, done, done or self.t >= LIMIT


class QNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(LENGTH + 1, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))

    def forward(self, s):
        return self.net(s)


env = Corridor()
q = QNet()
q_target = copy.deepcopy(q).requires_grad_(False)
opt = torch.optim.Adam(q.parameters(), lr=2e-3)
replay = collections.deque(maxlen=3000)

s, eps, updates = env.reset(), 1.0, 0
for frame in range(2200):
    eps = max(0.1, 1.0 - frame / 1200)
    if random.random() < eps:
        a = random.randrange(2)
    else:
        with torch.no_grad():
            a = q(torch.from_numpy(s)).argmax().item()
    s2, r, terminal, over = env.step(a)
    replay.append((s, a, r, s2, float(terminal)))
    s = env.reset() if over else s2
    if frame < 300 or frame % 2:
        continue
    bs, ba, br, bs2, bd = zip(*random.sample(replay, 48))
    bs, bs2 = torch.from_numpy(np.stack(bs)), torch.from_numpy(np.stack(bs2))
    ba, br, bd = torch.tensor(ba), torch.tensor(br), torch.tensor(bd)
    with torch.no_grad():
        target = br + GAMMA * (1 - bd) * q_target(bs2).max(1).values
    value = q(bs).gather(1, ba[:, None]).squeeze(1)
    loss = nn.functional.smooth_l1_loss(value, target)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(q.parameters(), 1.0)
    opt.step()
    updates += 1
    if updates % 50 == 0:
        q_target.load_state_dict(q.state_dict())
    if updates % 200 == 0:
        print(f"frame {frame} eps {eps:.2f} td loss {loss.item():.5f} value {value.mean().item():.3f}")

# greedy policy, discounted return
returns = []
for _ in range(40):
    s, over, k = env.reset(), False, 0
    while not over:
        with torch.no_grad():
            a = q(torch.from_numpy(s)).argmax().item()
        s, r, _, over = env.step(a)
        if r:
            returns.append(GAMMA**k)
        k += 1
print(f"return: {sum(returns) / 40:.4f}")
