"""MoCoGAN (Tulyakov et al. 2018): what a clip shows stays, how it moves is a path that a recurrent network walks.

Section 3: a frame is G_I([z_C, z_M^(k)]), where z_C ~ N(0, I) is the content and stays, and z_M^(1..K) = R_M(e^(1..K)),
e^(k) ~ N(0, I), is the motion. Section 3.2: the category of an action is a further input [z_A, e^(k)] of R_M; the
caption takes the place of the category here. The image network is DCGAN's (Radford et al. 2016).

Deviations: the caption is told to the image network as well, since it also says who and where; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from t2vgan.shapes import TextFeatures


class Mocogan(nn.Module):
    """z `(b, z_dim)`, a caption and `(b, t)` instants to `(b, 3, t, size, size)` in [-1, 1].

    z holds z_C, what the recurrence starts from, and the noise of `clip_frames` steps; longer clips begin with the
    noise anew. Frames are steps: it knows one frame rate, and the instants say only how many there are. `width` is that
    of the last but one map; batch statistics (Ioffe & Szegedy 2015) mix the clips of a batch in training.
    """

    continuous = False

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        clip_frames: int = 16,
        content_dim: int = 50,
        motion_dim: int = 10,
        text_code: int = 50,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.z_dim = content_dim + motion_dim * (1 + clip_frames)
        self.content_dim, self.motion_dim, self.steps = content_dim, motion_dim, clip_frames
        self.category = nn.Linear(text_dim, text_code)
        self.motion = nn.GRUCell(text_code + motion_dim, motion_dim)
        self.image = DcganImage(inward=content_dim + text_code + motion_dim, size=size, width=width)

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        content, walk = z.split([self.content_dim, self.motion_dim * (1 + self.steps)], 1)
        state, *noise = walk.reshape(b, 1 + self.steps, self.motion_dim).unbind(1)
        said = self.category(text.sentence)
        states = []
        for k in range(t):
            state = self.motion(torch.cat([said, noise[k % self.steps]], 1), state)
            states.append(state)
        still = torch.cat([content, said], 1)[:, None].expand(b, t, -1)
        frames = self.image(torch.cat([still, torch.stack(states, 1)], 2).flatten(0, 1))
        return frames.float().unflatten(0, (b, t)).transpose(1, 2)


class DcganImage(nn.Module):
    """Codes `(n, inward)` to images `(n, 3, size, size)` in [-1, 1] by transposed convolutions from 4 x 4 pixels on.

    Radford et al. 2016, figure 1: `width` channels before the last layer, twice as many at each level below.
    """

    def __init__(self, *, inward: int, size: int, width: int) -> None:
        super().__init__()
        ups = (size // 4).bit_length() - 1
        widths = [width * 2**i for i in reversed(range(ups))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(inward, widths[0], 4, bias=False), *normed(widths[0])]
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), *normed(b)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh())

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code[:, :, None, None])


def normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU()
