"""Cures by decomposition of layers ("DCN" in its readings), and by heads of their own for early layers."""

from __future__ import annotations

from .entry import Entry, Param

DEPTH = "depth-without-skip"
WEIGHTS = Param("weights", "draw", "draw: fresh weights of the same variance; svd: the nearest to those that stand")

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="low-rank",
        kind="surgery",
        title="linear layers of low rank",
        changes="each linear layer's weights: a product U V",
        mathematics="gain² = n Var V · r Var U · D2, kept at n Var W · D2; drawn factors lose 1/r nats of ‖δ‖² more",
        answers={DEPTH: 51},
        side_effects="no cure for a lost error by itself: fewer weights, less to fit with",
        source="Denil 2013; theory, section 2",
        edit="nn.Linear(n, m) → nn.Sequential(nn.Linear(n, r, bias=False), nn.Linear(r, m)), std (1/n) ** 0.5 and "
        "(n * var / r) ** 0.5",
        cost="r (n + m) weights in place of n m",
        params=(Param("rank", 0, "of the product; 0 takes a quarter of the smaller side"), WEIGHTS),
    ),
    Entry(
        name="separable",
        kind="surgery",
        title="depthwise separable convolutions",
        changes="each convolution: one filter a channel, then a mixture of channels at each position",
        mathematics="gain² = k² Var W_d · C Var W_p · D2: each factor on its own true fan, so that k² C Var W stays",
        answers={DEPTH: 52},
        side_effects="no cure for a lost error by itself; deep ones want skips or norms",
        source="Chollet 2017; Howard 2017; theory, section 2",
        edit="nn.Conv2d(c, c, k, groups=c), then nn.Conv2d(c, m, 1), std 1/k and (k * k * c * var / c) ** 0.5",
        cost="k² C + C M weights in place of k² C M",
        params=(WEIGHTS,),
    ),
    Entry(
        name="auxiliary-heads",
        kind="surgery",
        title="heads of their own for early layers",
        changes="the error: every second layer of the trunk gets a linear head, whose loss joins the network's",
        mathematics="e_l = χ e_(l+1) + c where a head reads layer l: no layer is further than a few hops from a loss",
        answers={DEPTH: 53, "activation-shrinks-error": 53},
        side_effects="early layers learn what a linear head can use; the printed loss stays that of the output alone",
        source="Lee 2015; Szegedy 2015 (weight 0.3)",
        edit="loss = criterion(out, y) + 0.3 * sum(criterion(head(h), y) for head, h in zip(heads, hidden))",
        cost="one linear head and one loss for each, in training only",
        params=(Param("weight", 0.3, "of each head's loss"), Param("every", 2, "n: a head on every n-th layer")),
    ),
)
