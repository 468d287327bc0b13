"""DIGAN (Yu et al. 2022): a clip is a function of x, y and t, an implicit neural representation.

Section 3.1: v(x, y, t) = a network of layers without convolutions, whose first one is
sin(s_x w_x x + s_y w_y y + s_t w_t t + b), with s_t smaller than s_x and s_y so that motion is smooth. Section 3.2:
the content z_I sets all layers by way of w_I, as in INR-GAN (Skorokhodov et al. 2021); the motion z_M sets w_t alone,
and does so in view of the content. Layers are modulated by products of two thin matrices (INR-GAN, section 3.1), in
the form of the authors' published networks, W * (1 + A B) with rows of unit length, and pixels are refined from coarse
to fine (section 3.2 there).

Deviations: the caption stands beside the noise of both mapping networks, as class labels do in the authors' conditional
model; in the layer of sines the content has no say: w_x, w_y and b are the same for all clips, and w_t is a linear
function of the motion vector, so that phases are linear in time (the authors' code has a network of two layers, and
cosines, between w_t t and the pixels); the layers that give colours have rows of unit length and a fixed size, too;
colours are cut off at their bounds in training, too; widths.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.equalised import EqualLinear
from t2vgan.generators.blocks import bounded
from t2vgan.generators.stylegan_v import Mapping
from t2vgan.shapes import TextFeatures


class FactorisedLinear(nn.Module):
    """Points `(b, n, c)` through W * (1 + A B), rows brought to unit length; A, B of rank `rank` from w `(b, dim)`."""

    def __init__(self, inward: int, outward: int, *, dim: int, rank: int = 10) -> None:
        super().__init__()
        self.inward, self.outward, self.rank = inward, outward, rank
        self.weight = nn.Parameter(torch.randn(outward, inward))
        self.bias = nn.Parameter(torch.zeros(outward))
        self.factors = EqualLinear(dim, rank * (inward + outward))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        left, right = self.factors(w).split([self.outward * self.rank, self.inward * self.rank], 1)
        product = left.unflatten(1, (-1, self.rank)) @ right.unflatten(1, (self.rank, -1)) / math.sqrt(self.rank)
        weight = F.normalize(self.weight * (1 + product), dim=2)
        return torch.baddbmm(self.bias.to(x.dtype), x, weight.transpose(1, 2).to(x.dtype))


class Coordinates(nn.Module):
    """sin(s_x w_x x + s_y w_y y + s_t w_t t + b) on a grid: w_t `(b, d)`, instants `(b, t)` to `(b, t, s * s, d)`."""

    def __init__(self, *, features: int, spread: float) -> None:
        super().__init__()
        self.across = nn.Parameter(spread * torch.randn(2, features))
        self.bias = nn.Parameter(math.pi * torch.randn(features))

    def forward(self, pace: Tensor, times: Tensor, size: int) -> Tensor:
        at = (torch.arange(size, device=times.device) + 0.5) / size * 2 - 1
        places = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).flatten(0, 1) @ self.across  # (s * s, d)
        moved = times[:, :, None, None] * pace[:, None, None]
        return torch.sin(places + moved + self.bias)


class Digan(nn.Module):
    """z `(b, z_dim)` (z_I and z_M, half each), a caption and any instants to `(b, 3, t, size, size)` in [-1, 1].

    `width` is that of all layers up to 16 pixels; half of it above.
    """

    continuous = True
    time_scale = 0.25  # s_t of the paper, in units of x and y per second

    def __init__(self, *, text_dim: int, size: int, z_dim: int = 128, dim: int = 128, width: int = 64) -> None:
        super().__init__()
        self.z_dim, self.size = z_dim, size
        self.content = Mapping(z_dim=z_dim // 2, text_dim=text_dim, dim=dim)
        self.motion = Mapping(z_dim=z_dim, text_dim=text_dim, dim=dim)
        self.sizes = [2**i for i in range(3, size.bit_length())]
        widths = [width if s <= 16 else max(width // 2, 8) for s in self.sizes]
        self.pace = EqualLinear(dim, sum(widths))
        self.widths = widths
        self.coordinates = nn.ModuleList(
            Coordinates(features=c, spread=s / 4) for c, s in zip(widths, self.sizes, strict=True)
        )
        inward = [0, *widths[:-1]]
        self.first = nn.ModuleList(FactorisedLinear(a + c, c, dim=dim) for a, c in zip(inward, widths, strict=True))
        self.second = nn.ModuleList(FactorisedLinear(c, c, dim=dim) for c in widths)
        self.to_rgb = nn.ModuleList(FactorisedLinear(c, 3, dim=dim) for c in widths)

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        w = self.content(z[:, : self.z_dim // 2], text.sentence)
        paces = self.pace(self.motion(z, text.sentence)).split(self.widths, 1)
        x, rgb = times.new_zeros(b, t, 0, self.sizes[0], self.sizes[0]), times.new_zeros(b, t, 3, 1, 1)
        for i, size in enumerate(self.sizes):
            seen = self.coordinates[i](self.time_scale * 2 * math.pi * paces[i], times, size)
            points = torch.cat([self.enlarged(x, size), seen], 3).flatten(1, 2)
            points = math.sqrt(2) * F.leaky_relu(self.first[i](points, w), 0.2)
            points = math.sqrt(2) * F.leaky_relu(self.second[i](points, w), 0.2)
            # At 0.3 colours begin within their range.
            colours = 0.3 * self.to_rgb[i](points, w).unflatten(1, (t, size, size)).permute(0, 1, 4, 2, 3)
            x = points.unflatten(1, (t, size, size)).permute(0, 1, 4, 2, 3)
            rgb = colours + F.interpolate(rgb.flatten(0, 1), size=(size, size), mode="bilinear").unflatten(0, (b, t))
        return bounded(rgb, self.training).transpose(1, 2)

    @staticmethod
    def enlarged(x: Tensor, size: int) -> Tensor:
        """Maps `(b, t, c, s, s)` as points of a finer grid, `(b, t, size * size, c)`."""
        b, t, c = x.shape[:3]
        if c:
            x = F.interpolate(x.flatten(0, 1), size=(size, size), mode="nearest").unflatten(0, (b, t))
        return x.flatten(3).transpose(2, 3)
