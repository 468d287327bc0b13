"""The essay's generator: a convolutional LSTM (Shi et al. 2015, eq. 3) walks through time, each state becomes a frame.

Noise z and sentence s set the first state and stay in view of every step; the words are attended to from the state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from t2vgan.generators.blocks import Mirror, SynthesisBlock, WordAttention, bounded, trial_of
from t2vgan.shapes import TextFeatures, Trial


class ConvLstmCell(nn.Module):
    """One step of a convolutional LSTM; all four gates from one convolution, without the paper's peepholes."""

    def __init__(self, *, inward: int, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(inward + channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        entry, forget, output, update = self.gates(torch.cat([x, hidden], 1)).chunk(4, 1)
        cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(entry) * torch.tanh(update)
        return torch.sigmoid(output) * torch.tanh(cell), cell


class ConvLstm(nn.Module):
    """z `(b, z_dim)`, a caption and increasing instants `(b, t)` in seconds to `(b, 3, t, size, size)` in [-1, 1].

    The state lives at 8 x 8 pixels with `width` channels; the time since the last frame is an input of every step, so
    frame rates may vary. Frames cost the same however many there are; they must be rendered from the first one on.
    Without `mirror` it paints both sides of things, as the essay has it; with it one side, and one bit says which.
    """

    continuous = False
    trial: Trial | None = None  # of the last call in training

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        z_dim: int = 64,
        dim: int = 256,
        width: int = 128,
        attention: bool = True,
        mirror: bool = True,
    ) -> None:
        super().__init__()
        if width < 16:
            raise ValueError(f"generator.width is {width}: it has to be at least 16")
        self.z_dim, self.size, self.width = z_dim, size, width
        self.content = nn.Sequential(
            nn.Linear(z_dim + text_dim, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim), nn.LeakyReLU(0.2)
        )
        self.first = nn.Linear(dim, 2 * width * 8 * 8)
        self.drive = nn.Linear(dim + 2, width)
        self.cell = ConvLstmCell(inward=width, channels=width)
        self.attention = WordAttention(channels=width, text_dim=text_dim) if attention else None
        self.mirror = Mirror(dim=dim, text_dim=text_dim) if mirror else None
        ups = (size // 8).bit_length() - 1
        widths = [max(width // 2**i, 16) for i in range(ups + 1)]
        self.blocks = nn.ModuleList(
            SynthesisBlock(widths[max(i - 1, 0)], widths[i], style_dim=dim, up=i > 0) for i in range(ups + 1)
        )

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        return self.attend(z, text, times)[0]

    def attend(self, z: Tensor, text: TextFeatures, times: Tensor) -> tuple[Tensor, Tensor]:
        """The video, and where each word was looked at: `(b, t, l, h', w')`, which sums to one over the words."""
        b, t = times.shape
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        content = self.content(torch.cat([z, text.sentence], 1))
        hidden, cell = (torch.tanh(s) for s in self.first(content).reshape(b, 2, self.width, 8, 8).unbind(1))
        gaps = torch.diff(times, dim=1, prepend=times[:, :1])
        maps, states = [], []
        for i in range(t):
            clock = torch.stack([gaps[:, i], times[:, i]], 1)
            x = self.drive(torch.cat([content, clock], 1))[:, :, None, None].expand(-1, -1, 8, 8)
            if (spotlight := self.attention) is not None:
                x, attention = spotlight(x + hidden, text.words, text.mask, 1)
                maps.append(attention.transpose(1, 2).reshape(b, -1, 8, 8))
            hidden, cell = self.cell(x, hidden, cell)
            states.append(hidden)
        frames = torch.stack(states, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        style = content[:, None].expand(b, t, -1).flatten(0, 1)
        rgb = None
        for block in self.blocks:
            frames, rgb = block(frames, rgb, style)
        assert rgb is not None
        video = bounded(rgb, self.training).reshape(b, t, 3, self.size, self.size).transpose(1, 2)
        seen = torch.stack(maps, 1) if maps else video.new_zeros(b, t, text.words.shape[1], 1, 1)
        if (mirror := self.mirror) is not None:
            video, seen = mirror(mirror.decide(z, content, text), video, seen)
            self.trial = trial_of(mirror, video.detach().flip(-1)) if self.training else None
        return video, seen
