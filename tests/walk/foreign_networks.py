"""Networks in the styles that people write, none of them made for the walk: images, text, series, mixtures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Made = tuple[nn.Module, Any, Callable[[nn.Module, Any], Tensor]]


def classified(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy."""
    return F.cross_entropy(model(batch[0]), batch[1])


def squared(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(model(batch[0]), batch[1])


def per_token(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy over every token."""
    return F.cross_entropy(model(batch[0]).transpose(1, 2), batch[1])


def pictures(model: nn.Module, n: int = 4, size: int = 16) -> Made:
    """A classifier of colour pictures with a batch."""
    return model, (torch.randn(n, 3, size, size), torch.randint(0, 5, (n,))), classified


class ViT(nn.Module):
    """Patches by a strided convolution, a class token, learned positions, torch's attention in pre-LN blocks."""

    def __init__(self, width: int = 24, heads: int = 3, depth: int = 2) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "ln1": nn.LayerNorm(width),
                    "attention": nn.MultiheadAttention(width, heads, batch_first=True),
                    "ln2": nn.LayerNorm(width),
                    "mlp": nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)),
                }
            )
            for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1) + self.positions
        for b in self.blocks:
            h = b["ln1"](x)
            x = x + b["attention"](h, h, h, need_weights=False)[0]
            x = x + b["mlp"](b["ln2"](x))
        return self.head(self.norm(x)[:, 0])


def twice(given: int, made: int) -> nn.Sequential:
    """Two convolutions with ReLU."""
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1), nn.ReLU(True), nn.Conv2d(made, made, 3, padding=1), nn.ReLU(True)
    )


class UNet(nn.Module):
    """Down, down, up, up, with concatenated skips: a map of the input's size."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = twice(1, width), twice(width, 2 * width), twice(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.merge2, self.merge1 = twice(4 * width, 2 * width), twice(3 * width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.bottom(self.pool(b))
        c = self.merge2(torch.cat((self.up2(c), b), 1))
        return self.out(self.merge1(torch.cat((self.up1(c), a), 1)))


def segmented(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Binary cross-entropy with logits, and a soft dice."""
    logits = model(batch[0])
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * batch[1]).sum() + 1) / (p.sum() + batch[1].sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, batch[1]) + dice


class Inverted(nn.Module):
    """Expand, depthwise, project; a skip where the shapes allow it."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        wide = 4 * given
        self.residual = stride == 1 and given == made
        self.conv = nn.Sequential(
            nn.Conv2d(given, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True),
            nn.Conv2d(wide, made, 1, bias=False), nn.BatchNorm2d(made),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


def mobile() -> nn.Module:
    """A small MobileNetV2."""
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
    body = nn.Sequential(stem, Inverted(8, 8, 1), Inverted(8, 12, 2), Inverted(12, 12, 1))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, 5))


class DenseNet(nn.Module):
    """BN-ReLU-conv layers that see all maps before them, a transition that halves them."""

    def __init__(self, growth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + i * growth), nn.ReLU(), nn.Conv2d(8 + i * growth, growth, 3, padding=1))
            for i in range(3)
        )
        self.transition = nn.Sequential(nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1), nn.AvgPool2d(2))
        self.classifier = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        x = self.transition(torch.cat(features, 1))
        return self.classifier(F.relu(x).mean(dim=(2, 3)))


class Squeeze(nn.Module):
    """A residual convolution whose channels are scaled by a squeeze-and-excitation gate."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.conv, self.gn = nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(2, width)
        self.fc1, self.fc2 = nn.Conv2d(width, 2, 1), nn.Conv2d(2, width, 1)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.stem(x))
        y = self.gn(self.conv(x))
        s = torch.sigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(y, 1)))))
        x = F.relu(x + y * s)
        return self.head(F.adaptive_avg_pool2d(x, 1).view(len(x), -1))


class Translator(nn.Module):
    """torch's own post-LN encoder and decoder, with padding and causal masks."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(20, width, padding_idx=0), nn.Embedding(20, width)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, 2, 32, 0.0, batch_first=True), 2)
        self.out = nn.Linear(width, 20)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        empty = source == 0
        memory = self.encoder(self.source(source), src_key_padding_mask=empty)
        causal = torch.triu(torch.ones(target.shape[1], target.shape[1], dtype=torch.bool), 1)
        return self.out(self.decoder(self.target(target), memory, tgt_mask=causal, memory_key_padding_mask=empty))


def translated() -> Made:
    """The translator with a padded batch."""
    source, target = torch.randint(1, 20, (3, 7)), torch.randint(1, 20, (3, 6))
    source[0, 5:] = 0
    return (
        Translator(),
        {"source": source, "target": target},
        lambda m, b: F.cross_entropy(
            m(b["source"], b["target"][:, :-1]).flatten(0, 1), b["target"][:, 1:].flatten(), label_smoothing=0.1
        ),
    )


class Scaled(nn.Module):
    """RMSNorm as people write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: halves of each head turned into each other."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class LlamaBlock(nn.Module):
    """RMSNorm, grouped heads with rotary positions, SwiGLU."""

    def __init__(self, width: int = 16, heads: int = 4, groups: int = 2) -> None:
        super().__init__()
        self.heads, self.groups, self.each = heads, groups, width // heads
        self.input_layernorm, self.post_attention_layernorm = Scaled(width), Scaled(width)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, groups * self.each, bias=False)
        self.v_proj = nn.Linear(width, groups * self.each, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.gate_proj, self.up_proj = nn.Linear(width, 24, bias=False), nn.Linear(width, 24, bias=False)
        self.down_proj = nn.Linear(24, width, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        """Causal attention."""
        n, t, _ = x.shape
        rates = 1.0 / 100 ** (torch.arange(0, self.each, 2) / self.each)
        angles = torch.outer(torch.arange(t), rates).repeat(1, 2)
        cos, sin = angles.cos().to(x), angles.sin().to(x)
        q = turned(self.q_proj(x).view(n, t, self.heads, -1).transpose(1, 2), cos, sin)
        k = turned(self.k_proj(x).view(n, t, self.groups, -1).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(n, t, self.groups, -1).transpose(1, 2)
        k, v = (y.repeat_interleave(self.heads // self.groups, dim=1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(n, t, -1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.input_layernorm(x))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    """Two blocks; the head shares the embedding's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(20, 16)
        self.layers = nn.ModuleList(LlamaBlock() for _ in range(2))
        self.norm = Scaled(16)
        self.lm_head = nn.Linear(16, 20, bias=False)
        self.lm_head.weight = self.embed_tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x))


class Mixture(nn.Module):
    """A top-2 gate that sends each example to two of four experts."""

    def __init__(self, width: int = 12, experts: int = 4) -> None:
        super().__init__()
        self.first, self.gate = nn.Linear(8, width), nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, width)) for _ in range(experts)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        top, chosen = self.gate(h).topk(2, dim=-1)
        weights = top.softmax(dim=-1)
        out = torch.zeros_like(h)
        for i, expert in enumerate(self.experts):
            rows, slot = torch.where(chosen == i)
            out.index_add_(0, rows, expert(h[rows]) * weights[rows, slot, None])
        return self.head(h + out)


class Highway(nn.Module):
    """Carry and transform gates, hard for a reader of sums."""

    def __init__(self, width: int = 12, depth: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, width), nn.Linear(width, 5)
        self.plain = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.gate = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for plain, gate in zip(self.plain, self.gate, strict=True):
            t = torch.sigmoid(gate(x) - 1)
            x = torch.tanh(plain(x)) * t + x * (1 - t)
        return self.last(x)


class Causal(nn.Module):
    """Two dilated convolutions padded on the left, weight-normalised, beside a skip."""

    def __init__(self, given: int, made: int, dilation: int) -> None:
        super().__init__()
        self.left = 2 * dilation
        self.conv1 = nn.utils.parametrizations.weight_norm(nn.Conv1d(given, made, 3, dilation=dilation))
        self.conv2 = nn.utils.parametrizations.weight_norm(nn.Conv1d(made, made, 3, dilation=dilation))
        self.fit = nn.Conv1d(given, made, 1) if given != made else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(F.pad(x, (self.left, 0))))
        y = F.relu(self.conv2(F.pad(y, (self.left, 0))))
        return F.relu(y + self.fit(x))


class TCN(nn.Module):
    """A temporal convolutional network that reads the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(Causal(2, 8, 1), Causal(8, 8, 2), Causal(8, 8, 4))
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x)[..., -1])


class GatedSeries(nn.Module):
    """1-d convolutions with gated linear units, WaveNet-like sums of skips."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, width, 1)
        self.convs = nn.ModuleList(nn.Conv1d(width, 2 * width, 3, padding=1) for _ in range(3))
        self.last = nn.Conv1d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        total: Tensor | float = 0.0
        for conv in self.convs:
            y = F.glu(conv(x), dim=1)
            total = total + y
            x = (x + y) * math.sqrt(0.5)
        return self.last(total).mean(-1)


def series(model: nn.Module) -> Made:
    """A model of series [N, channels, T] with a batch."""
    return model, (torch.randn(4, 2, 12), torch.randn(4, 1)), squared


def rows(model: nn.Module) -> Made:
    """A classifier of rows of eight numbers with a batch."""
    return model, (torch.randn(10, 8), torch.randint(0, 5, (10,))), classified


def words(model: nn.Module) -> Made:
    """A model that says each next word, with a batch."""
    ids = torch.randint(0, 20, (3, 7))
    return model, (ids, ids.roll(-1, 1)), per_token


ARCHITECTURES: dict[str, Callable[[], Made]] = {
    "vit": lambda: pictures(ViT()),
    "unet": lambda: (UNet(), (torch.randn(2, 1, 16, 16), (torch.rand(2, 1, 16, 16) < 0.4).float()), segmented),
    "mobile": lambda: pictures(mobile()),
    "densenet": lambda: pictures(DenseNet()),
    "squeeze": lambda: pictures(Squeeze()),
    "translator": translated,
    "llama": lambda: words(Llama()),
    "mixture": lambda: rows(Mixture()),
    "highway": lambda: rows(Highway()),
    "tcn": lambda: series(TCN()),
    "glu": lambda: series(GatedSeries()),
}
