"""Cures that draw weights anew: initialisations, and units that never fire."""

from __future__ import annotations

from functools import partial

from . import predictions
from .entry import Entry

ONE_PASS = "one forward pass over the batch, once"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="critical",
        kind="surgery",
        title="critical init for this activation",
        changes="weight and bias variance of every layer, by the activation that really follows it",
        mathematics="σw² = 1/D2(q), σb² = q − M2(q)/D2(q): error and signal both keep their size; first layer "
        "(q − σb²)/E x², before another layer 1, output 1/E x²; true fan-in of grouped and transposed convolutions",
        answers={"init-too-small": 1, "init-too-large": 1, "depth-without-skip": 6},
        side_effects="what was learned is lost; the first layer fits the data of the batch that is given; layers that "
        "drive a gate or attention are left as they are",
        source="Schoenholz 2017; Poole 2016; Roberts and Yaida 2022",
        edit="nn.init.normal_(layer.weight, std=(sigma_w2 / layer.in_features) ** 0.5)  # {recipe}",
        predict=predictions.at_critical_init,
        cost=ONE_PASS,
    ),
    Entry(
        name="lsuv",
        kind="surgery",
        title="LSUV, unit variance from one batch",
        changes="orthogonal weights, their scale measured on a batch, layer after layer",
        mathematics="W ← W/std(Wx), so that every layer puts out variance one",
        answers={"init-too-small": 2, "init-too-large": 2},
        side_effects="what was learned is lost; keeps the error only where D2/M2 is near one",
        source="Mishkin 2016",
        edit="for each layer, first to last: layer.weight.data /= layer(x).std()",
        predict=predictions.unit_variance,
        cost=ONE_PASS,
    ),
    Entry(
        name="he",
        kind="surgery",
        title="He init",
        changes="weight variance, biases 0",
        mathematics="Var W = 2/fan_in: gain 1 for ReLU, 0.71 for GELU and SiLU, above 1 for tanh",
        answers={"init-too-small": 5, "init-too-large": 6},
        side_effects="what was learned is lost; fits rectifiers alone",
        source="He 2015",
        edit='nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"); nn.init.zeros_(layer.bias)',
        predict=partial(predictions.named_init, "he"),
        cost=ONE_PASS,
    ),
    Entry(
        name="xavier",
        kind="surgery",
        title="Xavier init",
        changes="weight variance, biases 0",
        mathematics="Var W = 2/(fan_in + fan_out), uniform: gain near 1 for tanh, 0.71 for ReLU",
        answers={"init-too-small": 6, "init-too-large": 7},
        side_effects="what was learned is lost; fits tanh-like activations alone",
        source="Glorot 2010",
        edit="nn.init.xavier_uniform_(layer.weight); nn.init.zeros_(layer.bias)",
        predict=partial(predictions.named_init, "xavier"),
        cost=ONE_PASS,
    ),
    Entry(
        name="orthogonal",
        kind="surgery",
        title="orthogonal weights, same variance",
        changes="the spectrum of the weights",
        mathematics="all singular values equal: no spread beyond that of φ'",
        answers={"depth-without-skip": 3},
        side_effects="what was learned is lost; helps tanh-like units more than rectifiers",
        source="Saxe 2014; Pennington 2017",
        edit="nn.init.orthogonal_(layer.weight, gain=sigma_w)",
        cost=ONE_PASS,
    ),
    Entry(
        name="random-init",
        kind="surgery",
        title="random weights",
        changes="the weights of layers whose units are all equal",
        mathematics="rows drawn apart get gradients of their own; variance as in critical",
        answers={"init-symmetric": 1},
        side_effects="none",
        source="He 2015; Glorot 2010",
        edit='nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"); nn.init.zeros_(layer.bias)',
        cost=ONE_PASS,
    ),
    Entry(
        name="true-fan",
        kind="surgery",
        title="the true fan of grouped layers",
        changes="the variance of grouped convolutions",
        mathematics="fan_out = k² C_out / groups; torch.nn.init counts k² C_out",
        answers={"init-wrong-fan": 1},
        side_effects="what these layers learned is lost",
        source="He 2015, counted per group",
        edit="nn.init.normal_(conv.weight, std=(2 * conv.groups / (conv.out_channels * k * k)) ** 0.5)",
        cost=ONE_PASS,
    ),
    Entry(
        name="reinit-dead",
        kind="surgery",
        title="re-initialise the dead units",
        changes="incoming weights and bias of units that never fire on the batch",
        mathematics="fresh row of variance 2/fan_in, bias −median(Wx): the unit fires for half of the inputs again",
        answers={"activation-dead": 3},
        side_effects="the units start from noise; the cause of the death stays",
        source="theory of rectifiers, section 6",
        edit="nn.init.normal_(layer.weight[dead], std=(2 / layer.in_features) ** 0.5); layer.bias[dead] = 0",
        cost="one or two forward passes a layer, once",
    ),
)
