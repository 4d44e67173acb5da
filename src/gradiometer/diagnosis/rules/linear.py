"""A stack of layers without an activation, where the task needs more.

Cause: activation-missing. Not meant: a single layer (linear, logistic and softmax regression), a linear bottleneck
(principal components, a factorised matrix, a low-rank adapter), and a linear stack that reaches the floor of its loss.
"""

from __future__ import annotations

from ...catalog import Context, cures_for
from ...records import Alternative, Evidence, Finding, ModuleSeen, Severity
from .. import limits, proof
from .. import wording_network as wording
from ..limits import OURS, Limit
from ..reading import Reading
from ..rule import Card, Rule

LEFT_SHARE = Limit(0.10, OURS)  # of the trivial loss that is left where a linear map can do no better
LINEAR_OPS = frozenset(
    {"Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution", "Addmv", "Mv", "Embedding", "EmbeddingBag"}
    | {"View", "UnsafeView", "ReshapeAlias", "Permute", "Transpose", "T", "Squeeze", "Unsqueeze", "Alias", "Clone"}
    | {"Expand", "ToCopy", "AsStrided", "Detach", "Slice", "Select", "Cat", "Stack", "Unbind", "Split", "Rsub"}
    | {"Add", "Sub", "Mean", "Sum", "Neg", "NativeDropout", "AvgPool2D", "AdaptiveAvgPool2D", "MkldnnConvolution"}
    | {"CudnnConvolution", "ConstantPadNd", "Index", "UnsafeSplit", "SplitWithSizes", "Gather", "IndexSelect"}
    | {"NativeBatchNorm", "CudnnBatchNorm", "Div", "Mul"}  # by constants, or by a mask of dropout
)
OUTPUT_OPS = frozenset({"Sigmoid", "Softmax", "LogSoftmax", "LogSigmoid"})


def find(reading: Reading) -> tuple[Finding, ...]:
    """Two weight layers or more, no bottleneck between them, and no operation that is not linear."""
    layers = _layers(reading)
    if len(layers) < 2 or not _linear(reading) or not reading.network.ops:
        return ()
    needless = [m for m in layers[:-1] if m.fan_out >= min(layers[0].fan_in, layers[-1].fan_out)]
    if not needless:
        return ()
    share = reading.trivial_share
    stays = reading.last_step >= limits.PATIENCE_STEPS.value and not reading.falling
    stuck = stays and share >= LEFT_SHARE.value
    severity: Severity = "fail" if stuck and reading.level_known else "warn"
    if reading.last_step >= limits.CRAWL_STEPS.value and not share >= LEFT_SHARE.value:
        return ()
    return (
        Finding(
            model=reading.model,
            symptom="stalled",
            cause="activation-missing",
            severity=severity,
            sites=tuple(m.path for m in reversed(layers)),
            steps=proof.span(reading),
            summary=wording.no_activation(len(layers)),
            evidence=(
                Evidence("weight layers in a row without an activation", len(layers), "layers", 1.0, OURS, True),
                proof.above("last loss / trivial loss", share, "1", LEFT_SHARE),
            ),
            cures=cures_for("activation-missing", Context()),
            alternatives=(Alternative("capacity-too-small", "more width does not help a linear map"),),
        ),
    )


def _layers(reading: Reading) -> list[ModuleSeen]:
    """The modules with weights that ran, input first; embeddings are look-ups."""
    ran = {s.path: i for i, s in reversed(list(enumerate(reading.run.sites(reading.model)))) if s.kind == "output"}
    layers = [m for m in reading.network.modules if m.role == "weights" and m.kind != "embedding" and m.path in ran]
    return sorted(layers, key=lambda m: ran[m.path])


def _linear(reading: Reading) -> bool:
    """Nothing in the forward pass bends, but for an activation on the output."""
    bends = {op for op in reading.network.ops if op not in LINEAR_OPS}
    if bends - OUTPUT_OPS:
        return False
    return not bends or not _inner_activation(reading)


def _inner_activation(reading: Reading) -> bool:
    """True where the sigmoid or softmax stands below some layer, not on the output."""
    return any(p.role == "activation" for hop in reading.network.hops for p in hop.parts)


CARDS = (
    Card(
        cause="activation-missing",
        what="Several weight layers stand in a row with no activation between them: together they are one linear map.",
        seen=(
            "No operation of the forward pass bends: no activation ran, though modules may exist.",
            "The loss stops well above its floor.",
        ),
        limits=(("last loss / trivial loss", LEFT_SHARE),),
        alike=(("capacity-too-small", "there activations are present and units are too few"),),
        spared=(
            "a single layer: linear, logistic and softmax regression",
            "a linear bottleneck: principal components, factorised matrices, low-rank adapters",
            "a linear stack whose loss reaches a tenth of the trivial one",
        ),
        earliest="step 0",
    ),
)
RULE = Rule("linear", find, CARDS)
