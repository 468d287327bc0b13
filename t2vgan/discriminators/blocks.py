"""Layers that several critics share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConv2d(nn.Conv2d):
    """Convolution divided by its largest singular value (Miyato et al. 2018, eqs. 7-8), one power iteration a call.

    The iteration runs in float32 whatever the autocast: in bfloat16 the estimate is too coarse to bound anything. It
    rests in evaluation mode and while `frozen`, so that finite differences compare the same function twice.
    """

    frozen = False

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.register_buffer("u", F.normalize(torch.randn(self.out_channels), dim=0))
        self.u: Tensor

    def normalised_weight(self) -> Tensor:
        with torch.autocast(self.weight.device.type, enabled=False):
            flat = self.weight.flatten(1)
            with torch.no_grad():
                v = F.normalize(flat.T @ self.u, dim=0)
                u = F.normalize(flat @ v, dim=0)
                if self.training and not self.frozen:
                    self.u = u
            return self.weight / (u @ (flat @ v))

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.normalised_weight(), self.bias)


class TimeEmbedding(nn.Module):
    """Instants of the frames a critic sees, `(b, t)` seconds, to `(b, dim)`: where in the clip and how far apart."""

    def __init__(self, *, frames: int, dim: int, waves: int = 6) -> None:
        super().__init__()
        self.register_buffer("rates", 2 * math.pi * 2.0 ** torch.linspace(-3, 2, waves), persistent=False)  # rad/s
        self.rates: Tensor
        self.layers = nn.Sequential(nn.Linear(2 * waves * frames, dim), nn.LeakyReLU(0.2), nn.Linear(dim, dim))

    def forward(self, times: Tensor) -> Tensor:
        phases = times[..., None] * self.rates
        return self.layers(torch.cat([phases.sin(), phases.cos()], -1).flatten(1))


class WordScores(nn.Module):
    """How much a clip's features agree with each word of a caption: <U w, A f> / sqrt(d), `(b, l)`.

    `features`: one map `(b, c, ..., h, w)` a level; time, where there is any, is averaged, places (4 x 4) are kept, for
    words also say where.
    """

    def __init__(self, *, channels: int, levels: int, text_dim: int, dim: int = 128) -> None:
        super().__init__()
        self.clip = nn.ModuleList(nn.Linear(channels * 4 * 4, dim) for _ in range(levels))
        self.word = nn.Linear(text_dim, dim)

    def forward(self, features: tuple[Tensor, ...], words: Tensor) -> Tensor:
        maps = [f.mean(2) if f.dim() == 5 else f for f in features]
        maps = [m if m.shape[-2:] == (4, 4) else F.adaptive_avg_pool2d(m, 4) for m in maps]
        clip = torch.stack([read(m.flatten(1)) for read, m in zip(self.clip, maps, strict=True)]).sum(0)
        return (torch.einsum("bld,bd->bl", self.word(words), clip) / math.sqrt(clip.shape[-1])).float()


class LatentGuess(nn.Module):
    """The first `latents` entries of the noise that made a clip, guessed from its features; see the loss `latent`."""

    def __init__(self, *, channels: int, levels: int, latents: int) -> None:
        super().__init__()
        self.read = nn.ModuleList(nn.Linear(channels * 4 * 4, latents) for _ in range(levels))

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:
        maps = [f if f.shape[-2:] == (4, 4) else F.adaptive_avg_pool2d(f, 4) for f in features]
        return torch.stack([read(m.flatten(1)) for read, m in zip(self.read, maps, strict=True)]).sum(0).float()


class TextProjection(nn.Module):
    """Projection critic (Miyato & Koyama 2018, eq. 3) at each place of a feature map: psi(f) + <V s, f> / sqrt(d).

    `features (b, d, ...)` and the sentence embedding `(b, text_dim)` give one logit per place, `(b, n)`. Without a text
    only psi is left: a critic that judges realism and is blind to the caption.
    """

    def __init__(self, *, channels: int, text_dim: int) -> None:
        super().__init__()
        self.realism = nn.Linear(channels, 1)
        self.sentence = nn.Linear(text_dim, channels)

    def forward(self, features: Tensor, sentence: Tensor | None) -> Tensor:
        places = features.flatten(2).transpose(1, 2)  # (b, n, d)
        logits = self.realism(places).squeeze(-1)
        if sentence is not None:
            logits = logits + torch.einsum("bnd,bd->bn", places, self.sentence(sentence)) / math.sqrt(places.shape[-1])
        return logits.float()
