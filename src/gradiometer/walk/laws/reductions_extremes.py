"""Laws of the largest, smallest and middle of many numbers.

Where a law gives a value alone, equal extremes share its error, as in torch; where it gives an index too, the element
at the index gets all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .indexing import picked
from .law import Kept, Law, Settings, Tensors, given
from .reductions_base import along, spread, sum_of
from .shapes_base import DEFINITION, one_to_one, only

Extreme = Callable[..., Tensor]


def _extreme(name: str) -> Callable[[Tensors, Settings], Tensors]:
    def forward(inputs: Tensors, settings: Settings) -> Tensors:
        x = only(inputs)
        return (extreme_of(x, settings, name),)

    return forward


def extreme_of(x: Tensor, settings: Settings, name: str) -> Tensor:
    """The largest (``amax``) or the smallest (``amin``) along the axes of the settings."""
    found: Tensor = getattr(x, name)(**along(settings, x.shape))
    return found


def shared(error: Tensor, y: Tensor, x: Tensor, settings: Settings) -> Tensor:
    """The error of a value, in equal parts, to all elements that have it."""
    ties = (x == spread(y, x.shape, settings)).to(error.dtype)
    return spread(error / sum_of(ties, settings), x.shape, settings) * ties


def _extreme_back(error: Tensor, kept: Kept) -> Tensor:
    return shared(error, given(kept.outputs, 0), given(kept.inputs, 0), kept.settings)


def _both(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs)
    return extreme_of(x, settings, "amin"), extreme_of(x, settings, "amax")


def _both_back(errors: Tensors, kept: Kept) -> Tensors:
    found: Tensor | None = None
    for error, y in zip(errors, kept.outputs, strict=True):
        if error is not None and y is not None:
            own = shared(error, y, given(kept.inputs, 0), kept.settings)
            found = own if found is None else found + own
    return (found,)


def _middle(inputs: Tensors, settings: Settings) -> Tensors:
    x = only(inputs).reshape(-1)
    return (x[x.argsort(stable=True)[(len(x) - 1) // 2]],)


def _first(x: Tensor, settings: Settings, name: str) -> Tensor:
    found: Tensor = getattr(x, name)(dim=settings["dim"], keepdim=True)
    return found


def _law(name: str, texts: tuple[str, str, str, str], pair: tuple[Any, Any], ties: str) -> Law:
    """texts: title, value, error, step."""
    title, value, error, step = texts
    return Law(name, "reduction", title, value, error, step, f"{DEFINITION}; {ties}", pair[0], pair[1])


_SHARED = "equal values share the error, as in torch"
_ONE = "the element at the index gets the error"
_TO_ALL = (
    r"\delta_{x,i} = \frac{\mathbb{1}_{x_i = y}}{\sum_j \mathbb{1}_{x_j = y}} \delta",
    r"\mathbb{1}_{x = y} \odot @d",
)
_TO_ONE = (r"\delta_x = \Pi^{\top} \delta", r"\Pi^{\top} @d")
_MAX = r"y = \operatorname{max}_i(x_i)"
_MIN = r"y = \operatorname{min}_i(x_i)"
_MEDIAN = r"y = \operatorname{median}_i(x_i)"

AMAX = _law("amax", ("max", _MAX, *_TO_ALL), (_extreme("amax"), one_to_one(_extreme_back)), _SHARED)
AMIN = _law("amin", ("min", _MIN, *_TO_ALL), (_extreme("amin"), one_to_one(_extreme_back)), _SHARED)
MEDIAN = _law("median", ("median", _MEDIAN, *_TO_ALL), (_middle, one_to_one(_extreme_back)), _SHARED)
AMINMAX = _law(
    "aminmax",
    (
        "min and max",
        r"y_1 = \operatorname{min}_i(x_i), y_2 = \operatorname{max}_i(x_i)",
        r"\delta_x = \Pi_1^{\top} \delta_1 + \Pi_2^{\top} \delta_2",
        r"\Pi^{\top} @d",
    ),
    (_both, _both_back),
    _SHARED,
)
MAX_ALONG = _law("max_along", ("max", _MAX, *_TO_ONE), picked(lambda x, settings: _first(x, settings, "argmax")), _ONE)
MIN_ALONG = _law("min_along", ("min", _MIN, *_TO_ONE), picked(lambda x, settings: _first(x, settings, "argmin")), _ONE)

EXTREMES: tuple[Law, ...] = (AMAX, AMIN, MEDIAN, AMINMAX, MAX_ALONG, MIN_ALONG)
