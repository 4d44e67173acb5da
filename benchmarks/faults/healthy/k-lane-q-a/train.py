# DQN: drive down a road of five lanes, collect coins, avoid the rocks.
import random
import sys
from collections import deque

import numpy as np
import torch
import torch.nn as nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

LANES, AHEAD, EPISODE = 5, 3, 40


class Road:
    """state: the lane, and for the next rows where rock (-1) and coin (+1) are"""

    def reset(self):
        self.lane, self.t = LANES // 2, 0
        self.rows = deque(self._row() for _ in range(AHEAD))
        return self._state()

    def _row(self):
        row = np.zeros(LANES, dtype=np.float32)
        rock, coin = random.sample(range(LANES), 2)
        row[rock], row[coin] = -1, 1
        return row

    def _state(self):
        lane = np.zeros(LANES, dtype=np.float32)
        lane[self.lane] = 1
        return np.concatenate([lane, *self.rows])

    def step(self, action):
        self.lane = min(max(self.lane + action - 1, 0), LANES - 1)
        reward = float(self.rows.popleft()[self.lane])
        self.rows.append(self._row())
        self.t += 1
        return self._state(), reward, self.t == EPISODE


def make_net():
    return nn.Sequential(nn.Linear(LANES * (1 + AHEAD), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))


policy_net, target_net = make_net(), make_net()
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=2e-3, amsgrad=True)
memory = deque(maxlen=4000)
GAMMA, BATCH, SYNC = 0.85, 64, 100
env = Road()


def act(state, eps):
    if random.random() < eps:
        return random.randrange(3)
    with torch.no_grad():
        return policy_net(torch.from_numpy(state)).argmax().item()


def learn():
    s, a, r, s2 = zip(*random.sample(memory, BATCH))
    s, s2 = torch.from_numpy(np.stack(s)), torch.from_numpy(np.stack(s2))
    a, r = torch.tensor(a)[:, None], torch.tensor(r)
    q = policy_net(s).gather(1, a).squeeze(1)
    with torch.no_grad():
        best = target_net(s2).max(1).values
    loss = nn.functional.smooth_l1_loss(q, r + GAMMA * best)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy_net.parameters(), 1.0)
    optimizer.step()
    return loss.item()


steps, losses = 0, []
for episode in range(60):
    state, done = env.reset(), False
    while not done:
        action = act(state, max(0.05, 1 - episode / 30))
        after, reward, done = env.step(action)
        memory.append((state, action, reward, after))  # the road goes on: time limits are no terminal states
        state = after
        steps += 1
        if len(memory) >= 200 and steps % 2 == 0:
            losses.append(learn())
        if steps % SYNC == 0:
            target_net.load_state_dict(policy_net.state_dict())
    if episode % 10 == 9:
        print(f"episode {episode + 1} mean loss {np.mean(losses[-200:]):.4f}")

random.seed(10_000)
total = 0.0
for _ in range(20):
    state, done = env.reset(), False
    while not done:
        state, reward, done = env.step(act(state, 0.0))
        total += reward
print(f"reward per step: {total / 20 / EPISODE:.4f}")
