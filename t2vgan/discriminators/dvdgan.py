"""DVD-GAN's two critics (Clark et al. 2019, section 3.2): D_S sees few frames at full size, D_T all frames at half.

D_S scores `frames` frames (k = 8 in the paper) one by one, as BigGAN's critic (Brock et al. 2019) does images, and adds
the scores up. D_T averages 2 x 2 pixels first; its first two residual blocks are three-dimensional, the others look at
each of the remaining frames. Every layer is spectrally normalised (Miyato et al. 2018), the condition enters by
projection (Miyato & Koyama 2018), with the caption's sentence in the place of the class's embedding.

Deviations: no self-attention; the frames that D_S sees are evenly spaced, at a random distance from a random first one;
one step of the critics for one of the generator, where the paper has two; widths.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import SpectralConv2d
from t2vgan.discriminators.volumes import exactly, frames_of
from t2vgan.shapes import TextFeatures


class SpectralConv3d(nn.Conv3d):
    """`SpectralConv2d` for volumes: same iteration, same rests."""

    frozen = False
    normalised_weight: Any = SpectralConv2d.normalised_weight

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.register_buffer("u", F.normalize(torch.randn(self.out_channels), dim=0))
        self.u: Tensor

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.normalised_weight(), self.bias)


class SpectralLinear(SpectralConv2d):
    """A linear layer `(n, c)` to `(n, d)`, as a convolution of one pixel."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__(inward, outward, 1)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, None, None]).flatten(1)


class Down(nn.Module):
    """BigGAN's residual block of critics (Brock et al. 2019, figure 15); `first`: without the ReLU before it."""

    def __init__(self, inward: int, outward: int, *, pool: tuple[int, ...], first: bool = False) -> None:
        super().__init__()
        conv: Any = SpectralConv3d if len(pool) == 3 else SpectralConv2d
        self.pool: Any = pool
        self.average: Any = F.avg_pool3d if len(pool) == 3 else F.avg_pool2d
        self.first = first
        self.one, self.two = conv(inward, outward, 3, padding=1), conv(outward, outward, 3, padding=1)
        self.skip = conv(inward, outward, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.two(F.relu(self.one(x if self.first else F.relu(x))))
        return self.average(y, self.pool) + self.average(self.skip(x), self.pool)


class Projection(nn.Module):
    """Sum over places and frames, then psi(f) + <V s, f> (Miyato & Koyama 2018, eq. 3): `(b, 1)`."""

    def __init__(self, *, channels: int, text_dim: int) -> None:
        super().__init__()
        self.realism = SpectralLinear(channels, 1)
        self.sentence = SpectralLinear(text_dim, channels)

    def forward(self, maps: Tensor, text: TextFeatures | None) -> Tensor:
        """maps `(b, t, c, h, w)`."""
        frames = F.relu(maps).sum((3, 4))
        logits = self.realism(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        if text is not None:
            said = self.sentence(F.normalize(text.sentence, dim=1))  # a class's one-hot code has the length 1, too
            logits = logits + torch.einsum("btc,bc->bt", frames, said)[..., None]
        return logits.sum(1).float()


def settle(critic: nn.Module, iterations: int = 15) -> None:
    """Power iterations before the first round, whose gradients Adam remembers for long."""
    for layer in critic.modules():
        if isinstance(layer, SpectralConv2d | SpectralConv3d):
            for _ in range(iterations):
                layer.normalised_weight()


class DvdganSpatial(nn.Module):
    """`frames` frames at full resolution, each on its own. Down to 4 x 4 pixels, twice as wide at each halving."""

    def __init__(self, *, text_dim: int, size: int, frames: int = 8, width: int = 32, blind: bool = False) -> None:
        super().__init__()
        self.frames, self.blind = frames, blind
        widths = [3, *(width * min(2**i, 8) for i in range((size // 4).bit_length() - 1))]
        self.blocks = nn.Sequential(
            *(Down(a, b, pool=(2, 2), first=i == 0) for i, (a, b) in enumerate(pairwise(widths)))
        )
        self.head = Projection(channels=widths[-1], text_dim=text_dim)
        settle(self)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return (self.blocks(frames_of(seen[0])).unflatten(0, (len(seen[0]), -1)),)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], text)


class DvdganTemporal(nn.Module):
    """All frames of the clip at half the resolution: two blocks of volumes, then blocks of frames down to 4 x 4."""

    frames = None

    def __init__(
        self, *, text_dim: int, size: int, clip_frames: int = 16, width: int = 32, blind: bool = False
    ) -> None:
        super().__init__()
        self.blind = blind
        downs = max((size // 2 // 4).bit_length() - 1, 1)
        widths = [3, *(width * min(2**i, 8) for i in range(max(downs, 2)))]
        volumes, left = [], clip_frames
        for i, (a, b) in enumerate(pairwise(widths[:3])):
            space = 2 if i < downs else 1
            volumes.append(Down(a, b, pool=(2 if left > 1 else 1, space, space), first=i == 0))
            left = max(left // 2, 1)
        self.volumes = nn.Sequential(*volumes)
        self.blocks = nn.Sequential(*(Down(a, b, pool=(2, 2)) for a, b in pairwise(widths[2:])))
        self.head = Projection(channels=widths[-1], text_dim=text_dim)
        settle(self)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (F.avg_pool3d(video, (1, 2, 2)),)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        with exactly(seen[0]):
            x = self.volumes(seen[0])
            return (self.blocks(frames_of(x)).unflatten(0, (len(x), -1)),)

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.head(features[0], text)
