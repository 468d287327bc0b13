"""How a clip moves: the style and the placements of each instant, read from the clip's content code."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.generators.blocks import Told
from t2vgan.shapes import TextFeatures


class Motion(nn.Module):
    """Content code `(b, h)`, instants `(b, t)` and where in its gait the subject then is `(b, t)`, in cycles, to the
    style of each frame `(b, t, h)` and its placements.

    A placement is where one group of moving coordinates lies: x, y and the logarithm of its size, `(b, t, groups, 3)`.
    It is bounded: the exponential of a size that had run away gave gradients of 10^9 and ended runs.
    """

    reach = 0.7  # frame widths; for sizes, a factor of two

    def __init__(self, *, dim: int, text_dim: int, waves: int, groups: int) -> None:
        super().__init__()
        hertz = torch.logspace(-2, 1, waves, base=2)  # 0.25 to 2 Hz: a slow sway to the beat of a gallop
        self.register_buffer("rates", 2 * math.pi * hertz)
        self.register_buffer("most", 1 / (1 + 2 * hertz))  # fast waves are small: a frame resembles the one before it
        self.rates: Tensor
        self.most: Tensor
        self.phases_amplitudes = Told(dim=dim, text_dim=text_dim, numbers=2 * waves, spread=0.6)
        self.start_speed = Told(dim=dim, text_dim=text_dim, numbers=2 * groups * 3, spread=0.3)
        self.sway = nn.Linear(waves + 4, groups * 3, bias=False)
        nn.init.normal_(self.sway.weight, std=0.05)
        self.layers = nn.Sequential(nn.Linear(dim + waves + 4 + 1, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim))
        self.groups = groups

    def forward(self, content: Tensor, text: TextFeatures, times: Tensor, gait: Tensor) -> tuple[Tensor, Tensor]:
        phases, amplitudes = self.phases_amplitudes(content, text).chunk(2, -1)
        amplitudes = torch.tanh(amplitudes) * self.most
        waves = amplitudes[:, None] * torch.sin(times[..., None] * self.rates + phases[:, None])  # (b, t, waves)
        angle = 2 * math.pi * gait
        steps = torch.stack([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], -1)
        # s from the middle of a usual clip
        return self.moved(content, text, torch.cat([waves, steps], -1), times[..., None] - 1.0)

    def still(self, content: Tensor, text: TextFeatures) -> tuple[Tensor, Tensor]:
        """Style `(b, 1, h)` and placements of what does not move."""
        nothing = content.new_zeros(content.shape[0], 1, 1)
        return self.moved(content, text, nothing.expand(-1, -1, self.sway.in_features), nothing)

    def moved(self, content: Tensor, text: TextFeatures, waves: Tensor, drift: Tensor) -> tuple[Tensor, Tensor]:
        """`waves` `(b, t, waves + 4)`; `drift` `(b, t, 1)`, so that start and speed are not at odds."""
        b, t = waves.shape[:2]
        start, speed = self.start_speed(content, text).reshape(b, 2, 1, -1).unbind(1)
        places = (start + drift * speed + self.sway(waves)).reshape(b, t, self.groups, 3)
        places = self.reach * torch.tanh(places / self.reach)
        code = torch.cat([content[:, None].expand(b, t, -1), waves, drift], -1)
        # A frame's style differs from the clip's by so much only: with more room, generators learned to switch
        # between pictures instead of moving what is in one.
        return F.leaky_relu(content[:, None] + 0.3 * torch.tanh(self.layers(code)), 0.2), places
