import argparse
import itertools

import torch
import torch.nn as nn

p = argparse.ArgumentParser(description="rank dishes from pairwise tastings")
p.add_argument("seed", type=int, nargs="?", default=0)
args = p.parse_args()
torch.manual_seed(args.seed)

g = torch.Generator().manual_seed(50)
dishes = torch.randn(160, 12, generator=g)
w1, w2 = torch.randn(12, generator=g), torch.randn(12, generator=g)
quality = dishes @ w1 / 3 + torch.relu(dishes @ w2 / 2)

train_ids, test_ids = range(120), range(120, 160)
pairs = torch.tensor(list(itertools.combinations(train_ids, 2)))
pairs = pairs[torch.randperm(len(pairs), generator=g)[:3000]]
noise = 0.3 * torch.randn(3000, generator=g)
sign = torch.sign(quality[pairs[:, 0]] - quality[pairs[:, 1]] + noise)

scorer = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 1))
ranking = nn.MarginRankingLoss(margin=0.5)
opt = torch.optim.Adam(scorer.parameters(), lr=3e-3, weight_decay=1e-3)

for epoch in range(15):
    wrong = 0
    for b in torch.randperm(3000).split(60):
        s1 = scorer(dishes[pairs[b, 0]]).squeeze(1)
        s2 = scorer(dishes[pairs[b, 1]]).squeeze(1)
        loss = ranking(s1, s2, sign[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        wrong += ((s1 - s2) * sign[b] < 0).sum().item()
    print(f"epoch {epoch + 1}: {wrong / 3000:.3f} of the training pairs in the wrong order")

with torch.no_grad():
    s = scorer(dishes[120:]).squeeze(1)
q = quality[120:]
upper = torch.triu_indices(40, 40, offset=1)
concordant = ((s[upper[0]] - s[upper[1]]) * (q[upper[0]] - q[upper[1]]) > 0).float().mean().item()
print(f"concordance: {concordant:.4f}")
