"""The catalog's cures as values: what each changes, by which mathematics, for which causes, at what price."""

from __future__ import annotations

from functools import partial

from . import entries_ends, entries_network, entries_norms, entries_skips, entries_step, entries_wiring, predictions
from .entry import Entry, Param

RECTIFIERS = frozenset({"relu", "leaky_relu", "prelu"})
SHRINKS, SMALL, LARGE = "activation-shrinks-error", "init-too-small", "init-too-large"
SATURATED, DEAD, DEPTH = "activation-saturated", "activation-dead", "depth-without-skip"

INITIALISATION = (
    Entry(
        name="critical",
        title="critical init for this activation",
        changes="weight and bias variance",
        mathematics="σw² = 1/D2(q), σb² = q − M2(q)/D2(q): error and signal both keep their size",
        answers={SMALL: 1, LARGE: 1, DEPTH: 6},
        side_effects="none at initialisation; the first layer must be set from real data",
        source="Schoenholz 2017; Poole 2016",
        edit="nn.init.normal_(layer.weight, std=(sigma_w2 / layer.in_features) ** 0.5)  # {recipe}",
        predict=predictions.at_critical_init,
    ),
    Entry(
        name="lsuv",
        title="LSUV, unit variance from one batch",
        changes="weight scale of every layer, measured on a batch",
        mathematics="W ← W/std(Wx), so that every pre-activation has variance one",
        answers={SMALL: 2, LARGE: 2},
        side_effects="needs a batch; keeps the error only where D2/M2 is near one",
        source="Mishkin 2016",
        edit="for each layer, first to last: layer.weight.data /= layer(x).std()",
        predict=predictions.unit_variance,
    ),
    Entry(
        name="reinit-dead",
        title="re-initialise the dead units",
        changes="incoming weights and bias of units that never fire",
        mathematics="fresh row of variance 2/fan_in, bias 0: the unit fires for half of the inputs again",
        answers={DEAD: 3},
        side_effects="the units start from noise; the cause of the death stays",
        source="theory of rectifiers, section 6",
        edit="nn.init.normal_(layer.weight[dead], std=(2 / layer.in_features) ** 0.5); layer.bias[dead] = 0",
    ),
)

ACTIVATIONS = (
    Entry(
        name="tanh",
        title="tanh, critical point",
        changes="activation and its weight variance",
        mathematics="σw² = 1.761, σb² = 0.05 hold q = 0.57 and gain 1",
        answers={SHRINKS: 1},
        side_effects="the range is (−1, 1), no longer that of a probability",
        source="Schoenholz 2017",
        edit="nn.Sigmoid() → nn.Tanh(); std = (1.761 / fan_in) ** 0.5, bias std = 0.05 ** 0.5",
        predict=partial(predictions.exchange_critical, "tanh"),
        not_for=frozenset({"tanh"}),
    ),
    Entry(
        name="relu",
        title="ReLU, He init",
        changes="activation and its weight variance",
        mathematics="σw² = 2, D2 = 1/2: gain 1 for every q",
        answers={SHRINKS: 3, SATURATED: 4},
        side_effects="outputs are not bounded; units can die",
        source="He 2015",
        edit='nn.ReLU(); nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")',
        predict=partial(predictions.exchange_critical, "relu"),
        not_for=RECTIFIERS,
    ),
    Entry(
        name="relu-bare",
        title="ReLU, init as it is",
        changes="activation alone",
        mathematics="D2 becomes 1/2, σw² stays",
        answers={SHRINKS: 5},
        side_effects="the weights stay below the critical variance",
        source="theory, section 6",
        edit="nn.ReLU()",
        predict=partial(predictions.exchange_bare, "relu"),
        not_for=RECTIFIERS,
    ),
    Entry(
        name="leaky",
        title="leaky ReLU, slope 0.2",
        changes="activation",
        mathematics="φ' ≥ 0.2 everywhere: no unit can be off for all inputs; σw² = 2/(1 + a²)",
        answers={DEAD: 2},
        side_effects="less sparse",
        source="Maas 2013; He 2015",
        edit="nn.ReLU() → nn.LeakyReLU(0.2)",
        not_for=frozenset({"leaky_relu", "prelu"}),
    ),
)

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
    ),
    Entry(
        name="orthogonal",
        kind="surgery",
        title="orthogonal weights, same variance",
        changes="the spectrum of the weights",
        mathematics="all singular values equal: no spread beyond that of φ'",
        answers={DEPTH: 3},
        side_effects="none at initialisation; helps tanh-like units more than rectifiers",
        source="Saxe 2014; Pennington 2017",
        edit="nn.init.orthogonal_(layer.weight, gain=sigma_w)",
    ),
)

STEP = (
    Entry(
        name="lower-lr",
        title="lower the learning rate",
        changes="the size of every step",
        mathematics="‖ΔW‖/‖W‖ back below 0.03",
        answers={"lr-too-high": 1, DEAD: 1, SATURATED: 1},
        side_effects="slower where the rate was right",
        source="CS231n",
        edit="lr={rate_tenth}   # a tenth",
    ),
    Entry(
        name="warm-up",
        title="warm up the learning rate",
        changes="the first steps",
        mathematics="lr grows linearly from 0 over the first steps",
        answers={"lr-too-high": 2, DEAD: 4},
        side_effects="a few steps later",
        source="Goyal 2017",
        edit="torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)",
    ),
    Entry(
        name="clip",
        title="clip the gradient norm",
        changes="the length of steps that are too long",
        mathematics="g ← g · min(1, τ/‖g‖), τ a few times the median norm",
        answers={"lr-too-high": 3, LARGE: 4, "norm-explodes-error": 3},
        side_effects="hides the cause; a clip that binds at every step is only a lower rate",
        source="Pascanu 2013",
        edit="nn.utils.clip_grad_norm_(model.parameters(), max_norm)",
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

MORE = entries_wiring.ENTRIES + entries_ends.ENTRIES + entries_network.ENTRIES + entries_step.ENTRIES
MORE += entries_norms.ENTRIES + entries_skips.ENTRIES
ENTRIES: tuple[Entry, ...] = INITIALISATION + ACTIVATIONS + ARCHITECTURE + STEP + ADVICE + MORE
