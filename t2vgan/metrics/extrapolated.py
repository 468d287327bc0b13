"""The Fréchet distance that infinitely many clips would have, from its fall with the number of clips.

A distance of n clips lies above the true one by about slope / n (Chong & Forsyth 2020, eq. 4). Distances of random
parts of the clips, from half of them to all, are fitted by a line in 1 / n; where it meets 1 / n = 0 is the value.
It may come out slightly negative, and it is right only for n of 2.5 dimensions or more: below, the fall is no line.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.collected import CollectedFeatures
from t2vgan.metrics.frechet import frechet_distance
from t2vgan.metrics.precise import pair_or_none, to_double_pair
from t2vgan.shapes import Scalar

POINTS = 15  # sizes that are measured
LEAST = 20  # clips
ENOUGH = 2.5  # clips per dimension


class Extrapolation(NamedTuple):
    """`value` for infinitely many clips; n clips lie above it by about slope / n."""

    value: float
    slope: float
    sizes: list[int]
    distances: list[float]
    reliable: bool  # enough clips for their features' width


def extrapolated_frechet_distance(
    real_features: Float[Tensor, "n d"],
    fake_features: Float[Tensor, "m d"],
    *,
    fixed_real: bool = False,
    unbiased: bool = True,
    seed: int = 0,
) -> Extrapolation:
    """Both sides are taken for samples and shrink together; the larger one starts from as many clips as the smaller.

    fixed_real: all real clips are used for every size, as in the paper; then what their number adds stays in the value.
    ValueError for fewer than LEAST clips, for unequal widths, and for NaN or infinity.
    """
    real, fake = to_double_pair(real_features, fake_features, least=LEAST)
    n = len(fake) if fixed_real else min(len(real), len(fake))
    generator = torch.Generator().manual_seed(seed)
    sizes = part_sizes(n)
    distances = []
    for size in sizes:
        some_real = real if fixed_real else real[torch.randperm(len(real), generator=generator)[:size]]
        some_fake = fake[torch.randperm(len(fake), generator=generator)[:size]]
        distances.append(float(frechet_distance(some_real, some_fake, unbiased=unbiased)))
    value, slope = line([1 / size for size in sizes], distances)
    return Extrapolation(value, slope, sizes, distances, reliable=n >= ENOUGH * real.shape[1])


class ExtrapolatedFrechetVideoDistance(CollectedFeatures):
    """`extrapolated_frechet_distance` of all features seen."""

    higher_is_better = False

    def compute(self) -> Scalar:
        """Float64 distance; NaN, with a warning, while a side has fewer than LEAST clips or a NaN."""
        pair = pair_or_none(*self.gathered(), least=LEAST)
        value = float("nan") if pair is None else extrapolated_frechet_distance(*pair).value
        return torch.tensor(value, dtype=torch.float64)


def part_sizes(n: int) -> list[int]:
    """How many of n clips the parts have that are measured."""
    return torch.linspace(n / 2, n, POINTS).round().long().unique().tolist()


def line(x: list[float], y: list[float]) -> tuple[float, float]:
    """Intercept and slope by least squares."""
    across, up = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    centred = across - across.mean()
    slope = (centred * up).sum() / centred.square().sum()
    return float(up.mean() - slope * across.mean()), float(slope)
