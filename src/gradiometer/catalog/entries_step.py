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
        kind="surgery",
        title="a loss scale",
        changes="the factor under which the error travels back",
        mathematics="δ × 2¹⁶ lies inside float16; gradients are divided by it, in float32, before they are read",
        answers={"precision-underflow": 1},
        side_effects="a pass whose gradient overflows counts as none, and halves the scale; hooks on errors "
        "see scaled ones; second derivatives are not scaled",
        source="Micikevicius 2018",
        edit="scaler = torch.amp.GradScaler(); scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()",
        cost="one look at every gradient a step",
        params=(Param("scale", 65536.0, "a power of two, to begin with; it adapts as torch's GradScaler does"),),
    ),
    Entry(
        name="float32-weights",
        kind="surgery",
        title="weights in float32, computed with in bfloat16",
        changes="the format that trained weights and the optimizer's state are stored in",
        mathematics="a step below |W| × 2⁻⁹ is lost in bfloat16, below |W| × 2⁻²⁵ in float32; bfloat16 ends at 10⁻³⁸",
        answers={"precision-underflow": 2},
        side_effects="twice the memory for weights; a float16 network computes with 3 binary digits less, and puts out "
        "float32",
        source="Micikevicius 2018, master weights",
        edit="keep model in float32 and use torch.autocast(device, dtype=torch.bfloat16) for the forward pass",
        cost="a cast of every weight a pass, and twice the memory for weights, gradients and state",
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
