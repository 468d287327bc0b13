"""DVD-GAN (Clark et al. 2019): BigGAN's generator with convolutional recurrences between its blocks.

Section 3.1: an affine map of [z; e(y)] is a 4 x 4 picture that a ConvGRU is shown at every step; each of its states
goes through two residual blocks, the second of which doubles the pixels; this is repeated, each group with a ConvGRU of
its own, up to the size of the frames. [z; e(y)] also sets gain and bias of every batch normalisation (de Vries et al.
2017). The caption's linear embedding takes the place of the class's, e(y).

Deviations: no spectral norm in the generator (its critics have it), no self-attention; batch statistics in use are the
running ones of training instead of standing statistics; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.blocks import per_channel
from t2vgan.shapes import TextFeatures


class ConvGru(nn.Module):
    """A ConvGRU (Ballas et al. 2016) over `(b, t, c, h, w)`; the candidate goes through a ReLU, as in the paper.

    u, r = sigmoid(W [h, x]); h <- u h + (1 - u) relu(W' [r h, x]).
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1)
        self.candidate = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        hidden, states = torch.zeros_like(frames[:, 0]), []
        for x in frames.unbind(1):
            update, reset = torch.sigmoid(self.gates(torch.cat([hidden, x], 1))).chunk(2, 1)
            new = F.relu(self.candidate(torch.cat([reset * hidden, x], 1)))
            hidden = update * hidden + (1 - update) * new
            states.append(hidden)
        return torch.stack(states, 1)


class ConditionalNorm(nn.Module):
    """Batch normalisation whose gain and bias are linear in the condition `(n, dim)`."""

    def __init__(self, *, channels: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = nn.Linear(dim, channels), nn.Linear(dim, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = per_channel(1 + self.gain(condition)), per_channel(self.bias(condition))
        return self.norm(x) * gain + bias


class Block(nn.Module):
    """BigGAN's residual block (Brock et al. 2019, figure 15): norm, ReLU, double, convolve, norm, ReLU, convolve."""

    def __init__(self, inward: int, outward: int, *, dim: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.norms = nn.ModuleList(ConditionalNorm(channels=c, dim=dim) for c in (inward, outward))
        self.first = nn.Conv2d(inward, outward, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outward, outward, 3, padding=1)
        self.skip = nn.Conv2d(inward, outward, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        y = self.larger(F.relu(self.norms[0](x, condition)))
        y = self.second(F.relu(self.norms[1](self.first(y), condition)))
        return y + self.larger(self.skip(x))

    def larger(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x


class DvdGan(nn.Module):
    """z `(b, z_dim)`, a caption and `(b, t)` instants to `(b, 3, t, size, size)` in [-1, 1].

    Frames are steps of the recurrences: the instants say only how many there are. `width` is that of the last map;
    batch statistics mix the clips of a batch in training.
    """

    continuous = False

    def __init__(self, *, text_dim: int, size: int, z_dim: int = 120, text_code: int = 120, width: int = 32) -> None:
        super().__init__()
        self.z_dim = z_dim
        dim = z_dim + text_code
        ups = (size // 4).bit_length() - 1
        widths = [min(2 ** (ups - i), 8) * width for i in range(ups + 1)]  # 8, 4, 2, 1 times the last one's
        self.embed = nn.Linear(text_dim, text_code, bias=False)
        self.enter = nn.Linear(dim, widths[0] * 4 * 4)
        self.recurrences = nn.ModuleList(ConvGru(channels=c) for c in widths[:-1])
        self.still = nn.ModuleList(Block(c, c, dim=dim, up=False) for c in widths[:-1])
        self.growing = nn.ModuleList(Block(a, b, dim=dim, up=True) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(module.weight)  # section 4

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        condition = torch.cat([z, self.embed(text.sentence)], 1)
        frames = self.enter(condition).unflatten(1, (-1, 4, 4))[:, None].expand(b, t, -1, 4, 4)
        told = condition.repeat_interleave(t, 0)
        for recurrence, still, growing in zip(self.recurrences, self.still, self.growing, strict=True):
            x = recurrence(frames).flatten(0, 1).contiguous(memory_format=torch.channels_last)
            frames = growing(still(x, told), told).unflatten(0, (b, t))
        video = torch.tanh(self.to_rgb(F.relu(self.norm(frames.flatten(0, 1)))))
        return video.float().unflatten(0, (b, t)).transpose(1, 2)
