"""The networks that there are, and what they are made of. What cannot be put together: ``refusals``."""

from __future__ import annotations

from .choice import Choice, table

NETWORKS = table(
    Choice("plain", "depth × (weights, norm, activation): nothing helps the error on its way", ("vector",)),
    Choice("cnn", "plain, of 3-wide circular convolutions over 1 or 2 axes", ("grid",)),
    Choice("residual", "x + φ(Wx): the skip keeps the error and the branch adds to it", ("vector",)),
    Choice("residual-scaled", "x + φ(Wx)/√L: residual that stays below √e in all, whatever the depth", ("vector",)),
    Choice("preact", "x + W₂φ(W₁φ(x)): the stream itself passes no activation", ("vector",)),
    Choice("preact-scaled", "x + W₂φ(W₁φ(x))/√L", ("vector",)),
    Choice("rezero", "x + α φ(Wx), α learned from 0: the error passes unchanged at first", ("vector",)),
    Choice("skipinit", "x + α W₂φ(W₁φ(x)), α learned from 0", ("vector",)),
    Choice("highway", "T φ(Wx) + (1−T) x with a learned gate T, σ(−2) at first", ("vector",)),
    Choice("dense", "each block reads all blocks before it (DCN as Densely Connected Network)", ("vector",)),
    Choice("cross-v1", "x₀ (wᵀx) + b + x, no activation (DCN as Deep & Cross, 2017)", ("vector",)),
    Choice("cross-v2", "x₀ ⊙ (Wx + b) + x, no activation (DCN as Deep & Cross, 2021)", ("vector",)),
    Choice("separable", "depthwise, then pointwise convolution (DCN as it is most likely meant)", ("grid",)),
    Choice("low-rank", "weights as a product UV of rank width/4 (DCN as decomposed network)", ("vector",)),
    Choice("auxiliary", "plain with a head of its own after every second block", ("vector",)),
    Choice("rnn", "depth × nn.RNN, tanh or relu; the head reads the last time step", ("sequence",)),
    Choice("gru", "depth × nn.GRU, its own gates and tanh", ("sequence",)),
    Choice("lstm", "depth × nn.LSTM with forget bias 1, its own gates and tanh", ("sequence",)),
    Choice("transformer-pre", "x + F(LayerNorm x), attention and feed-forward in turn", ("sequence",)),
    Choice("transformer-post", "LayerNorm(x + F(x)), as first published", ("sequence",)),
)
ACTIVATIONS = table(
    Choice("linear", "x: keeps the error; depth then adds no power"),
    Choice("relu", "max(0, x): half of the units pass the error, whole"),
    Choice("leaky_relu", "x, or .01 x below 0: no unit is ever off"),
    Choice("prelu", "x, or a x below 0, a learned from .25"),
    Choice("tanh", "odd, slope 1 at 0, flat beyond ±2"),
    Choice("erf", "the error function: tanh's shape with every mean in closed form"),
    Choice("sigmoid", "1/(1+e⁻ˣ): slope ¼ at most, and a mean of ½"),
    Choice("centred_sigmoid", "sigmoid − ½: slope ¼ at most, no mean"),
    Choice("hardtanh", "x cut at ±1: slope 1 or exactly 0"),
    Choice("relu6", "ReLU cut at 6: off on both sides"),
    Choice("elu", "x, or eˣ−1 below 0"),
    Choice("selu", "ELU scaled so that mean 0 and variance 1 stay (with lecun)"),
    Choice("gelu", "x Φ(x): smooth ReLU of transformers; He keeps 71 % of its error a hop"),
    Choice("silu", "x σ(x), also called swish; He keeps 71 % of its error a hop"),
    Choice("mish", "x tanh(softplus x): near SiLU"),
    Choice("softplus", "ln(1+eˣ): smooth, but no weight variance keeps its error"),
    Choice("softsign", "x/(1+|x|): odd, flattens slower than tanh"),
)
INITS = table(
    Choice("torch", "what torch.nn does by itself: U(±1/√fan-in), weights and biases"),
    Choice("xavier", "U of variance 2/(fan-in + fan-out): made for tanh (Glorot 2010)"),
    Choice("he", "N(0, 2/fan-in): made for ReLU (He 2015)"),
    Choice("he_fan_out", "N(0, 2/fan-out), groups counted (torch.nn.init leaves them out)"),
    Choice("lecun", "N(0, 1/fan-in): made for SELU and normalised inputs (LeCun 1998)"),
    Choice("orthogonal", "orthogonal matrices: in linear layers every error keeps its length (Saxe 2014)"),
    Choice("normal_0.01", "N(0, .01²) whatever the width"),
    Choice("normal_0.02", "N(0, .02²) whatever the width"),
    Choice("critical", "variances at which this activation keeps error and signal; first layer set by the data"),
    Choice("lsuv", "orthogonal, then each layer scaled to output variance 1 on a batch (Mishkin 2016)"),
    Choice("article", "U(0, 1) for weights and biases, as the article's program draws them"),
)
NORMS = table(
    Choice("none", "no normalisation (transformers have LayerNorm by construction)"),
    Choice("batch", "batch normalisation before each activation"),
    Choice("layer", "layer normalisation before each activation, over units or channels"),
    Choice("rms", "RMS normalisation before each activation: as layer, the mean stays"),
)
