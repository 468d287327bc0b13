"""TFGAN's critics (Balaji et al. 2019): convolution filters made from the text, at several scales.

Section 3.1: a network makes filters f_i(t) from the encoded text; the critic's own maps are convolved with them at two
depths, and what comes out is brought down to a vector each; the last maps meet the text's encoding as a vector. The
three together give the logit. One critic of this kind sees single frames, another whole clips, with filters over time.
Both are told real clips with wrong captions from those with right ones (the loss `mismatch`).

Deviations: filters are made from 32 numbers of the sentence, where the paper has hundreds: the layers that make filters
were most of its 300 million parameters; these numbers are brought to a mean square of one there, so that filters begin
as large as others; widths.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.volumes import exactly
from t2vgan.equalised import normalised
from t2vgan.shapes import TextFeatures


class TextFilters(nn.Module):
    """Maps `(b, width, t, h, w)` convolved with filters that the sentence's code `(b, code)` makes; then a vector.

    `kernel` is (time, height, width). The vectors `(b, t, dim)` are one per frame where the filters are flat.
    """

    def __init__(self, *, inward: int, width: int, code: int, kernel: tuple[int, int, int], dim: int) -> None:
        super().__init__()
        self.width, self.kernel = width, kernel
        self.enter = nn.Conv3d(inward, width, 1)
        self.sentence_filters = nn.Linear(code, width * width * kernel[0] * kernel[1] * kernel[2])
        nn.init.normal_(self.sentence_filters.weight, std=code**-0.5)  # filters of variance 1 before `/ fan**0.5`
        self.after = nn.Conv3d(width, width, (kernel[0], 3, 3), padding=(kernel[0] // 2, 1, 1))
        self.leave = nn.Linear(width * 4, dim)

    def forward(self, maps: Tensor, code: Tensor) -> Tensor:
        b, _, t, h, w = maps.shape
        x = self.enter(maps)
        fan = self.width * self.kernel[0] * self.kernel[1] * self.kernel[2]
        made = self.sentence_filters(normalised(code)) / fan**0.5
        filters = made.view(b * self.width, self.width, *self.kernel)
        padding = tuple(k // 2 for k in self.kernel)
        x = F.conv3d(x.reshape(1, b * self.width, t, h, w), filters, padding=padding, groups=b).view_as(x)
        x = F.relu(self.after(F.avg_pool3d(x, (1, 2, 2))))
        x = F.adaptive_avg_pool3d(x, (t if self.kernel[0] == 1 else 1, 2, 2))
        return self.leave(x.transpose(1, 2).flatten(2))


class Residual3d(nn.Module):
    """x + f(x) with one convolution, then half the size: of space, and of time where `time` is more than one frame."""

    def __init__(self, inward: int, outward: int, *, kernel: int, pool: int) -> None:
        super().__init__()
        self.pool = (pool, 2, 2)
        self.conv = nn.Conv3d(inward, outward, (kernel, 3, 3), padding=(kernel // 2, 1, 1))
        self.skip = nn.Conv3d(inward, outward, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(self.skip(x) + self.conv(F.leaky_relu(x, 0.2)), self.pool)


class TextConditioned(nn.Module):
    """The body of both critics: `time` frames seen together, or any number of them `apart`."""

    def __init__(
        self, *, text_dim: int, size: int, time: int, apart: bool, width: int, code: int = 32, dim: int = 64
    ) -> None:
        super().__init__()
        self.apart = apart
        kernel = 1 if apart else 3
        widths = [width * min(2 ** (i + 1), 8) for i in range((size // 4).bit_length() - 1)]
        self.enter = nn.Conv3d(3, width, (kernel, 3, 3), padding=(kernel // 2, 1, 1))
        self.trunk, inward = nn.ModuleList(), width
        for w in widths:
            self.trunk.append(Residual3d(inward, w, kernel=kernel, pool=2 if time > 1 and not apart else 1))
            inward, time = w, time // 2
        self.sentence_code = nn.Linear(text_dim, code)
        self.filters = nn.ModuleList(
            TextFilters(inward=w, width=width, code=code, kernel=(kernel, 5, 5), dim=dim) for w in widths[:2]
        )
        self.last = nn.Linear(widths[-1] * 4 * 4, dim)
        self.sentence_last = nn.Linear(code, dim)
        self.head = nn.Linear(3 * dim, 1)

    def forward(self, video: Tensor) -> tuple[Tensor, ...]:
        """The maps that filters meet, and the last ones as vectors `(b, t, d)`."""
        with exactly(video):
            x, maps = self.enter(video), []
            for i, block in enumerate(self.trunk):
                x = block(x)
                if i < len(self.filters):
                    maps.append(x)
            x = x if self.apart else x.mean(2, keepdim=True)
            return (*maps, x.transpose(1, 2).flatten(2))

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        *maps, last = features
        with exactly(last):
            parts = [self.last(F.leaky_relu(last, 0.2))]
            if text is None:
                parts += [torch.zeros_like(parts[0])] * len(self.filters)
            else:
                code = F.leaky_relu(self.sentence_code(text.sentence.to(last.dtype)), 0.2)
                parts[0] = parts[0] + self.sentence_last(code)[:, None]
                parts += [part(m, code) for part, m in zip(self.filters, maps, strict=True)]
            return self.head(F.leaky_relu(torch.cat(parts, 2), 0.2)).squeeze(2).float()


class TfganImage(nn.Module):
    """`frames` frames of a clip, each on its own."""

    def __init__(self, *, text_dim: int, size: int, frames: int = 1, width: int = 16, blind: bool = False) -> None:
        super().__init__()
        self.frames, self.blind = frames, blind
        self.body = TextConditioned(text_dim=text_dim, size=size, time=1, apart=True, width=width)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return self.body(seen[0])

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.body.judge(features, text)


class TfganVideo(nn.Module):
    """All `clip_frames` frames together."""

    frames = None

    def __init__(
        self, *, text_dim: int, size: int, clip_frames: int = 16, width: int = 16, blind: bool = False
    ) -> None:
        super().__init__()
        self.blind = blind
        self.body = TextConditioned(text_dim=text_dim, size=size, time=clip_frames, apart=False, width=width)

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        return (video,)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return self.body(seen[0])

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        return self.body.judge(features, text)
