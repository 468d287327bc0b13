"""TGAN (Saito et al. 2017): one network makes a latent for every frame at once, another turns latents into images.

Section 3: z_0 goes through G_0, transposed convolutions along time, to z_1^1..z_1^T; the frame t is G_1(z_0, z_1^t).
Table 1 has the layers.

Deviations: the caption's code stands beside z_0 wherever z_0 is read, as class labels do in the authors' conditional
model; z_0 is normal instead of uniform; batch normalisations have a shift; widths.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from t2vgan.generators.mocogan import normed
from t2vgan.shapes import TextFeatures


class Tgan(nn.Module):
    """z `(b, z_dim)`, a caption and `(b, t)` instants, t <= `clip_frames`, to `(b, 3, t, size, size)` in [-1, 1].

    All frames come at once, so there cannot be more than it was made for (ValueError). `width` is that of the last map;
    batch statistics mix the clips of a batch in training.
    """

    continuous = False

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        clip_frames: int = 16,
        z_dim: int = 100,
        latent: int = 100,
        text_code: int = 100,
        width: int = 32,
    ) -> None:
        super().__init__()
        self.z_dim, self.clip_frames, self.start = z_dim, clip_frames, 4 * width
        self.sentence = nn.Linear(text_dim, text_code)
        doublings = max(math.ceil(math.log2(clip_frames)), 1)
        widths = [max(8 * width // 2**i, latent) for i in range(doublings)]
        layers: list[nn.Module] = [nn.ConvTranspose1d(z_dim + text_code, widths[0], 1, bias=False)]
        for a, b in pairwise(widths):
            layers += [nn.BatchNorm1d(a), nn.ReLU(), nn.ConvTranspose1d(a, b, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm1d(widths[-1]), nn.ReLU(), nn.ConvTranspose1d(widths[-1], latent, 4, 2, 1), nn.Tanh()]
        self.temporal = nn.Sequential(*layers)
        self.slow = nn.Linear(z_dim + text_code, self.start * 4 * 4)
        self.fast = nn.Linear(latent, self.start * 4 * 4)
        self.norms = nn.ModuleList(nn.Sequential(*normed(self.start)) for _ in range(2))
        ups = (size // 4).bit_length() - 1
        widths = [2 * self.start, *(max(self.start // 2**i, width) for i in range(ups))]
        layers = []
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), *normed(b)]
        self.image = nn.Sequential(*layers, nn.Conv2d(widths[-1], 3, 3, 1, 1), nn.Tanh())

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        if t > self.clip_frames:
            raise ValueError(f"tgan: makes all frames of a clip at once, {self.clip_frames} at most, not {t}")
        told = torch.cat([z, self.sentence(text.sentence)], 1)
        moving = self.temporal(told[:, :, None])[:, :, :t].transpose(1, 2).flatten(0, 1)
        still = self.norms[0](self.slow(told).unflatten(1, (self.start, 4, 4)))
        still = still[:, None].expand(-1, t, -1, -1, -1).flatten(0, 1)
        moving = self.norms[1](self.fast(moving).unflatten(1, (self.start, 4, 4)))
        return self.image(torch.cat([still, moving], 1)).float().unflatten(0, (b, t)).transpose(1, 2)
