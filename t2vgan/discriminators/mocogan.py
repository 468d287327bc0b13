"""MoCoGAN's two critics (Tulyakov et al. 2018, section 3.1): D_I sees single frames, D_V all frames of the clip.

Equation 5: D_I and D_V are each told real from fake, and both teach the generator. Both judge in patches: a map of
logits. In the paper D_V also guesses the category of the action (equation 6); with captions, both critics weigh them by
projection instead (Miyato & Koyama 2018), as all designs of the zoo do whose papers know no text.

Deviations: that; no noise on the critics' inputs, and no weight decay, which the authors' code has; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import TextProjection
from t2vgan.discriminators.volumes import exactly, frames_of
from t2vgan.shapes import TextFeatures


class MocoganImage(nn.Module):
    """`frames` frames, each on its own; `width` channels after the first layer. Batch statistics mix clips."""

    def __init__(self, *, text_dim: int, size: int, frames: int = 1, width: int = 64, blind: bool = False) -> None:
        super().__init__()
        self.frames, self.blind = frames, blind
        widths = [width * 2**i for i in range((size // 4).bit_length() - 1)]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for a, b in pairwise(widths):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.head = TextProjection(channels=widths[-1], text_dim=text_dim)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        maps = self.layers(frames_of(seen[0]))
        return (maps.unflatten(0, (len(seen[0]), -1)).transpose(1, 2),)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], None if text is None else text.sentence)


class MocoganVideo(nn.Module):
    """All `clip_frames` frames through 4 x 4 x 4 convolutions, down to 4 x 4 patches of what is left of time."""

    frames = None

    def __init__(
        self, *, text_dim: int, size: int, clip_frames: int = 16, width: int = 64, blind: bool = False
    ) -> None:
        super().__init__()
        self.blind = blind
        widths = [3, *(width * 2**i for i in range((size // 4).bit_length() - 1))]
        self.convs, self.norms, left = nn.ModuleList(), nn.ModuleList(), clip_frames
        for i, (a, b) in enumerate(pairwise(widths)):
            kernel = min(4, left)  # in time; short clips do not have room for four
            left -= kernel - 1
            self.convs.append(nn.Conv3d(a, b, (kernel, 4, 4), (1, 2, 2), (0, 1, 1), bias=False))
            self.norms.append(nn.BatchNorm3d(b) if i else nn.Identity())
        self.head = TextProjection(channels=widths[-1], text_dim=text_dim)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        with exactly(seen[0]):
            x = seen[0]
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x = F.leaky_relu(norm(conv(x)), 0.2)
            return (x,)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], None if text is None else text.sentence)
