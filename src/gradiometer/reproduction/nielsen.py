"""Nielsen 2015, chapter 5: the layers of sigmoid networks learn the slower the earlier they are."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from gradiometer.theory import activation, chi, variance_map
from gradiometer.views import Axis, Figure, Series

from .experiment import Experiment, Order, Outcome, Row
from .measure import Array, first_pass
from .plain import Activation, alone, dense_network, drawn, normal_draw, pixels
from .workers import each

WIDTH = 30
PUBLISHED: dict[int, tuple[str, ...]] = {
    2: (".31", ".07"),
    3: (".283", ".060", ".012"),
    4: (".285", ".070", ".017", ".003"),
}
"""Hidden layers -> ‖∂C/∂b‖ of each hidden layer as printed, loss first."""
SOURCE = "Nielsen 2015, chapter 5"
RATIO = (0.17, 0.23)  # .2 ± .03
RANK = (0.01, 0.99)  # one published draw beside many: it must not be rarer than 1 in 100 on either side
UNEVEN_MOST = 1.25  # largest over smallest median ratio of one network: a geometric series has 1
SIDE, FRAME = 20, 28  # MNIST too is a picture of 20 x 20 in a frame of 28 x 28
EXAMPLES = 1000  # as published


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One network: hidden layers, activation, seed of its weights."""

    depth: int
    activation: Activation
    seed: int


@lru_cache(maxsize=1)
def _data() -> tuple[Tensor, Tensor]:
    """Digits of 8 x 8 drawn into MNIST's frame [example, 784], and one-hot targets."""
    split = pixels()
    small = split.inputs[:EXAMPLES].reshape(-1, 1, 8, 8)
    large = F.interpolate(small, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    edge = (FRAME - SIDE) // 2
    return F.pad(large, (edge,) * 4).flatten(1), F.one_hot(split.targets[:EXAMPLES], 10).float()


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of ten sigmoid outputs, summed over them and averaged over the examples: network2.py's cost."""
    return F.binary_cross_entropy_with_logits(model(batch[0]), batch[1], reduction="sum") / len(batch[0])


def layer_gradients(case: Case) -> Array:
    """‖∂C/∂b‖ of each hidden layer [layer], loss first."""
    widths = [FRAME * FRAME, *[WIDTH] * case.depth, 10]
    network = drawn(dense_network(widths, case.activation), normal_draw(1.0, 1.0), case.seed)
    biases = [f"layer{number}.bias" for number in range(case.depth, 0, -1)]
    return first_pass(network, _data(), _loss).gradient_norms(biases)


def outcome(order: Order, kind: Activation = nn.Sigmoid) -> Outcome:
    """The experiment with an activation; the published one is the sigmoid."""
    inits = 16 if order.quick else 150
    gradients: dict[int, Array] = {}  # hidden layers -> [init, layer]
    for depth in PUBLISHED:
        cases = [Case(depth, kind, seed) for seed in range(inits)]
        gradients[depth] = np.array(each(layer_gradients, cases, alone(order), f"{depth} hidden layers"))
    rows = [row for depth, found in gradients.items() for row in _rows(depth, found)]
    rows.append(_even_row(gradients[4]))
    theory = mean_field_ratio()
    notes = (
        "MNIST is not at hand: the digits of scikit-learn (8 × 8), drawn 20 × 20 into MNIST's frame of 28 × 28; mean "
        "square of a pixel .10, MNIST about .11.",
        f"Nielsen printed one draw of each network; here {inits} draws of each. Mean field for wide layers: "
        f"×{theory:.4f} a hop.",
    )
    reasons = () if all(row.holds for row in rows) else (_REASON,)
    return Outcome(
        name="nielsen",
        rows=tuple(rows),
        figures=tuple(_figure(depth, gradients[depth], theory) for depth in sorted(PUBLISHED, reverse=True)),
        notes=notes,
        reasons=reasons,
        quick=order.quick,
    )


_REASON = (
    "The ratio of a hop is √(Var W · fan-in · E φ′²): another activation, variance of the weights or of the biases "
    "gives another one."
)


def mean_field_ratio() -> float:
    """Norm gain of one hop at the fixed point of σw² = 1, σb² = 1.

    law: √χ = √(D2(q*)).
    shapes, units: no number in, pure number out.
    at 0: never.
    at inf/nan: never.
    source: Schoenholz 2017.
    """
    act, q = activation("sigmoid"), 1.0
    for _ in range(100):
        q = float(variance_map(act, 1.0, 1.0, q))
    return float(np.sqrt(chi(act, 1.0, q)))


def _rows(depth: int, found: Array) -> list[Row]:
    """Layers are shown, hops are judged; found [init, layer], loss first."""
    rows = []
    for place, printed in enumerate(PUBLISHED[depth]):
        name = f"{depth} hidden layers: ‖∂C/∂b‖ of layer {depth - place}"
        rows.append(Row(name=name, published=printed, source=SOURCE, values=tuple(found[:, place].tolist())))
    for place in range(depth - 1):
        upper, lower = (float(PUBLISHED[depth][place + i]) for i in (0, 1))
        rows.append(
            Row(
                name=f"{depth} hidden layers: layer {depth - place - 1} over layer {depth - place}",
                published=f"{lower / upper:.2f}".removeprefix("0"),
                source=f"{SOURCE}, from the printed norms",
                values=tuple((found[:, place + 1] / found[:, place]).tolist()),
                low=RATIO[0],
                high=RATIO[1],
            )
        )
    below = float((found[:, -1] < float(PUBLISHED[depth][-1])).mean())
    rows.append(
        Row(
            name=f"{depth} hidden layers: share of draws whose layer 1 is below the printed one",
            values=(below,),
            low=RANK[0],
            high=RANK[1],
        )
    )
    return rows


def _even_row(found: Array) -> Row:
    ratios = np.median(found[:, 1:] / found[:, :-1], axis=0)  # [hop]
    return Row(
        name="4 hidden layers: largest over smallest ratio of a hop",
        published="geometric",
        source=f"{SOURCE}, in words",
        values=(float(ratios.max() / ratios.min()),),
        high=UNEVEN_MOST,
    )


def _figure(depth: int, found: Array, theory: float) -> Figure:
    """found: [init, layer], loss first; measured with the middle nine tenths of the draws."""
    decades = np.log10(found) - np.log10(np.median(found[:, 0]))
    low, middle, high = (tuple(v.tolist()) for v in np.quantile(decades, (0.05, 0.5, 0.95), axis=0))
    printed = np.log10([float(p) for p in PUBLISHED[depth]])
    series = (
        Series("measured", "error", "line", middle, low, high),
        Series("published", "error", "hollow", tuple((printed - printed[0]).tolist())),
        Series("mean field", "theory", "dashed", tuple((np.arange(depth) * np.log10(theory)).tolist())),
    )
    labels = tuple(str(number) for number in range(depth, 0, -1))
    axes = (Axis("hidden layer", "", "sites", labels), Axis("‖∂C/∂b‖ left", "decades", "decades"))
    return Figure(f"{depth} hidden layers: gradient of each at the start", axes, series)


EXPERIMENT = Experiment(
    name="nielsen",
    title="Early layers of sigmoid networks learn slower, by one factor a layer",
    source="Nielsen, Neural Networks and Deep Learning, 2015, chapter 5",
    rule="Each hop keeps .2 ± .03 of the gradient (median over draws), the hops of one network differ by at most 25 %, "
    "and no printed first layer is rarer than 1 in 100 among the draws.",
    setting="[784, 30, ..., 30, 10] with 2 to 4 hidden layers, sigmoid, W ~ N(0, 1/n), b ~ N(0, 1), cross-entropy over "
    "1000 examples, measured by Gradiometer. Differs: digits of scikit-learn in MNIST's frame.",
    run=outcome,
)
