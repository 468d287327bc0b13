"""TFGAN (Balaji et al. 2019), the generator: a recurrent network makes a latent for every frame, a residual network
draws it.

Section 3.2: the noise of each step and the caption go into a GRU; its state, the caption and a noise vector that stays
for the clip go into a residual image network that all frames share. What is new in the paper, filters made from the
text, is in its critics (`discriminators/tfgan.py`). No normalisation anywhere, as in Mescheder et al. 2018, whose
residual blocks it takes.

Deviations: one text encoder for both players' sentences; code and noise are smaller than the paper's; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.shapes import TextFeatures


class Residual(nn.Module):
    """x + f(x), with one 3x3 convolution, as in the authors' published networks."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, 3, padding=1)
        self.skip = nn.Conv2d(inward, outward, 1, bias=False) if inward != outward else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.conv(F.leaky_relu(x, 0.2))


class Tfgan(nn.Module):
    """z `(b, z_dim)`, a caption and `(b, t)` instants to `(b, 3, t, size, size)` in [-1, 1].

    z holds the clip's noise, the first state and the noise of `clip_frames` steps, `noise` numbers each; longer clips
    begin with the noise anew. Frames are steps: the instants say only how many there are.
    """

    continuous = False

    def __init__(
        self, *, text_dim: int, size: int, clip_frames: int = 16, noise: int = 32, code: int = 64, width: int = 32
    ) -> None:
        super().__init__()
        self.z_dim, self.noise, self.steps = noise * (2 + clip_frames), noise, clip_frames
        self.content, self.motion = nn.Linear(text_dim, code), nn.Linear(text_dim, code)
        self.walk = nn.GRUCell(noise + code, noise)
        ups = (size // 4).bit_length() - 1
        widths = [8 * width, *(max(8 * width // 2**i, width) for i in range(1, ups + 1))]
        self.enter = nn.Linear(2 * noise + code, widths[0] * 4 * 4)
        self.first = Residual(widths[0], widths[0])
        self.blocks = nn.ModuleList(Residual(a, b) for a, b in pairwise(widths))
        self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        still, state, *noise = z.reshape(b, 2 + self.steps, self.noise).unbind(1)
        content, motion = self.content(text.sentence), self.motion(text.sentence)
        states = []
        for k in range(t):
            state = self.walk(torch.cat([noise[k % self.steps], motion], 1), state)
            states.append(state)
        still = torch.cat([still, content], 1)[:, None].expand(b, t, -1)
        code = torch.cat([still, torch.stack(states, 1)], 2).flatten(0, 1)
        x = self.first(self.enter(code).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(F.interpolate(x, scale_factor=2, mode="nearest"))
        frames = torch.tanh(self.to_rgb(F.leaky_relu(x, 0.2)))
        return frames.float().unflatten(0, (b, t)).transpose(1, 2)
