"""Trainings for the identity tests: each is a plain script in a function and fills a ``Diary``."""

from __future__ import annotations

import copy
import io
import pickle
import random

import numpy as np
import torch
import torch.nn.functional as F
from session_diary import Diary, Loop
from session_networks import (
    Checkpointed,
    Functional,
    FunctionalRegion,
    LossInRegion,
    Moody,
    PreNorm,
    Recurrent,
    Tied,
    Twice,
)
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.data import DataLoader, TensorDataset


def _regression(n: int = 12, width: int = 8) -> tuple[Tensor, Tensor]:
    return torch.randn(n, width), torch.randn(n, 1)


def plain(model: nn.Module, diary: Diary, x: Tensor, y: Tensor, rate: float = 0.05) -> None:
    """Mean squared error and SGD with momentum."""
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    for _ in range(diary.steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
    diary.end(model)


def mlp_dropout(diary: Diary) -> None:
    model = nn.Sequential(
        nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1)
    )
    plain(model, diary, *_regression())


def cnn_batchnorm_inplace(diary: Diary) -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)),
    )
    plain(model, diary, torch.randn(4, 3, 8, 8), torch.randn(4, 1))


def mixed_precision(diary: Diary) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=5)
    x, y = _regression()
    for i in range(diary.steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            out = model(x)
        loss = F.mse_loss(out.float(), y) * (torch.inf if i == 3 else 1.0)  # one step overflows and is skipped
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        diary.step(loss, model)
        diary.note("scale", torch.tensor(scaler.get_scale()))
    diary.end(model)


def accumulation(diary: Diary) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Dropout(0.2), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, diary.steps)
    for _ in range(diary.steps):
        optimizer.zero_grad()
        for _ in range(3):
            x, y = _regression(5)
            loss = F.mse_loss(model(x), y) / 3
            loss.backward()
        optimizer.step()
        schedule.step()
        diary.step(loss, model)
    diary.end(model)


def checkpoint_plain(diary: Diary) -> None:
    plain(Checkpointed(reentrant=False), diary, *_regression())


def checkpoint_reentrant(diary: Diary) -> None:
    plain(Checkpointed(reentrant=True), diary, *_regression())


def checkpoint_functions(diary: Diary) -> None:
    plain(FunctionalRegion(), diary, *_regression())


def checkpoint_loss(diary: Diary) -> None:
    model = LossInRegion()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.randn(12, 8), torch.randint(0, 3, (12,))
    for _ in range(diary.steps):
        optimizer.zero_grad()
        loss = model(x, y)
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
    diary.end(model)


def gru(diary: Diary) -> None:
    plain(Recurrent(nn.GRU), diary, torch.randn(6, 7, 4), torch.randn(6, 1))


def lstm(diary: Diary) -> None:
    plain(Recurrent(nn.LSTM), diary, torch.randn(6, 7, 4), torch.randn(6, 1))


def _tokens(model: nn.Module, optimizers: list[torch.optim.Optimizer], diary: Diary) -> None:
    tokens = torch.randint(0, 11, (4, 6))
    for _ in range(diary.steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        diary.step(loss, model)
    diary.end(model)


def tied_weights(diary: Diary) -> None:
    model = Tied()
    _tokens(model, [torch.optim.Adam(model.parameters(), 1e-2)], diary)


def sparse_embedding(diary: Diary) -> None:
    model = Tied(sparse=True)
    rest = [*model.mix.parameters(), *model.head.parameters()]
    _tokens(model, [torch.optim.SparseAdam(model.embed.parameters(), 1e-2), torch.optim.SGD(rest, 0.1)], diary)


def gan(diary: Diary) -> None:
    G = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6))
    D = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(8, 1))
    of_D, of_G = torch.optim.Adam(D.parameters(), 1e-3), torch.optim.Adam(G.parameters(), 1e-3)
    judge, one, zero = nn.BCEWithLogitsLoss(), torch.ones(8, 1), torch.zeros(8, 1)
    for _ in range(diary.steps):
        of_D.zero_grad()
        judge(D(torch.randn(8, 6)), one).backward()
        fake = G(torch.randn(8, 4))
        judge(D(fake.detach()), zero).backward()
        of_D.step()
        of_G.zero_grad()
        loss = judge(D(fake), one)
        loss.backward()
        of_G.step()
        diary.step(loss, G, D)
    diary.end(G, D)


def lbfgs(diary: Diary) -> None:
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, max_iter=4)
    x, y = _regression()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(diary.steps):
        diary.step(optimizer.step(closure), model)
    diary.end(model)


def transformer(diary: Diary) -> None:
    model = nn.Sequential(PreNorm(), PreNorm(), nn.LayerNorm(8), nn.Linear(8, 1))
    plain(model, diary, torch.randn(3, 5, 8), torch.randn(3, 5, 1))


def encoder_with_eval(diary: Diary) -> None:
    """torch's own encoder layer has a fast path in eval mode that module hooks can switch off."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    model = nn.Sequential(layer, nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.randn(3, 5, 8), torch.randn(3, 5, 1)
    for _ in range(diary.steps):
        model.train()
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
        model.eval()
        with torch.no_grad():
            diary.note("eval", model(x))
        diary.note("eval with gradients enabled", model(x))
    diary.end(model)


def shared_module(diary: Diary) -> None:
    plain(Twice(), diary, *_regression())


def functional(diary: Diary) -> None:
    plain(Functional(), diary, *_regression())


def gradient_penalty(diary: Diary) -> None:
    """Backward through a backward pass."""
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(diary.steps):
        optimizer.zero_grad()
        x = torch.randn(10, 8, requires_grad=True)
        out = model(x)
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        loss = out.mean() + 10 * (slope.norm(dim=1) - 1).pow(2).mean()
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
    diary.end(model)


def average_and_files(diary: Diary) -> None:
    """A deep copy as moving average; the whole model, an output and the optimizer go through pickle."""
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    average = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    x, y = _regression()
    for _ in range(diary.steps):
        optimizer.zero_grad()
        out = model(x)
        file = io.BytesIO()
        torch.save(out, file)
        loss = F.mse_loss(out, y)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for p, q in zip(average.parameters(), model.parameters(), strict=True):
                p.lerp_(q, 0.1)
        diary.step(loss, model)
        packed = pickle.dumps((model, optimizer.state_dict()))
        diary.lines.append(("pickle", bytes([b"gradiometer" in packed])))
        model_again = pickle.loads(packed)[0]
        diary.note("pickled copy", model_again(x))
        diary.note("deep copy", copy.deepcopy(model)(x))
    diary.end(model, average)


def transforms_between(diary: Diary) -> None:
    """torch.func in the same loop: per-example gradients and a Jacobian."""
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    x, y = _regression()

    def one(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(torch.func.functional_call(model, weights, (x,)), y)

    for _ in range(diary.steps):
        weights = {k: v.detach() for k, v in model.named_parameters()}
        each = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))(weights, x, y)
        diary.note("per example", each["0.weight"])
        diary.note("jacobian", torch.func.vmap(torch.func.jacrev(model))(x))
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
    diary.end(model)


def loader_with_workers(diary: Diary) -> None:
    data = TensorDataset(*_regression(8))
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for _ in range(max(1, diary.steps // 4)):  # 4 batches an epoch
        for x, y in DataLoader(data, batch_size=2, shuffle=True, num_workers=1):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            diary.step(loss, model)
    diary.end(model)


def spectral_norm(diary: Diary) -> None:
    """Reading ``.weight`` of the first layer makes a power iteration: a watch must not."""
    model = nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(8, 8)), nn.ReLU(), parametrizations.weight_norm(nn.Linear(8, 1))
    )
    plain(model, diary, *_regression())


def moody_attributes(diary: Diary) -> None:
    plain(nn.Sequential(Moody(8, 8), nn.Tanh(), nn.Linear(8, 1)), diary, *_regression())


def frozen_and_numpy(diary: Diary) -> None:
    """A frozen bottom in eval mode, batches drawn by numpy and random."""
    body = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU()).requires_grad_(False).eval()
    model = nn.ModuleDict({"body": body, "head": nn.Linear(8, 1)})
    optimizer = torch.optim.RMSprop(model["head"].parameters(), 1e-2)
    for _ in range(diary.steps):
        x = torch.from_numpy(np.random.randn(6, 8).astype(np.float32)) * random.random()
        optimizer.zero_grad(set_to_none=False)
        loss = model["head"](model["body"](x)).pow(2).mean()
        loss.backward()
        optimizer.step()
        diary.step(loss, model)
    diary.end(model)


LOOPS: dict[str, Loop] = {
    f.__name__: f
    for f in (
        *(mlp_dropout, cnn_batchnorm_inplace, mixed_precision, accumulation, checkpoint_plain, checkpoint_reentrant),
        *(checkpoint_functions, checkpoint_loss, gru, lstm, tied_weights, sparse_embedding, gan, lbfgs, transformer),
        *(encoder_with_eval, shared_module, functional, gradient_penalty, average_and_files, transforms_between),
        *(loader_with_workers, spectral_norm, moody_attributes, frozen_and_numpy),
    )
}
