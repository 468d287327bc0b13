"""A torchmetrics base whose states keep their number format; features as the metrics want them: float64, checked."""

from __future__ import annotations

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
    real, fake = to_double(real_features), to_double(fake_features)
    if min(len(real), len(fake)) < least:
        raise ValueError(
            f"at least {least} clips are needed on each side, not {len(real)} real and {len(fake)} generated"
        )
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real features have {real.shape[1]} columns, generated ones {fake.shape[1]}: use one extractor"
        )
    for side, features in (("real", real), ("generated", fake)):
        broken = int((~torch.isfinite(features).all(1)).sum())
        if broken:
            raise ValueError(f"the features of {broken} of {len(features)} {side} clips hold NaN or infinity")
    return real, fake
