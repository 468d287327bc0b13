"""StyleGAN-V's critic (Skorokhodov et al. 2022, section 3.2): a few frames with the time that lies between them.

StyleGAN2's residual critic (Karras et al. 2020) looks at each of `frames` frames (3 in the paper) down to a small size,
where the frames are put side by side as channels; from there on it looks at them together. What it is told, the
distances in time as waves and the condition, goes through a mapping network, and the logit is the product of that and
of the features: there is no other.

Deviations: the caption's sentence in the place of the class label; frames are evenly spaced, at a
random distance, and joined at 8 x 8 pixels; averages instead of smoothing filters before halving; a mapping network of
two layers, no slower than the rest, and no table of embeddings of the distances beside the waves; widths.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.volumes import frames_of
from t2vgan.equalised import EqualConv2d, EqualLinear, normalised
from t2vgan.shapes import TextFeatures

GROUP = 4  # clips that share a standard deviation


class Down(nn.Module):
    """(f(x) + skip(x)) / sqrt(2), at half the size (Karras et al. 2020, section 4)."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.one, self.two = EqualConv2d(inward, inward, 3), EqualConv2d(inward, outward, 3)
        self.skip = EqualConv2d(inward, outward, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = activated(self.two(F.avg_pool2d(activated(self.one(x)), 2)))
        return (y + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2)


def activated(x: Tensor) -> Tensor:
    return math.sqrt(2) * F.leaky_relu(x, 0.2)


def with_deviation(x: Tensor) -> Tensor:
    """One more channel: the mean standard deviation of groups of `GROUP` clips (Karras et al. 2018, section 3)."""
    n, _, h, w = x.shape
    group = math.gcd(GROUP, n)
    spread = (x.unflatten(0, (group, -1)).float().var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, spread.repeat(group)[:, None, None, None].expand(-1, 1, h, w).to(x.dtype)], 1)


class Epilogue(nn.Module):
    """Maps `(n, c, 4, 4)` to vectors `(n, c)`, with the deviation within groups; so clips of a batch are mixed."""

    mixes_clips = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = EqualConv2d(channels + 1, channels, 3)
        self.layer, self.out = EqualLinear(channels * 4 * 4, channels), EqualLinear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(activated(self.layer(activated(self.conv(with_deviation(x))).flatten(1))))


class TimeAndText(nn.Module):
    """What the features are multiplied by: mapped distances `(b, d)` in seconds and sentence, `(b, channels)`.

    Product over channels / sqrt(channels); without a sentence the distances alone are told.
    """

    def __init__(self, *, distances: int, text_dim: int, channels: int, waves: int = 6) -> None:
        super().__init__()
        self.register_buffer("rates", 2 * math.pi * 2.0 ** torch.linspace(-3, 2, waves), persistent=False)  # rad/s
        self.rates: Tensor
        self.sentence = EqualLinear(text_dim, channels)
        self.first = EqualLinear(channels + 2 * waves * distances, channels)
        self.second = EqualLinear(channels, channels)

    def forward(self, features: Tensor, distances: Tensor, text: TextFeatures | None) -> Tensor:
        phases = (distances[..., None] * self.rates).flatten(1)
        said = torch.zeros_like(features) if text is None else normalised(self.sentence(text.sentence))
        told = self.second(activated(self.first(torch.cat([said, phases.sin(), phases.cos()], 1))))
        return ((features * told).sum(1, keepdim=True) / math.sqrt(features.shape[1])).float()


class StyleganV(nn.Module):
    """`frames` frames of `width` channels at full size, twice as many at each halving, half as many before joining."""

    joined_at = 8

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        frames: int = 3,
        width: int = 32,
        most: int = 256,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.blind = frames, blind
        downs = (size // self.joined_at).bit_length() - 1
        widths = [min(width * 2**i, most) for i in range(downs + 1)]
        widths[-1] = max(widths[-1] // 2, 4)
        joint = min(width * 2**downs, most)
        self.enter = EqualConv2d(3, widths[0], 1)
        self.apart = nn.Sequential(*(Down(a, b) for a, b in pairwise(widths)))
        self.together = Down(widths[-1] * frames, joint)
        self.leave = Epilogue(joint)
        self.told = TimeAndText(distances=frames - 1, text_dim=text_dim, channels=joint)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        x = self.apart(activated(self.enter(frames_of(seen[0]))))
        x = self.together(x.reshape(len(seen[0]), -1, *x.shape[2:]))
        return self.leave(x), times.diff(dim=1)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.told(*features, text)
