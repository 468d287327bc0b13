"""What a round of the game is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from t2vgan.losses.play import WHOLE, Contrast, Part, Seen
from t2vgan.shapes import TextFeatures, TextInputs, Trial


@dataclass(frozen=True)
class Term:
    """A loss of one critic: `weight` times `loss`, computed each `every`-th round with `every` times the weight.

    `until`: the share of the training by which the weight has faded, None where it does not; to `stays` of itself.
    """

    loss: Any
    weight: float
    every: int = 1
    until: float | None = None
    stays: float = 0.0

    def weight_at(self, done: float) -> float:
        """When this share of a training is done."""
        faded = 0.0 if self.until is None else min(1.0, done / self.until)
        return self.weight * self.every * (1 - (1 - self.stays) * faded)


def grow(generators: Iterable[Any], done: float) -> None:
    """Tells those that have a part `steering` which share of the training is done."""
    for generator in generators:
        if hasattr(generator, "steering"):
            generator.steering.grow(done)


@dataclass
class Pairs:
    """Captions of the clips beside captions that differ from them in something untrue, not read yet; see `Contrast`."""

    owner: Tensor  # int64 (n,), the clip of each pair
    right: TextInputs
    wrong: TextInputs
    only_right: Tensor  # bool (n, l), the words that the wrong caption lacks
    only_wrong: Tensor  # bool (n, l'), the words that the right caption lacks


@dataclass
class Heard:
    """What is said of a batch of clips, on their device."""

    right: TextInputs
    wrong: TextInputs
    pairs: Pairs | None


@dataclass
class Told:
    """What critics are told of the captions of a round; the blind ones hear nothing of it."""

    right: TextFeatures
    wrong: TextFeatures | None
    content: Tensor
    contrast: Contrast | None
    part: Part = WHOLE


@dataclass
class Look:
    """What one critic saw of a round."""

    times: Tensor
    real: Seen
    fake: Seen
    trial: Trial | None = None
    tried: Seen = ()  # what could have been shown instead
    twin: Seen = ()  # of other clips of the same captions
    clear: Seen = ()  # what moves in the real ones, without noise
    moved: tuple[Seen, ...] = ()  # what moves in pictures that drawn numbers move
    z: Tensor | None = None
