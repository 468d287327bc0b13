"""What flows between the parts: axes, ranges, dtypes and units, written down once.

Axis letters used everywhere: b clips, c channels, t frames, h w pixels, l words, d features, n logits, z latent.
Video is float RGB in [-1, 1], `(b, c, t, h, w)`. Times are seconds from the start of the clip, `(b, t)`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

Video = Float[Tensor, "b c t h w"]
Times = Float[Tensor, "b t"]
Latent = Float[Tensor, "b z"]
Logits = Float[Tensor, "b n"]
Scalar = Float[Tensor, ""]


@dataclass
class Sample:
    """One captioned clip as a data set hands it out; numpy, so that it crosses process borders cheaply."""

    video: np.ndarray  # uint8 (t, h, w, 3) RGB, 0..255
    times: np.ndarray  # float32 (t,), seconds from the first frame
    caption: str
    wrong_caption: str  # a caption that does not describe this clip: the negative of the mismatch loss
    key: str  # unique name of the clip within its data set
    index: int  # position in the data set
    attributes: dict[str, str] = field(default_factory=dict)  # ground truth, {} where there is none
    named: tuple[str, ...] = ()  # the attributes that the caption names
    contrasts: tuple[tuple[str, str], ...] = ()  # (caption, one that differs from it in something untrue of the clip)
    changed: tuple[tuple[str, str], ...] = ()  # for each contrast: the attribute that differs, what it is made to be


@dataclass
class Clips:
    """A batch of captioned clips. Not frozen: Lightning moves batches to the device field by field."""

    video: Video
    times: Times
    captions: list[str]
    wrong_captions: list[str]
    keys: list[str]
    indices: list[int]
    epoch: int = 0
    attributes: list[dict[str, Any]] = field(default_factory=list)
    named: list[tuple[str, ...]] = field(default_factory=list)
    contrasts: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    changed: list[tuple[tuple[str, str], ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return self.video.shape[0]

    def split(self, parts: int) -> list[Clips]:
        """Equal parts, in order."""
        if parts == 1:
            return [self]
        size = len(self) // parts
        shares = [{name: v[i * size : (i + 1) * size] for name, v in vars(self).items() if name != "epoch"}
                  for i in range(parts)]  # fmt: skip
        return [Clips(**share, epoch=self.epoch) for share in shares]


@dataclass
class TextFeatures:
    """Encoded captions: the sentence embedding s, word features, which of the words are real (not padding), and each
    word by itself, whatever stands beside it: `alone`, None from an encoder that has no such thing.
    """

    sentence: Float[Tensor, "b d"]
    words: Float[Tensor, "b l d"]
    mask: Bool[Tensor, "b l"]
    alone: Float[Tensor, "b l d"] | None = None

    def detach(self) -> TextFeatures:
        alone = None if self.alone is None else self.alone.detach()
        return TextFeatures(self.sentence.detach(), self.words.detach(), self.mask, alone)

    def __getitem__(self, rows: slice | Tensor) -> TextFeatures:
        alone = None if self.alone is None else self.alone[rows]
        return TextFeatures(self.sentence[rows], self.words[rows], self.mask[rows], alone)

    def by_themselves(self) -> TextFeatures:
        """With each word by itself in the place of what it is in its sentence."""
        if self.alone is None:
            raise ValueError("this text encoder does not say what words are by themselves")
        return TextFeatures(self.sentence, self.alone, self.mask, self.alone)


@dataclass
class TextInputs:
    """Analysed captions as tensors: what the data path prepares and a text encoder reads.

    Words are the tokens T of the caption in order, each with its part-of-speech tag P, entity type E and vector V.
    """

    vectors: Float[Tensor, "b l v"]  # word vectors V
    tags: Tensor  # int64 (b, l), index into `text.analysis.TAGS`, 0 = padding
    entities: Tensor  # int64 (b, l), index into `text.analysis.ENTITIES`, 0 = no entity or padding
    mask: Bool[Tensor, "b l"]  # True where there is a word
    content: Bool[Tensor, "b l"]  # True where the word says something of the clip: nouns, verbs, adjectives, adverbs
    sentences: Float[Tensor, "b s"] | None = None  # of a language model, where `text.sentences` names one

    def per_word(self, change: Callable[[Tensor], Tensor]) -> TextInputs:
        """`change` made to what has an axis of words, (b, l, ...); the sentences stay."""
        of_words = {name: tensor for name, tensor in self.tensors().items() if name != "sentences"}
        return dataclasses.replace(self, **{name: change(tensor) for name, tensor in of_words.items()})

    def each(self, change: Callable[[Tensor], Tensor]) -> TextInputs:
        """`change` made to all tensors, (b, ...)."""
        return dataclasses.replace(self, **{name: change(tensor) for name, tensor in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Those that are there, by name."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}


def to_uint8(video: Tensor) -> Tensor:
    """Video in [-1, 1] to 0..255, rounded to nearest; the inverse of `to_float`."""
    return video.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def to_float(video: Tensor) -> Tensor:
    """0..255 to [-1, 1]."""
    return video.float().div(127.5).sub(1)


def onto(tensor: Tensor, device: Any) -> Tensor:
    """The tensor on the device. A GPU gets it by pinned memory, without the processor waiting for what it computes."""
    device = torch.device(device)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass
class Trial:
    """What a generator could have shown instead of its clips: each from the other side; and pictures that drawn numbers
    make move, from which a critic learns what such numbers do.

    Neither choice can be learned from a gradient of the pixels: the pictures between one pan and another are no better
    than either, so a slope says little of what a step leads to.
    """

    video: Video  # the clips mirrored; no gradient
    odds: Tensor  # (b,), logits of "mirrored"
    mirrored: Tensor  # bool (b,), what was shown
    moving: tuple[Tensor, ...]  # each (b, 3, t, h, w), pictures that `drawn` makes move; no gradient
    numbers: Tensor  # (b, k), what steers the clips themselves, in -1..1; k may be 0
    drawn: Tensor  # (b, k), uniform in -1..1; speeds are to the right
    others: Tensor  # (b, k), what steers clips of the same captions by other noise; no gradient
    held: Tensor  # (b, k), the numbers without what noise adds to them
    leave: Tensor  # (b, j), the deviation of what it adds to the first j of them
    sure: Tensor  # (b,), whether clips of this caption are mirrored: 1 yes, -1 no, 0 where it leaves that open
