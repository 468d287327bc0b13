"""Does the clip show what its caption says? Accuracy per attribute, judged by a classifier of real clips.

An attribute counts only for clips whose caption names it. `ALL` counts a clip as right when every named attribute is
(Ghosh et al. 2023, GenEval, 3.2). The floor is the accuracy against the captions of other clips, the ceiling that of
the classifier on real clips: report (accuracy - floor) / (ceiling - floor). A judge that errs on real clips, too, is no
judge: below LEAST_CEILING a row does not count, whatever it says of the generated clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from t2vgan.metrics.precise import PreciseMetric

ALL = "all"  # the row for "every named attribute is right"
UNJUDGED = -1
MOST_SHIFTS = 1_000
LEAST_CEILING = 0.97  # accuracy on real clips from which an attribute's row counts
LEAST_GAP = 0.1  # between ceiling and floor: below, their difference is mostly chance, and nothing is divided by it

Logits = Mapping[str, Float[Tensor, "n v"]]


class Proportion(NamedTuple):
    """`correct` of `total` clips."""

    correct: int
    total: int

    @property
    def rate(self) -> float:
        return self.correct / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.correct, self.total)


class Judgement(NamedTuple):
    """Per attribute and `ALL`: against the clips' own captions, and against those of other clips."""

    accuracy: dict[str, Proportion]
    floor: dict[str, Proportion]


class Row(NamedTuple):
    """An attribute (or `ALL`) of generated clips, beside the accuracy on real clips and by chance."""

    name: str
    counts: Proportion
    ceiling: float
    floor: float
    normalised: float


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); (NaN, NaN) for no trials."""
    if not total:
        return float("nan"), float("nan")
    rate, square = correct / total, z * z / total
    centre = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * (rate * (1 - rate) / total + square / (4 * total)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def normalised_accuracy(accuracy: float, *, floor: float, ceiling: float) -> float:
    """0 for captions ignored, 1 for clips as easily judged as real ones; NaN where the two cannot be told apart."""
    return (accuracy - floor) / (ceiling - floor) if ceiling - floor >= LEAST_GAP else float("nan")


def attribute_rows(fake: Judgement, real: Judgement) -> list[Row]:
    """A row for every attribute that some caption names; the floor is that of real clips, the same for all models."""
    rows = []
    for name, counts in fake.accuracy.items():
        if counts.total:
            floor, ceiling = real.floor[name].rate, real.accuracy[name].rate
            rows.append(
                Row(name, counts, ceiling, floor, normalised_accuracy(counts.rate, floor=floor, ceiling=ceiling))
            )
    return rows


def encode_truth(
    attributes: Mapping[str, Sequence[str]],
    truth: Sequence[Mapping[str, str]],
    named: Sequence[Sequence[str]] | None = None,
) -> Int[Tensor, "n a"]:
    """Value indices per clip and attribute; UNJUDGED where an attribute is missing, unknown, or not in `named`."""
    index = {name: {value: i for i, value in enumerate(values)} for name, values in attributes.items()}
    rows = []
    for i, clip in enumerate(truth):
        judged = attributes if named is None else named[i]
        rows.append([index[name].get(clip.get(name, ""), UNJUDGED) if name in judged else UNJUDGED for name in index])
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), len(index))


def predicted_values(logits: Logits, attributes: Mapping[str, Sequence[str]]) -> Int[Tensor, "n a"]:
    """The likeliest value of each attribute."""
    return torch.stack([logits[name].argmax(1) for name in attributes], dim=1)


def attribute_change(before: Logits, after: Logits) -> dict[str, float]:
    """Share of clips whose predicted value changed, per attribute.

    Silence a word of the caption, keep the noise: the attribute of that word should change, the others should not.
    """
    return {name: float((before[name].argmax(1) != after[name].argmax(1)).float().mean()) for name in before}


class AttributeAccuracy(PreciseMetric):
    """Counts right and judged clips per attribute, and the same for pairs of a clip and another one's caption.

    `attributes` lists the values in the order of the logits. What was predicted, what is true and what was named is
    kept of every clip, so that batches and shares of ranks change nothing: where no caption of all names anything, as
    of a data set that does not say what captions name, every attribute counts.
    """

    higher_is_better = True
    full_state_update = False

    seen: list[Tensor]  # (n, 3 a) int32: predicted values, true ones, and 1 where the caption names the attribute

    def __init__(self, *, attributes: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attributes = {name: list(values) for name, values in attributes.items()}
        self.add_state("seen", [], "cat")
        self._shape_empty()

    def _shape_empty(self) -> None:
        """An empty share must still have its columns, or gathering it beside full ones does not work."""
        if not len(self.seen):
            self.seen.append(torch.zeros(0, 3 * len(self.attributes), dtype=torch.int32, device=self.device))

    def reset(self) -> None:
        super().reset()
        self._shape_empty()

    def update(
        self, logits: Logits, truth: Sequence[Mapping[str, str]], named: Sequence[Sequence[str]] | None = None
    ) -> None:
        """Judge a batch against its truth."""
        if not truth or not self.attributes:
            return
        predicted, true = predicted_values(logits, self.attributes), encode_truth(self.attributes, truth)
        if len(predicted) != len(true):
            raise ValueError(f"{len(predicted)} rows of logits for {len(true)} clips")
        told = torch.tensor([[name in of_clip for name in self.attributes] for of_clip in named or [()] * len(true)])
        parts = [part.to(self.device, torch.int32) for part in (predicted, true, told)]
        self.seen.append(torch.cat(parts, 1))

    def compute(self) -> Judgement:
        """Right and judged clips, against the own captions and against those of the others."""
        predicted, wanted = self._pairs()
        own = torch.stack(_count(predicted, wanted))
        other = torch.zeros_like(own)
        for shift in _shifts(len(wanted)):
            other += torch.stack(_count(predicted, wanted.roll(shift, 0)))
        return Judgement(self._proportions(*own), self._proportions(*other))

    def confusion(self, name: str) -> Int[Tensor, "v v"]:
        """Clips by wanted value (rows) and predicted one (columns)."""
        column, count = list(self.attributes).index(name), len(self.attributes[name])
        predicted, wanted = (values[:, column] for values in self._pairs())
        judged = wanted != UNJUDGED
        cells = wanted[judged] * count + predicted[judged]
        return torch.bincount(cells, minlength=count * count).reshape(count, count)

    def confusions(self, name: str) -> list[tuple[str, str, int]]:
        """(true value, predicted value, clips) of the mistakes on one attribute, most frequent first."""
        values, table = self.attributes[name], self.confusion(name).tolist()
        found = [(t, p, table[i][j]) for i, t in enumerate(values) for j, p in enumerate(values) if i != j]
        return sorted((row for row in found if row[2]), key=lambda row: -row[2])

    def _pairs(self) -> tuple[Int[Tensor, "n a"], Int[Tensor, "n a"]]:
        """What is predicted, and what is wanted of it; inside `compute` of all ranks."""
        predicted, true, named = dim_zero_cat(self.seen).long().cpu().chunk(3, 1)
        return predicted, true.where(named > 0, UNJUDGED) if bool(named.any()) else true

    def _proportions(self, correct: Tensor, total: Tensor) -> dict[str, Proportion]:
        counts = zip([*self.attributes, ALL], correct.tolist(), total.tolist(), strict=True)
        return {name: Proportion(int(right), int(judged)) for name, right, judged in counts}


def _shifts(clips: int) -> list[int]:
    """By how much captions are moved to stand beside other clips: all that there are, of very many evenly spread."""
    most = min(clips - 1, MOST_SHIFTS)
    return [round(1 + i * (clips - 2) / max(most - 1, 1)) for i in range(most)]


def _count(predicted: Int[Tensor, "n a"], wanted: Int[Tensor, "n a"]) -> tuple[Int[Tensor, " r"], Int[Tensor, " r"]]:
    judged = wanted != UNJUDGED
    right = (predicted == wanted) & judged
    judged_all = judged.any(1, keepdim=True)
    right_all = (right | ~judged).all(1, keepdim=True) & judged_all
    return torch.cat([right, right_all], 1).sum(0), torch.cat([judged, judged_all], 1).sum(0)
