"""Which frames of a clip critics are shown, and how much these move."""

from __future__ import annotations

import torch
from torch import Tensor


def strided(n: int, k: int, generator: torch.Generator) -> Tensor:
    """`k` of `n` frames, evenly spaced: any stride that fits, from any start, so that a critic sees now every small
    step and now the whole path. With frames at random instead, generators learned to flicker between a few pictures.
    """
    stride, start = torch.rand(2, generator=generator).tolist()
    step = 1 + int(stride * ((n - 1) // (k - 1))) if k > 1 else 1
    return int(start * (n - (k - 1) * step)) + step * torch.arange(k)


def pick(video: Tensor, frames: Tensor) -> Tensor:
    """Frames `(b, k)` of a video `(b, c, t, h, w)`."""
    return video.gather(2, frames[:, None, :, None, None].expand(-1, video.shape[1], -1, *video.shape[3:]))


def motion_signs(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Mean absolute change between the rendered frames, to be compared between real and fake."""
    names = {"motion/real": real.detach(), "motion/fake": fake.detach()}
    return {k: v.diff(dim=2).abs().mean() if v.shape[2] > 1 else v.new_zeros(()) for k, v in names.items()}
