"""Precision, recall, density and coverage: are the clips like real ones, and are all kinds of real ones there?

Around each clip lies a ball that reaches to its k-th neighbour of its own set, itself not counted; B_r and B_f:

    precision = share of generated clips in any B_r      recall   = share of real clips in any B_f
    density   = mean number of B_r around a generated clip / k     coverage = share of B_r that hold a generated clip

(Kynkäänniemi et al. 2019 for the first two; Naeem et al. 2020, eqs. 3-5, for the others, which one outlier does not
inflate.) Two samples of one distribution have density and coverage near 1 only for many clips: report the floor too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.collected import CollectedFeatures
from t2vgan.metrics.precise import pair_or_none, to_double_pair

NEIGHBOURS = 5
ROWS = 1024  # rows of a distance matrix in memory at a time


class PRDC(NamedTuple):
    """Shares of 1, but for the density, which may exceed it."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(
    real_features: Float[Tensor, "n d"], fake_features: Float[Tensor, "m d"], *, k: int = NEIGHBOURS
) -> PRDC:
    """All four, in float64; a clip on the surface of a ball is outside.

    ValueError for sets of k rows or fewer, of unequal width, or with NaN or infinity.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    real, fake = to_double_pair(real_features, fake_features, least=k + 1)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    covered, precise, balls = recalled.clone(), 0, 0
    for rows, radii in zip(fake.split(ROWS), fake_radii.split(ROWS), strict=True):
        distances = euclidean(rows, real)
        inside = distances < real_radii
        precise += int(inside.any(1).sum())
        balls += int(inside.sum())
        covered |= inside.any(0)
        recalled |= (distances < radii[:, None]).any(0)
    return PRDC(
        precision=precise / len(fake),
        recall=float(recalled.double().mean()),
        density=balls / (k * len(fake)),
        coverage=float(covered.double().mean()),
    )


def counted(
    apart: Float[Tensor, "n m"], real_radii: Float[Tensor, " n"], fake_radii: Float[Tensor, " m"], *, k: int
) -> PRDC:
    """All four from the distances of all pairs, a row for each real clip, and the radii of the balls."""
    inside = apart < real_radii[:, None]
    return PRDC(
        precision=float(inside.any(0).double().mean()),
        recall=float((apart < fake_radii).any(1).double().mean()),
        density=int(inside.sum()) / (k * apart.shape[1]),
        coverage=float(inside.any(1).double().mean()),
    )


def euclidean(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Distances by differences, so that equal rows are at exactly 0."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(features: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """The distance to the k-th neighbour; the nearest row is the clip itself."""
    return torch.cat([euclidean(rows, features).kthvalue(k + 1, dim=1).values for rows in features.split(ROWS)])


class PrecisionRecall(CollectedFeatures):
    """Precision, recall, density and coverage over all features seen."""

    higher_is_better = True

    def compute(self) -> dict[str, float]:
        """All four by name; NaN, with a warning, while a side has too few clips or a NaN."""
        pair = pair_or_none(*self.gathered(), least=NEIGHBOURS + 1)
        return dict.fromkeys(PRDC._fields, float("nan")) if pair is None else precision_recall(*pair)._asdict()
