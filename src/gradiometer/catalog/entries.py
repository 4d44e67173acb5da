"""The catalog's cures as values: what each changes, by which mathematics, for which causes, at what price."""

from __future__ import annotations

from . import (
    entries_activation,
    entries_ends,
    entries_init,
    entries_network,
    entries_norms,
    entries_optimizer,
    entries_skips,
    entries_start,
    entries_step,
    entries_wiring,
    predictions,
)
from .entry import Entry, Param

SHRINKS, SMALL, LARGE = "activation-shrinks-error", "init-too-small", "init-too-large"
SATURATED, DEAD, DEPTH = "activation-saturated", "activation-dead", "depth-without-skip"

ARCHITECTURE = (
    Entry(
        name="skip",
        kind="surgery",
        title="skips, 1/√L branches",
        changes="an identity beside every layer, the branch scaled by 1/√L",
        mathematics="J = I + J_F/√L: gain² = 1 + χ/L a hop, at most e over the depth",
        answers={DEPTH: 1, SHRINKS: 2, "norm-explodes-error": 1, SMALL: 4},
        side_effects="needs equal widths or a projection; often wants a larger rate",
        source="He 2016; Yang and Schoenholz 2017",
        edit="x = x + f(x) / L ** 0.5   # L = number of layers with a skip",
        predict=predictions.scaled_skip,
        cost="one addition a layer; the stream is kept until the next pass",
        params=(Param("scale", 0.0, "factor of each branch; 0 takes 1/√L"),),
    ),
    Entry(
        name="rezero",
        kind="surgery",
        title="ReZero skips",
        changes="an identity beside every layer, the branch times a learned α that starts at 0",
        mathematics="J = I at the start",
        answers={DEPTH: 2},
        side_effects="branches start slowly",
        source="Bachlechner 2020",
        edit="x = x + self.alpha * f(x)   # alpha = nn.Parameter(torch.zeros(()))",
        predict=lambda context: 1.0,
        cost="one addition a layer and one number to learn; the stream is kept until the next pass",
    ),
    Entry(
        name="batchnorm",
        kind="surgery",
        title="BatchNorm before the activation",
        changes="a normalisation in every hop",
        mathematics="gain² = D2/Var φ ≥ 1, whatever the weights",
        answers={SMALL: 3, SHRINKS: 4, LARGE: 3, SATURATED: 2},
        side_effects="couples the examples of a batch; explodes where it is deep and has no skips",
        source="Ioffe 2015; Yang 2019",
        edit="nn.Sequential(linear, nn.BatchNorm1d(linear.out_features), activation)",
        predict=predictions.batch_norm,
        cost="one pass over each normalised signal a step; two parameters a unit",
    ),
    Entry(
        name="layernorm",
        kind="surgery",
        title="LayerNorm before the activation",
        changes="a normalisation in every hop, or the axis of a BatchNorm",
        mathematics="gain² = D2/M2 in place of D2/Var φ",
        answers={"norm-explodes-error": 2},
        side_effects="no batch coupling; not the same regularisation",
        source="Ba 2016; Yang 2019",
        edit="nn.Sequential(linear, nn.LayerNorm(n), activation); nn.BatchNorm1d(n) → nn.LayerNorm(n)",
        predict=predictions.unit_variance,
        cost="one pass over each normalised signal a step; two parameters a unit",
    ),
)

STEP = (
    Entry(
        name="lower-lr",
        kind="surgery",
        title="lower the learning rate",
        changes="the size of every step",
        mathematics="‖ΔW‖/‖W‖ back below 0.03",
        answers={"lr-too-high": 1, DEAD: 1, SATURATED: 1},
        side_effects="slower where the rate was right",
        source="CS231n",
        edit="lr={rate_tenth}   # a tenth",
        cost="no time",
        params=(Param("factor", 0.1, "of every group's rate; a scheduler goes on above it"),),
    ),
    Entry(
        name="warm-up",
        kind="surgery",
        title="warm up the learning rate",
        changes="the first steps",
        mathematics="lr grows linearly from 0 over the first steps",
        answers={"lr-too-high": 2, DEAD: 4},
        side_effects="a few steps later",
        source="Goyal 2017",
        edit="torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)",
        cost="no time",
        params=(Param("steps", 100, "over which the rate grows"),),
    ),
    Entry(
        name="clip",
        kind="surgery",
        title="clip the gradient norm",
        changes="the length of steps that are too long",
        mathematics="g ← g · min(1, τ/‖g‖), τ a few times the median norm",
        answers={"lr-too-high": 3, LARGE: 4, "norm-explodes-error": 3},
        side_effects="hides the cause; a clip that binds at every step is only a lower rate",
        source="Pascanu 2013",
        edit="nn.utils.clip_grad_norm_(model.parameters(), max_norm)",
        cost="one norm of the gradient a step",
        params=(
            Param("norm", 0.0, "τ; 0 takes a multiple of the median norm of the last 100 steps"),
            Param("times", 2.0, "that multiple"),
        ),
    ),
)

ADVICE = (
    Entry(
        name="rebuild-optimizer",
        title="give the optimizer the parameters that are used",
        changes="the optimizer's list of parameters",
        mathematics="W moves only where the optimizer holds W",
        answers={"optimizer-stale": 1},
        side_effects="the optimizer's state starts anew",
        source="PyTorch, torch.optim",
        edit="build the optimizer after the last change of the model: optimizer = Optim(model.parameters(), lr=...)",
        kind="advice",
    ),
    Entry(
        name="unblock",
        title="let the error through",
        changes="the place where the graph is cut",
        mathematics="∂L/∂W exists only along a path that autograd recorded",
        answers={"gradient-blocked": 1},
        side_effects="none, if the part was to be trained",
        source="PyTorch, autograd",
        edit="remove .detach(), torch.no_grad() or requires_grad_(False) between this part and the loss",
        kind="advice",
    ),
    Entry(
        name="logit-output",
        title="an output that depends on the network",
        changes="the last operation before the loss",
        mathematics="softmax over one unit is 1 for every input: its derivative is 0",
        answers={"output-constant": 1},
        side_effects="none",
        source="theory, section 6",
        edit="one output: no softmax, nn.BCEWithLogitsLoss() on the raw output",
        kind="advice",
    ),
    Entry(
        name="standardise-inputs",
        title="standardise the inputs",
        changes="the data",
        mathematics="x ← (x − mean)/std, column by column",
        answers={"input-scale": 1, SATURATED: 3, LARGE: 5},
        side_effects="the same numbers must be used in evaluation",
        source="LeCun 1998",
        edit="x = (x - x_train.mean(0)) / x_train.std(0)",
        kind="advice",
    ),
    Entry(
        name="stable-op",
        title="a form that cannot overflow",
        changes="the operation where it was born",
        mathematics="log-sum-exp form, or an ε inside log, sqrt and division",
        answers={"non-finite-op": 1},
        side_effects="none",
        source="PyTorch, numerical accuracy",
        edit="F.cross_entropy(logits, y) for log(softmax(...)); torch.sqrt(x + eps); x / (y + eps)",
        kind="advice",
    ),
)

GROUPS: dict[str, tuple[Entry, ...]] = {
    "initialisation": entries_init.ENTRIES,
    "activations": entries_activation.ENTRIES,
    "architecture": ARCHITECTURE + entries_norms.ENTRIES + entries_skips.ENTRIES + entries_network.ENTRIES,
    "step and number format": STEP + entries_step.ENTRIES + entries_optimizer.ENTRIES,
    "output, loss, data": entries_ends.ENTRIES,
    "teachers and pre-training": entries_start.ENTRIES,
    "wiring and operations": ADVICE + entries_wiring.ENTRIES,
}
"""Every cure, by what it changes."""

ENTRIES: tuple[Entry, ...] = tuple(entry for group in GROUPS.values() for entry in group)
