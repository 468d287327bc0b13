"""DIGAN's two critics (Yu et al. 2022, section 3.2): one sees single images, one pairs of them with the time between.

The motion critic is told (i_1, i_2, dt): two frames and a map that holds their distance in time everywhere, seven
channels. Any two frames do, so that long clips cost no more than short ones. Both are StyleGAN2's residual critic
(Karras et al. 2020).

Deviations: the caption is weighed as StyleGAN-V's critic weighs it; the critic of images sees one frame of a clip,
where the authors' sees both of the pair; averages instead of smoothing filters; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from t2vgan.discriminators.stylegan_v import Down, Epilogue, TimeAndText, activated
from t2vgan.discriminators.volumes import frames_of
from t2vgan.equalised import EqualConv2d
from t2vgan.shapes import TextFeatures


class Trunk(nn.Module):
    """Pictures `(n, inward, size, size)` to vectors `(n, channels)`; twice as wide at each halving, `most` at most."""

    def __init__(self, *, inward: int, size: int, width: int, most: int = 256) -> None:
        super().__init__()
        widths = [min(width * 2**i, most) for i in range((size // 4).bit_length())]
        self.channels = widths[-1]
        self.enter = EqualConv2d(inward, widths[0], 1)
        self.blocks = nn.Sequential(*(Down(a, b) for a, b in pairwise(widths)))
        self.leave = Epilogue(self.channels)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.leave(self.blocks(activated(self.enter(pictures))))


class DiganImage(nn.Module):
    """One frame."""

    frames = 1

    def __init__(self, *, text_dim: int, size: int, width: int = 32, blind: bool = False) -> None:
        super().__init__()
        self.blind = blind
        self.trunk = Trunk(inward=3, size=size, width=width)
        self.told = TimeAndText(distances=0, text_dim=text_dim, channels=self.trunk.channels)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return self.trunk(frames_of(seen[0])), times.diff(dim=1)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.told(*features, text)


class DiganMotion(nn.Module):
    """Two frames and their distance in time, in seconds."""

    frames = 2

    def __init__(self, *, text_dim: int, size: int, width: int = 32, blind: bool = False) -> None:
        super().__init__()
        self.blind = blind
        self.trunk = Trunk(inward=7, size=size, width=width)
        self.told = TimeAndText(distances=0, text_dim=text_dim, channels=self.trunk.channels)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        (video,) = seen
        apart = times.diff(dim=1)
        clock = apart[:, :, None, None].expand(-1, 1, *video.shape[3:]).to(video.dtype)
        pairs = torch.cat([video[:, :, 0], video[:, :, 1], clock], 1)
        return self.trunk(pairs), apart[:, :0]

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.told(*features, text)
