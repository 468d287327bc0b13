"""Kernel distances (squared maximum mean discrepancy) between two sets of clip features.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   k(x, y) = (gamma x.y + coef0)^degree,  gamma = 1/d

(Gretton et al. 2012, eq. 3 unbiased and eq. 5 biased; Binkowski et al. 2018 for the cubic kernel, "KID").
The unbiased estimate has no floor that falls with n: it is the metric to choose checkpoints by at a few hundred clips.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from t2vgan.metrics.precise import PreciseMetric, to_double
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

    NaN if either set has fewer than two rows.
    """
    real, fake = to_double(real_features), to_double(fake_features)
    if min(len(real), len(fake)) < 2:
        return real.new_tensor(float("nan"))
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


class KernelVideoDistance(PreciseMetric):
    """Unbiased cubic MMD^2 over all features seen; keeps them (float32), gathered over ranks with uneven shares.

    `reset()` keeps the real features unless `reset_real`; they are not saved in the state dict.
    """

    higher_is_better = False
    full_state_update = True

    real_features: list[Tensor]
    fake_features: list[Tensor]

    def __init__(self, *, dim: int, reset_real: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.reset_real = dim, reset_real
        for side in ("real", "fake"):
            self.add_state(f"{side}_features", [], "cat")
        self._shape_empty()

    def _shape_empty(self) -> None:
        """An empty share must still be (0, d), or gathering it beside full ones does not work."""
        for features in (self.real_features, self.fake_features):
            if not len(features):
                features.append(torch.zeros(0, self.dim, device=self.device))

    def update(self, features: Float[Tensor, "n d"], *, real: bool) -> None:
        """Add the features of a batch of real or generated clips."""
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(f"features must be (n, {self.dim}) but have shape {tuple(features.shape)}")
        (self.real_features if real else self.fake_features).append(features.detach().float())

    def compute(self) -> Scalar:
        """Float64 distance; NaN while either side has fewer than two clips."""
        return kernel_distance(dim_zero_cat(self.real_features), dim_zero_cat(self.fake_features))

    def reset(self) -> None:
        """Forget the generated clips, and the real ones too if `reset_real`."""
        kept = [] if self.reset_real else list(self.real_features)
        super().reset()
        self.real_features.extend(kept)
        self._shape_empty()
