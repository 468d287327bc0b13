"""Monge distance (MIND): a sliced optimal transport between two sets of clip features.

    MIND = 3 d  mean_i mean_j (sort(X u_i)_j - sort(Y u_i)_j)^2,   u_i random unit directions

(Berthet et al. 2026, arXiv 2605.06797). A shift of the mean by delta gives 3 |delta|^2 on average over directions. It
sees whole distributions, not only two moments, and settles with fewer clips than the Fréchet distance; its own floor
still falls with n: compare only equal n.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.collected import CollectedFeatures
from t2vgan.metrics.precise import pair_or_none, to_double_pair
from t2vgan.shapes import Scalar

DIRECTIONS = 1000
AT_ONCE = 250  # directions that are sorted at a time


def mind_distance(
    real_features: Float[Tensor, "n d"],
    fake_features: Float[Tensor, "m d"],
    *,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> Scalar:
    """Float64 Monge distance; of the larger set a random part as large as the smaller one is taken.

    `seed` decides directions and part; the part also depends on the order of the rows. ValueError for sets of fewer
    than two rows, of unequal width, or with NaN or infinity.
    """
    real, fake = to_double_pair(real_features, fake_features)
    if directions < 1:
        raise ValueError(f"directions must be at least 1, not {directions}")
    generator = torch.Generator().manual_seed(seed)
    n, d = min(len(real), len(fake)), real.shape[1]
    real, fake = (_part(side, n, generator) for side in (real, fake))
    units = unit_directions(directions, d, generator).to(real)
    total = real.new_zeros(())
    for some in units.split(AT_ONCE):
        gaps = (real @ some.T).sort(dim=0).values - (fake @ some.T).sort(dim=0).values
        total = total + gaps.square().sum()
    return 3 * d * total / (n * directions)


def unit_directions(count: int, dim: int, generator: torch.Generator) -> Float[Tensor, "u d"]:
    """Random directions, as rows of length 1."""
    units = torch.randn(count, dim, generator=generator)
    return units / units.norm(dim=1, keepdim=True)


def _part(features: Tensor, n: int, generator: torch.Generator) -> Tensor:
    if len(features) == n:
        return features
    return features[torch.randperm(len(features), generator=generator)[:n].to(features.device)]


class MongeVideoDistance(CollectedFeatures):
    """Monge distance over all features seen."""

    higher_is_better = False

    def compute(self) -> Scalar:
        """Float64 distance; NaN, with a warning, while a side has fewer than two clips or a NaN."""
        pair = pair_or_none(*self.gathered())
        return torch.tensor(float("nan"), dtype=torch.float64) if pair is None else mind_distance(*pair)
