"""A torchmetrics base whose states keep their number format; features as the metrics want them: float64, checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import Metric


class PreciseMetric(Metric):
    """States follow their parent to another device, never to another dtype.

    `parent.to(torch.bfloat16)`, as Lightning's `precision="bf16-true"` does, would otherwise round float64 sums to
    three digits. MPS has no float64: there the states stay on the CPU.
    """

    is_differentiable = False

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> nn.Module:
        def move(tensor: Tensor) -> Tensor:
            device = fn(torch.zeros(0, device=tensor.device)).device
            return tensor if device.type == "mps" else tensor.to(device)

        return super()._apply(move, exclude_state)


def to_double(features: Tensor) -> Tensor:
    """Features (n, d) as float64 without gradient; on the CPU where the device has no float64."""
    if features.ndim != 2:
        raise ValueError(f"features must be (n, d), one row per clip, but have shape {tuple(features.shape)}")
    return (features.detach().cpu() if features.device.type == "mps" else features.detach()).double()


def to_double_pair(real_features: Tensor, fake_features: Tensor, *, least: int = 2) -> tuple[Tensor, Tensor]:
    """Both sets as float64; ValueError for fewer than `least` rows, unequal width, NaN or infinity."""
    real, fake = _alike(real_features, fake_features)
    if reason := _unusable(real, fake, least):
        raise ValueError(reason)
    return real, fake


def _alike(real_features: Tensor, fake_features: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets as float64; ValueError where no number of clips would make them features of one extractor."""
    real, fake = to_double(real_features), to_double(fake_features)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real features have {real.shape[1]} columns, generated ones {fake.shape[1]}: use one extractor"
        )
    return real, fake


def _unusable(real: Tensor, fake: Tensor, least: int) -> str:
    """Why nothing can be said of these clips; empty where something can."""
    if min(len(real), len(fake)) < least:
        return f"at least {least} clips are needed on each side, not {len(real)} real and {len(fake)} generated"
    for side, features in (("real", real), ("generated", fake)):
        if broken := int((~torch.isfinite(features).all(1)).sum()):
            return f"the features of {broken} of {len(features)} {side} clips hold NaN or infinity"
    return ""


class MetricWarning(UserWarning):
    """Why a metric is NaN, or says little."""


def pair_or_none(real_features: Tensor, fake_features: Tensor, *, least: int = 2) -> tuple[Tensor, Tensor] | None:
    """Both sets as float64, or None with a `MetricWarning` where there is no number: of few rows, and of NaN.

    So a training whose generator diverged goes on, to tell of it. Other shapes are a ValueError.
    """
    real, fake = _alike(real_features, fake_features)
    if reason := _unusable(real, fake, least):
        missing(reason)
        return None
    return real, fake


def missing(reason: str) -> float:
    """NaN, with a warning."""
    warnings.warn(f"NaN: {reason}", MetricWarning, stacklevel=3)
    return float("nan")


def warn_of_few(clips: int, dim: int) -> None:
    """Below one clip per dimension a covariance is a guess, and a Fréchet distance mostly tells how many there are."""
    if clips < dim:
        warnings.warn(
            f"only {clips} clips for {dim} dimensions: compare with as many only", MetricWarning, stacklevel=3
        )
