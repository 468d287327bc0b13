"""Fréchet distance between two sets of clip features.

    FD = |mu_r - mu_f|^2 + tr S_r + tr S_f - 2 tr (S_r S_f)^(1/2)          (Dowson & Landau 1982; Heusel et al. 2017)

With any roots R R^T = S the last trace is the nuclear norm of R_r^T R_f, which stays exact for rank-deficient
covariances, where `sqrtm` and `eigvals` lose digits. It is called FVD (Unterthiner et al. 2018) only when the features
are the Kinetics I3D logits; here it is named after its features: `fd_probe`, `fd_effnet`.
The estimate is biased upwards by about c/n: compare only equal n, and always with real against real (the floor).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.precise import PreciseMetric, missing, pair_or_none, to_double, warn_of_few
from t2vgan.shapes import Scalar


def frechet_distance(
    real_features: Float[Tensor, "n d"], fake_features: Float[Tensor, "m d"], *, unbiased: bool = True
) -> Scalar:
    """Float64 Fréchet distance of two feature sets.

    NaN, with a warning, if either has fewer than two rows or a NaN; a warning below one row per dimension. ValueError
    for unequal width. Covariances are over n - 1, or over n if not `unbiased`, as StyleGAN-V and cd-fvd have them.
    """
    pair = pair_or_none(real_features, fake_features)
    if pair is None:
        return torch.tensor(float("nan"), dtype=torch.float64)
    real, fake = pair
    warn_of_few(min(len(real), len(fake)), real.shape[1])
    roots = _root_of_features(real, unbiased), _root_of_features(fake, unbiased)
    return _distance(real.mean(0), roots[0], fake.mean(0), roots[1])


def frechet_distance_from_moments(
    real_mean: Float[Tensor, " d"],
    real_covariance: Float[Tensor, "d d"],
    fake_mean: Float[Tensor, " d"],
    fake_covariance: Float[Tensor, "d d"],
) -> Scalar:
    """Float64 Fréchet distance of two Gaussians."""
    means = real_mean.double(), fake_mean.double()
    if not all(torch.isfinite(moment).all() for moment in (*means, real_covariance, fake_covariance)):
        return means[0].new_tensor(missing("features hold NaN or infinity"))
    real_root, fake_root = root_of_covariance(real_covariance.double()), root_of_covariance(fake_covariance.double())
    return _distance(means[0], real_root, means[1], fake_root)


def _distance(real_mean: Tensor, real_root: Tensor, fake_mean: Tensor, fake_root: Tensor) -> Scalar:
    product = real_root.T @ fake_root
    if not torch.isfinite(product).all():  # a diverged generator is a missing number, not a LinAlgError
        return real_mean.new_tensor(float("nan"))
    distance = (real_mean - fake_mean).square().sum() + real_root.square().sum() + fake_root.square().sum()
    return (distance - 2 * torch.linalg.svdvals(product).sum()).clamp_min(0)


def _root_of_features(features: Float[Tensor, "n d"], unbiased: bool) -> Float[Tensor, "d k"]:
    """R with R R^T = covariance: the centred features themselves when they are few, else a root of d columns."""
    centred = (features - features.mean(0)) / (len(features) - unbiased) ** 0.5
    if len(features) <= features.shape[1] or not torch.isfinite(centred).all():
        return centred.T
    return root_of_covariance(centred.T @ centred)


def root_of_covariance(covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """R with R R^T = covariance, also where that is rank-deficient."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt()


class FrechetVideoDistance(PreciseMetric):
    """Fréchet distance from running float64 moments: exact over any batches and over uneven shares of the ranks.

    Takes features, not videos: one pass of a frozen feature extractor then serves every metric, and no weights end up
    in checkpoints. `reset()` keeps the real moments unless `reset_real`; they are saved in the state dict.
    """

    higher_is_better = False
    full_state_update = True  # `forward` must not add the kept real moments twice
    plot_lower_bound = 0.0

    real_n: Tensor
    real_sum: Tensor
    real_outer: Tensor
    fake_n: Tensor
    fake_sum: Tensor
    fake_outer: Tensor

    def __init__(self, *, dim: int, reset_real: bool = False, unbiased: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim, self.reset_real, self.unbiased = dim, reset_real, unbiased
        for side in ("real", "fake"):
            keep = side == "real"
            self.add_state(f"{side}_n", torch.zeros((), dtype=torch.long), "sum", persistent=keep)
            self.add_state(f"{side}_sum", torch.zeros(dim, dtype=torch.float64), "sum", persistent=keep)
            self.add_state(f"{side}_outer", torch.zeros(dim, dim, dtype=torch.float64), "sum", persistent=keep)

    def update(self, features: Float[Tensor, "n d"], *, real: bool) -> None:
        """Add the features of a batch of real or generated clips."""
        features = to_double(features).to(self.real_sum.device)
        if features.shape[1] != self.dim:
            raise ValueError(f"features have {features.shape[1]} columns, the metric was made for dim={self.dim}")
        if real:
            self.real_n = self.real_n + len(features)
            self.real_sum = self.real_sum + features.sum(0)
            self.real_outer = self.real_outer + features.T @ features
        else:
            self.fake_n = self.fake_n + len(features)
            self.fake_sum = self.fake_sum + features.sum(0)
            self.fake_outer = self.fake_outer + features.T @ features

    def compute(self) -> Scalar:
        """Float64 distance; NaN, with a warning, while either side has fewer than two clips."""
        if min(int(self.real_n), int(self.fake_n)) < 2:
            counts = f"{int(self.real_n)} real and {int(self.fake_n)} generated"
            return self.real_sum.new_tensor(missing(f"at least 2 clips are needed on each side, not {counts}"))
        warn_of_few(min(int(self.real_n), int(self.fake_n)), self.dim)
        real = _moments(self.real_n, self.real_sum, self.real_outer, self.unbiased)
        fake = _moments(self.fake_n, self.fake_sum, self.fake_outer, self.unbiased)
        return frechet_distance_from_moments(*real, *fake)

    def reset(self) -> None:
        """Forget the generated clips, and the real ones too if `reset_real`."""
        kept = {} if self.reset_real else {name: getattr(self, name) for name in ("real_n", "real_sum", "real_outer")}
        super().reset()
        for name, value in kept.items():
            setattr(self, name, value)


def _moments(n: Tensor, total: Tensor, outer: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    mean = total / n
    return mean, (outer - n * torch.outer(mean, mean)) / (n - int(unbiased))
