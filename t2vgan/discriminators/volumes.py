"""What critics with three-dimensional convolutions share."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor


def exactly(video: Tensor) -> AbstractContextManager:
    """float32 on CPUs, whatever the autocast: see `clip_level` for the weight gradients that are wrong without it."""
    return torch.autocast("cpu", enabled=False) if video.device.type == "cpu" else contextlib.nullcontext()


def halving(length: int) -> tuple[tuple[int, int, int], int]:
    """(kernel, stride, padding) of a convolution that halves a length, and the length then; 1 stays as it is."""
    return ((4, 2, 1), length // 2) if length > 1 else ((1, 1, 0), 1)


def frames_of(video: Tensor) -> Tensor:
    """`(b, c, t, h, w)` as a batch of pictures `(b * t, c, h, w)`."""
    return video.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
