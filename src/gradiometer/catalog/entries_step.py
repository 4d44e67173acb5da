"""Cures for faults of number format, step and capacity."""

from __future__ import annotations

from .entry import Entry, Param

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="smaller-epsilon",
        kind="surgery",
        title="an ε below the gradient",
        changes="the optimizer's ε",
        mathematics="g/(√v + ε) → sign-like steps of length η once √v ≫ ε",
        answers={"epsilon-binds": 1},
        side_effects="noise of tiny gradients is amplified with them",
        source="Kingma and Ba 2015",
        edit="torch.optim.Adam(params, lr=lr, eps=1e-8)",
        cost="no time",
        params=(Param("epsilon", 1e-12, "of every group of parameters"),),
    ),
    Entry(
        name="looser-clip",
        title="clip only what is unusual",
        changes="the threshold of the clipping",
        mathematics="τ a few times the median gradient norm: fewer than a tenth of the steps are touched",
        answers={"clip-binds": 1},
        side_effects="rare long steps come through a little longer",
        source="Pascanu 2013",
        edit="nn.utils.clip_grad_norm_(model.parameters(), max_norm)   # a few times the usual norm",
    ),
    Entry(
        name="loss-scale",
        title="a loss scale, or bfloat16",
        changes="the factor under which the error travels",
        mathematics="δ · 2¹⁶ lies inside float16 and is divided out before the step",
        answers={"precision-underflow": 1},
        side_effects="a few skipped steps while the scale is found",
        source="Micikevicius 2018",
        edit="scaler = torch.amp.GradScaler(); scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()",
    ),
    Entry(
        name="float32-weights",
        title="weights in float32",
        changes="the format that the weights are stored in",
        mathematics="a step below |W| · 2⁻⁸ is lost in bfloat16, one below |W| · 2⁻²⁴ in float32",
        answers={"precision-underflow": 2},
        side_effects="twice the memory for weights",
        source="Micikevicius 2018, master weights",
        edit="keep model in float32 and use torch.autocast(device, dtype=torch.bfloat16) for the forward pass",
    ),
    Entry(
        name="raise-lr",
        kind="surgery",
        title="raise the learning rate",
        changes="the size of every step",
        mathematics="‖ΔW‖/‖W‖ near 10⁻³ moves a layer by its own size in a thousand steps",
        answers={"lr-too-low": 1, "epsilon-binds": 2, "clip-binds": 2},
        side_effects="too far, and the loss swings",
        source="CS231n",
        edit="lr = 10 × lr, until the loss falls in tens of steps; no scheduler that lowers it before",
        cost="no time",
        params=(Param("factor", 10.0, "of every group's rate; a scheduler goes on below it"),),
    ),
    Entry(
        name="less-noise",
        title="less noise in the gradient",
        changes="dropout and batch",
        mathematics="the mean over B examples has 1/B of the variance; dropout p adds p/(1 − p)",
        answers={"noise-dominates": 1},
        side_effects="less regularisation",
        source="Srivastava 2014",
        edit="nn.Dropout(p) with p from 0.1 to 0.5, none on the outputs; batches of 16 or more",
    ),
)
