# tiny GPT that learns to add two-digit numbers, answers written backwards
import sys
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
CHARS = "0123456789+="


@dataclass
class Config:
    vocab: int = len(CHARS)
    block: int = 8
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 48


class SelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.qkv = nn.Linear(cfg.n_embd, 3 * cfg.n_embd)
        self.proj = nn.Linear(cfg.n_embd, cfg.n_embd)
        self.n_head = cfg.n_head

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        att = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(att.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(cfg.n_embd), SelfAttention(cfg)
        self.ln_2 = nn.LayerNorm(cfg.n_embd)
        self.mlp = nn.Sequential(nn.Linear(cfg.n_embd, 4 * cfg.n_embd), nn.GELU(), nn.Linear(4 * cfg.n_embd, cfg.n_embd))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.wte = nn.Embedding(cfg.vocab, cfg.n_embd)
        self.wpe = nn.Embedding(cfg.block, cfg.n_embd)
        self.blocks = nn.ModuleList(Block(cfg) for _ in range(cfg.n_layer))
        self.ln_f = nn.LayerNorm(cfg.n_embd)
        self.lm_head = nn.Linear(cfg.n_embd, cfg.vocab, bias=False)
        self.apply(self._init)
        for name, p in self.named_parameters():
            if name.endswith(("proj.weight", "mlp.2.weight")):
                nn.init.normal_(p, std=0.05 / (2 * cfg.n_layer) ** 0.5)
        self.lm_head.weight = self.wte.weight

    def _init(self, m):
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.05)
        if isinstance(m, nn.Linear) and m.bias is not None:
            nn.init.zeros_(m.bias)

    def forward(self, idx, targets=None):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.blocks:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def encode(a, b):
    s = f"{a:02d}+{b:02d}=" + f"{a + b:03d}"[::-1]
    return [CHARS.index(c) for c in s]


table = torch.tensor([encode(a, b) for a in range(50) for b in range(50)])
table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(1))]
train, test = table[:2200], table[2200:]

model = GPT(Config())
decay = [p for p in model.parameters() if p.dim() >= 2]
rest = [p for p in model.parameters() if p.dim() < 2]
opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=4e-3, betas=(0.9, 0.95))
STEPS, WARM = 300, 30
for it in range(STEPS):
    lr = 4e-3 * min(1.0, (it + 1) / WARM) * min(1.0, (STEPS - it) / (STEPS * 0.5))
    for group in opt.param_groups:
        group["lr"] = lr
    seq = train[torch.randint(0, len(train), (64,))]
    x, y = seq[:, :-1], seq[:, 1:].clone()
    y[:, :5] = -1  # the question is not to be predicted
    _, loss = model(x, y)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if it % 50 == 0 or it == STEPS - 1:
        print(f"iter {it}: loss {loss.item():.4f}, lr {lr:.1e}")

model.eval()
with torch.no_grad():
    idx = test[:, :6]
    for _ in range(3):
        idx = torch.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
print(f"sums right: {(idx == test).all(1).float().mean().item():.4f}")
