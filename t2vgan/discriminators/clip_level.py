"""Clip-level critic: every frame of the clip at half resolution, 3-D convolutions.

The division of labour of DVD-GAN (Clark et al. 2019, section 3.2): this critic sees whole trajectories and little
detail, a frame-level critic beside it sees detail in few frames.
"""

from __future__ import annotations

import contextlib
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import TextProjection, TimeEmbedding, WordScores
from t2vgan.shapes import TextFeatures


class DownBlock3d(nn.Module):
    """Residual 3-D block; halves `time` as well as height and width where asked. Residual branch starts at zero."""

    def __init__(self, inward: int, outward: int, *, time: bool) -> None:
        super().__init__()
        self.pool = (2 if time else 1, 2, 2)
        self.first = nn.Conv3d(inward, outward, 3, padding=1)
        self.second = nn.Conv3d(outward, outward, 3, padding=1)
        self.skip = nn.Conv3d(inward, outward, 1, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(F.avg_pool3d(self.first(F.leaky_relu(x, 0.2)), self.pool), 0.2))
        return y + self.skip(F.avg_pool3d(x, self.pool))


class ClipLevel(nn.Module):
    """All `clip_frames` frames, `(h / shrink, w / shrink)` pixels; `frames` is None: every frame is wanted."""

    frames = None

    def __init__(
        self,
        *,
        text_dim: int,
        clip_frames: int,
        size: int,
        shrink: int = 2,
        width: int = 24,
        most: int = 96,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.shrink, self.blind = shrink, blind
        widths = [min(width * 2**i, most) for i in range((size // shrink // 4).bit_length() + 1)]
        self.entry = nn.Conv3d(3, widths[0], (3, 5, 5), (2 if clip_frames >= 8 else 1, 2, 2), (1, 2, 2))
        frames, downs = -(-clip_frames // (2 if clip_frames >= 8 else 1)), []
        for a, b in pairwise(widths[:-1]):
            downs.append(DownBlock3d(a, b, time=frames >= 4))
            frames //= 2 if frames >= 4 else 1
        self.trunk = nn.Sequential(*downs)
        self.join = nn.Conv3d(widths[-2], widths[-1], 3, padding=1)
        self.when = TimeEmbedding(frames=clip_frames, dim=widths[-1])
        self.head = TextProjection(channels=widths[-1], text_dim=text_dim)
        self.words = WordScores(channels=widths[-1], levels=1, text_dim=text_dim)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (F.avg_pool3d(video, (1, self.shrink, self.shrink)),)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        # Weight gradients of small bfloat16 3-D convolutions come from uninitialised memory now and then on CPUs
        # (torch 2.13: finite inputs, gradients of 1e35), so this critic computes in float32 there.
        on_cpu = seen[0].device.type == "cpu"
        with torch.autocast("cpu", enabled=False) if on_cpu else contextlib.nullcontext():
            video = seen[0].float() if on_cpu else seen[0]
            x = self.join(F.leaky_relu(self.trunk(self.entry(video)), 0.2)) + self.when(times)[:, :, None, None, None]
            return (F.leaky_relu(x, 0.2),)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], None if text is None else text.sentence)

    def word_scores(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
        return self.words(features, text.words)
