"""The article's regression program in NumPy: as it is printed, and as it should be.

Letters: X, y of N = 100 examples [example, 1]; W1, b1 [1, hidden]; W2 [hidden, 1], b2 [1, 1]; z pre-activations, a1
the hidden output, p the prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Output = Literal["identity", "sigmoid"]

EXAMPLES = 100
ALPHA = 0.1
EPOCHS = 1000
TEST_X = np.array([[0.1], [0.2], [0.3], [0.4], [0.5]])
NOISE_MEAN = 0.5  # of U(0, 1): what y_test leaves out


class Data(NamedTuple):
    """Examples."""

    X: Array
    y: Array


class Weights(NamedTuple):
    """The four parameters, or their gradients."""

    W1: Array
    b1: Array
    W2: Array
    b2: Array

    @property
    def flat(self) -> Array:
        """All numbers in one row."""
        return np.concatenate([one.ravel() for one in self])


class Forward(NamedTuple):
    """What a forward pass leaves for the backward pass: what the printed program forgets."""

    z1: Array
    a1: Array
    z2: Array
    p: Array


Backward = Callable[[Data, Weights, Forward], Weights]


def sigmoid(z: Array) -> Array:
    """1/(1 + e^-z). Far below 0 the exponential overflows and the answer is exactly 0, as in the printed program."""
    with np.errstate(over="ignore"):
        out: Array = 1.0 / (1.0 + np.exp(-z))
    return out


def draw(seed: int, hidden: int = 1) -> tuple[Data, Weights]:
    """Examples and weights in the order in which the article draws them; it has no seed, so one is set here."""
    random = np.random.RandomState(seed)
    X = random.rand(EXAMPLES, 1)
    y = 3 * X + 2 + random.rand(EXAMPLES, 1)
    return Data(X, y), Weights(
        random.rand(1, hidden), random.rand(1, hidden), random.rand(hidden, 1), random.rand(1, 1)
    )


def forward(X: Array, w: Weights, output: Output = "identity") -> Forward:
    """z1 = X W1 + b1, a1 = sigmoid(z1), z2 = a1 W2 + b2, p = z2; as printed, p = sigmoid(z2)."""
    z1 = X @ w.W1 + w.b1
    a1 = sigmoid(z1)
    z2 = a1 @ w.W2 + w.b2
    return Forward(z1, a1, z2, sigmoid(z2) if output == "sigmoid" else z2)


def loss(y: Array, p: Array) -> float:
    """Mean squared error."""
    return float(np.mean((y - p) ** 2))


def output_error(data: Data, f: Forward) -> Array:
    """dL/dz2 of the corrected program: 2 (p - y)/N. [example, 1]"""
    return 2.0 * (f.p - data.y) / len(data.y)


def hidden_error(error2: Array, w: Weights, f: Forward) -> Array:
    """dL/dz1 = (dL/dz2 W2^T) sigmoid'(z1), and sigmoid' = a1 (1 - a1). [example, hidden]"""
    back: Array = error2 @ w.W2.T * f.a1 * (1 - f.a1)
    return back


def gradients(data: Data, f: Forward, error2: Array, error1: Array) -> Weights:
    """What the errors of both layers are for their parameters."""
    return Weights(
        data.X.T @ error1, error1.sum(axis=0, keepdims=True), f.a1.T @ error2, error2.sum(axis=0, keepdims=True)
    )


def backward(data: Data, w: Weights, f: Forward) -> Weights:
    """The gradient of the corrected program."""
    error2 = output_error(data, f)
    return gradients(data, f, error2, hidden_error(error2, w, f))


def backward_sigmoid_output(data: Data, w: Weights, f: Forward) -> Weights:
    """The true gradient of the printed forward pass, whose output is a sigmoid."""
    error2 = output_error(data, f) * f.p * (1 - f.p)
    return gradients(data, f, error2, hidden_error(error2, w, f))


def backward_as_printed(data: Data, w: Weights, f: Forward) -> Weights:
    """The printed backward pass with its z2 and a1 handed over, and nothing else changed."""
    d2 = 2 * (data.y - f.p)
    d1 = d2.dot(w.W2) * sigmoid(f.z2) * (1 - sigmoid(f.z2))
    dW2 = f.p.T.dot(f.a1)
    db2 = np.sum(d2)
    d1 = d1.dot(w.W1.T)
    return Weights(data.X.T.dot(d1), np.sum(d1).reshape(1, 1), dW2, db2.reshape(1, 1))


def update(w: Weights, g: Weights, alpha: float = ALPHA) -> Weights:
    """W -= alpha dW, as printed."""
    return Weights(*(one - alpha * gradient for one, gradient in zip(w, g, strict=True)))


class Epoch(NamedTuple):
    """One epoch before its update."""

    epoch: int
    weights: Weights
    seen: Forward


def train(
    data: Data, w: Weights, how: Backward, output: Output = "identity", on_epoch: Callable[[Epoch], Any] | None = None
) -> Weights:
    """All epochs on all examples. on_epoch sees every epoch before its update, and the end as epoch 1000."""
    for epoch in range(EPOCHS):
        seen = forward(data.X, w, output)
        if on_epoch is not None:
            on_epoch(Epoch(epoch, w, seen))
        w = update(w, how(data, w, seen))
    if on_epoch is not None:
        on_epoch(Epoch(EPOCHS, w, forward(data.X, w, output)))
    return w


def least_squares(data: Data) -> float:
    """Mean squared error of the best straight line: what no line can beat on these examples."""
    A = np.hstack([data.X, np.ones_like(data.X)])
    solution = np.linalg.lstsq(A, data.y, rcond=None)[0]
    return loss(data.y, A @ solution)


def gradient_check(data: Data, w: Weights, how: Backward, h: float = 1e-5) -> float:
    """Largest error of a gradient against central differences, relative to the largest of its numbers.

    Law: (L(w + h) - L(w - h)) / 2h, float64. At 0 gradient: nan. At inf or nan in the loss: nan. Source: Taylor.
    """
    own = how(data, w, forward(data.X, w)).flat
    numeric = np.empty_like(own)
    for i in range(len(own)):
        up, down = (loss(data.y, forward(data.X, _moved(w, i, step)).p) for step in (h, -h))
        numeric[i] = (up - down) / (2 * h)
    return float(np.max(np.abs(own - numeric)) / np.max(np.abs(numeric)))


def _moved(w: Weights, index: int, step: float) -> Weights:
    flat = w.flat
    flat[index] += step
    sizes = np.cumsum([one.size for one in w])[:-1]
    return Weights(*(part.reshape(one.shape) for part, one in zip(np.split(flat, sizes), w, strict=True)))
