"""Projected critic (Sauer et al. 2021) for video: trained heads on frozen ImageNet features of a few frames.

Gradients that have passed through a network which already knows shapes teach a generator shapes long before a critic
that starts from nothing could: the fastest learner by far at the scale of one CPU-hour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import LatentGuess, SpectralConv2d, TextProjection, TimeEmbedding, WordScores
from t2vgan.discriminators.correlation import Matcher, Reader
from t2vgan.discriminators.imagenet_eyes import LEVELS, ImagenetEyes
from t2vgan.shapes import TextFeatures


class LevelHead(nn.Module):
    """Three spectrally normalised convolutions on one level of the stacked frames, down to a 4x4 map."""

    def __init__(self, *, channels: int, width: int, size: int) -> None:
        super().__init__()
        downs = max(size // 4, 1).bit_length() - 1  # halvings that lead from `size` to 4
        strides = [2 if i < downs else 1 for i in range(3)]
        self.convs = nn.ModuleList(
            SpectralConv2d(width if i else channels, width, 3 if s == 1 else 4, s, 1) for i, s in enumerate(strides)
        )

    def forward(self, x: Tensor, when: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i == 0:
                x = x + when[:, :, None, None]
            x = F.leaky_relu(x, 0.2)
        return x


class Projected(nn.Module):
    """Sees `frames` frames of a clip at `see_size` pixels through frozen EfficientNet-lite0 features.

    Each level passes a fixed random 1x1 projection to `channels` (the cross-channel mixing of the paper; its
    cross-scale mixing is left out), the frames are stacked as channels in their order in time, so that motion is what
    differs between stacked maps, and a head judges realism and agreement with the caption in a 4x4 map of logits per
    level. With `match`, the correlations of neighbouring frames are one level more, for what moves and how fast.
    `latents`: how many entries of the noise are guessed, for the loss `latent`; `numbers`: how many steer the clips of
    the generator, which it reads off what moves, for the loss `steer`.
    """

    cells = 16  # at most so many places to a side are compared between frames, whatever `see_size`

    def __init__(
        self,
        *,
        text_dim: int,
        frames: int = 4,
        see_size: int = 64,
        channels: int = 48,
        width: int = 96,
        match: bool = False,
        latents: int = 0,
        numbers: int = 0,
        blind: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.frames, self.see_size, self.blind, self.latents = frames, see_size, blind, latents
        self.eyes = ImagenetEyes()
        generator = torch.Generator().manual_seed(seed)
        for i, c in enumerate(ImagenetEyes.channels):
            mix = torch.randn(channels, c, 1, 1, generator=generator) / c**0.5
            self.register_buffer(f"mix{i}", mix)
        self.when = TimeEmbedding(frames=frames, dim=width)
        levels = [(channels * frames, see_size // stride) for _, stride in LEVELS.values()]
        self.match = Matcher(frames=frames, size=min(levels[0][1], self.cells)) if match else None
        levels += [(self.match.channels, self.match.size)] if self.match else []
        self.heads = nn.ModuleList(LevelHead(channels=c, width=width, size=size) for c, size in levels)
        self.reader = None
        if self.match is not None and numbers:
            self.reader = Reader(channels=self.match.channels, frames=frames, numbers=numbers)
        self.words = WordScores(channels=width, levels=len(levels), text_dim=text_dim)
        self.guess = LatentGuess(channels=width, levels=len(levels), latents=latents) if latents else None
        self.judges = nn.ModuleList(TextProjection(channels=width, text_dim=text_dim) for _ in levels)

    def see(self, video: Tensor, grain: Tensor | None = None) -> tuple[Tensor, ...]:
        """`(b, 3, t, h, w)` to one map `(b, t * channels, h', w')` per level; nothing here is trained.

        `grain` `(b, 3, t, see_size, see_size)` is added for the eyes alone: noise in the brightness that is compared
        between frames hides small steps, and the camera was obeyed 7 to 9 points less.
        """
        seen = self.levels(video, grain)
        return (*seen, self.moves(video, seen[0])) if self.match is not None else seen

    def clear(self, video: Tensor) -> tuple[Tensor, ...]:
        """Only what moves, seen without noise, for `read`: noise on every frame hides a part of each motion."""
        return (self.moves(video, self.levels(video, None, count=1)[0]),)

    def levels(self, video: Tensor, grain: Tensor | None, count: int = len(LEVELS)) -> tuple[Tensor, ...]:
        b, _, t, h, w = video.shape
        frames = video.transpose(1, 2).reshape(b * t, 3, h, w).contiguous(memory_format=torch.channels_last)
        if h != self.see_size:
            frames = F.interpolate(frames, size=(self.see_size, self.see_size), mode="bilinear", antialias=False)
        if grain is not None:
            frames = frames + grain.transpose(1, 2).flatten(0, 1).to(frames)
        seen = []
        for i, level in enumerate(self.look(frames, count)):
            mixed = F.conv2d(level, getattr(self, f"mix{i}"))
            seen.append(mixed.reshape(b, -1, *mixed.shape[-2:]))
        return tuple(seen)

    def moves(self, video: Tensor, fine: Tensor) -> Tensor:
        """What frames have in common, and where: of brightness and of the finest maps, `(b, channels, h', w')`."""
        assert self.match is not None
        if fine.shape[-1] != self.match.size:
            fine = F.adaptive_avg_pool2d(fine, self.match.size)
        return self.match(video, fine.unflatten(1, (video.shape[2], -1)))

    def look(self, frames: Tensor, count: int = len(LEVELS)) -> tuple[Tensor, ...]:
        if self.training:
            # The backward pass of a depthwise convolution takes twice as long in bfloat16 as in float32 on a CPU, and a
            # GPU waits for launches, not for these products; and what has no way back is seen in the same numbers, or
            # the critic could tell real clips by their rounding.
            with torch.autocast(frames.device.type, enabled=False):
                return self.eyes(frames.float(), count)
        return self.eyes(frames, count)

    def stills(self, seen: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the upper and the lower half look like, means over all frames: `(b, channels, 2, 1)` per level."""
        levels = (level.float().unflatten(1, (self.frames, -1)).mean(1) for level in seen[: len(LEVELS)])
        return tuple(F.adaptive_avg_pool2d(level, (2, 1)) for level in levels)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        when = self.when(times)
        return tuple(head(level, when) for head, level in zip(self.heads, seen, strict=True))

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        sentence = None if text is None else text.sentence
        return torch.cat([judge(f, sentence) for judge, f in zip(self.judges, features, strict=True)], 1)

    def word_scores(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
        return self.words(features, text.words)

    def read(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, Tensor]:
        """What steers clips, from what was seen of them: mean and logarithm of the variance, `(b, numbers)` each."""
        assert self.reader is not None
        return self.reader(seen[-1], times)
