"""Kernel distances (squared maximum mean discrepancy) between two sets of clip features.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(x, y) = (gamma x.y + coef0)^degree,  gamma = 1/d

(Gretton et al. 2012, eq. 3 unbiased and eq. 5 biased; Binkowski et al. 2018 for the cubic kernel, "KID").
The unbiased estimate has no floor that falls with n: it is the metric to choose checkpoints by at a few hundred clips.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.collected import CollectedFeatures
from t2vgan.metrics.precise import pair_or_none
from t2vgan.shapes import Scalar

ROWS = 2048  # rows of a kernel matrix in memory at a time


def kernel_distance(
    real_features: Float[Tensor, "n d"],
    fake_features: Float[Tensor, "m d"],
    *,
    degree: int = 3,
    coef0: float = 1.0,
    unbiased: bool = True,
) -> Scalar:
    """Float64 squared MMD under a polynomial kernel; by default the unbiased cubic one, which may be slightly negative.

    NaN, with a warning, if either set has fewer than two rows or a NaN. ValueError for unequal width.
    """
    pair = pair_or_none(real_features, fake_features)
    if pair is None:
        return torch.tensor(float("nan"), dtype=torch.float64)
    real, fake = pair
    within = [_mean_kernel(side, side, degree, coef0, skip_diagonal=unbiased) for side in (real, fake)]
    return within[0] + within[1] - 2 * _mean_kernel(real, fake, degree, coef0, skip_diagonal=False)


def jedi_kernel_distance(real_features: Float[Tensor, "n d"], fake_features: Float[Tensor, "m d"]) -> Scalar:
    """The distance in the form of JEDi (Luo et al. 2024): 100 times the biased MMD^2 of the kernel (x.y / d)^2.

    It is JEDi only with V-JEPA features. An even kernel cannot see a pure shift of the mean, and the estimate falls
    with n: for comparison with others' numbers, not for decisions.
    """
    return 100 * kernel_distance(real_features, fake_features, degree=2, coef0=0.0, unbiased=False)


def _mean_kernel(x: Tensor, y: Tensor, degree: int, coef0: float, *, skip_diagonal: bool) -> Scalar:
    total = x.new_zeros(())
    for rows in x.split(ROWS):
        total = total + (rows @ y.T / x.shape[1] + coef0).pow(degree).sum()
    if not skip_diagonal:
        return total / (len(x) * len(y))
    diagonal = (x.square().sum(1) / x.shape[1] + coef0).pow(degree).sum()
    return (total - diagonal) / (len(x) * (len(x) - 1))


class JediFormVideoDistance(CollectedFeatures):
    """`jedi_kernel_distance` over all features seen."""

    higher_is_better = False

    def compute(self) -> Scalar:
        """Float64 distance; NaN, with a warning, while either side has fewer than two clips."""
        return jedi_kernel_distance(*self.gathered())


class KernelVideoDistance(CollectedFeatures):
    """Unbiased cubic MMD^2 over all features seen."""

    higher_is_better = False

    def compute(self) -> Scalar:
        """Float64 distance; NaN, with a warning, while either side has fewer than two clips."""
        return kernel_distance(*self.gathered())
