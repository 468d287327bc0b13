"""Frame-level critic, trained from nothing: a few frames, a shared 2-D trunk, then all of them together.

As in StyleGAN-V (Skorokhodov et al. 2022, section 3.2) the frames are concatenated as channels once they are small, and
the instants they were taken at are part of the judgement. No normalisation, as in R3GAN (Huang et al. 2024).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import TextProjection, TimeEmbedding, WordScores
from t2vgan.shapes import TextFeatures


class DownBlock(nn.Module):
    """Residual block that halves height and width; its residual branch starts at zero (Zhang et al. 2019, Fixup)."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inward, outward, 3, padding=1)
        self.second = nn.Conv2d(outward, outward, 3, padding=1)
        self.skip = nn.Conv2d(inward, outward, 1, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.leaky_relu(F.avg_pool2d(self.first(F.leaky_relu(x, 0.2)), 2), 0.2))
        return y + self.skip(F.avg_pool2d(x, 2))


class FrameLevel(nn.Module):
    """`frames` frames at full resolution, trunk of `width` channels that doubles at each halving up to `most`."""

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        frames: int = 4,
        width: int = 32,
        most: int = 128,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.blind = frames, blind
        widths = [min(width * 2**i, most) for i in range((size // 8).bit_length())]  # down to 8 pixels
        self.entry = nn.Conv2d(3, widths[0], 3, padding=1)
        self.trunk = nn.Sequential(*(DownBlock(a, b) for a, b in pairwise(widths)))
        joint = min(2 * widths[-1], 2 * most)
        self.join = nn.Conv2d(widths[-1] * frames, joint, 3, padding=1)
        self.when = TimeEmbedding(frames=frames, dim=joint)
        self.tail = DownBlock(joint, joint)
        self.head = TextProjection(channels=joint, text_dim=text_dim)
        self.words = WordScores(channels=joint, levels=1, text_dim=text_dim)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        (video,) = seen
        b, c, t, h, w = video.shape
        frames = video.transpose(1, 2).reshape(b * t, c, h, w).contiguous(memory_format=torch.channels_last)
        x = self.trunk(self.entry(frames))
        x = self.join(F.leaky_relu(x, 0.2).reshape(b, -1, *x.shape[-2:])) + self.when(times)[:, :, None, None]
        return (F.leaky_relu(self.tail(x), 0.2),)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], None if text is None else text.sentence)

    def word_scores(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
        return self.words(features, text.words)
