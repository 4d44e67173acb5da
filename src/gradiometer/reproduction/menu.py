"""The experiments by name, for a list and for the command line: neither torch nor numpy is loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Entry:
    """An experiment's name and what it shows, in one line."""

    name: str
    words: str

    @property
    def module(self) -> str:
        """Where its ``EXPERIMENT`` is."""
        return f"{__package__}.{self.name.replace('-', '_')}"


_ALL = (
    Entry("article", "the article's program kills its own gradient; its 14 defects, one by one"),
    Entry("nielsen", "layer by layer, the gradient of Nielsen's sigmoid networks falls to a fifth"),
    Entry("he2015", "30 layers of ReLU: He's initialisation trains, Xavier's stalls"),
    Entry("glorot2010", "standard initialisation loses the error, normalised initialisation keeps it"),
    Entry("yang2019", "batch normalisation before ReLU makes the gradient explode, 1.467 a hop"),
    Entry("hanin2018", "depth over width decides how much the gradient varies from draw to draw"),
    Entry("loss", "one saturated neuron: squared error learns slowly, cross-entropy at once"),
    Entry("adam-epsilon", "where the gradient is below epsilon, Adam no longer makes the steps equal"),
    Entry("depthwise-fan", "a depthwise convolution whose fan is counted wrongly loses the error"),
    Entry("gelu-critical", "GELU under He's initialisation dies; at its own critical point it trains"),
    Entry("rezero", "a branch that starts at zero trains deep networks at once"),
    Entry("fitnets", "hints from a teacher train a thin deep student"),
    Entry("greedy", "layer-wise pre-training starts a deep sigmoid network that does not start alone"),
    Entry("lag", "the error over the time steps of a tanh RNN and of an LSTM"),
    Entry("remedies", "what the article names against vanishing gradients: what helps, and what does not"),
)


def offered() -> tuple[Entry, ...]:
    """The experiments that there are, in order."""
    return tuple(entry for entry in _ALL if find_spec(entry.module) is not None)
