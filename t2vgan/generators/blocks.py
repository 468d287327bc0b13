"""Layers that several generators share."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.equalised import EqualLinear
from t2vgan.shapes import TextFeatures, Trial


def per_channel(s: Tensor) -> Tensor:
    """`(n, c)` to `(n, c, 1, 1)` with the strides of a channels-last map: CPUs multiply four times faster by these."""
    return s[:, None, None, :].permute(0, 3, 1, 2)


def scaled(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`x * scale + shift`, of a channels-last map and what is per channel: `(n or 1, c, 1, 1)`.

    CPUs add such a shift to bfloat16 in scalar steps, five times slower than they multiply or add whole maps.
    """
    if x.dtype != torch.bfloat16 or x.device.type != "cpu":
        return torch.addcmul(shift, x, scale)
    whole = shift.expand(-1, -1, *x.shape[2:]).contiguous(memory_format=torch.channels_last)
    return x * scale + whole


def bounded(rgb: Tensor, training: bool) -> Tensor:
    """Colours within [-1, 1]; in training slopes lead back into them, and none further out (`Inwards`)."""
    return Inwards.apply(rgb.float()) if training else rgb.float().clamp(-1, 1)  # type: ignore[no-any-return]


class Inwards(torch.autograd.Function):
    """Colours cut to [-1, 1], and the gradient of those beyond where a step along it leads back.

    With a tanh the first few hundred steps drove whole clips into saturation, where no slope leads out again. Left
    unbounded colours could run away: to frozen eyes that have seen nothing like them they are all the same.
    """

    @staticmethod
    def forward(ctx: Any, rgb: Tensor) -> Tensor:
        ctx.save_for_backward(rgb)
        return rgb.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (rgb,) = ctx.saved_tensors
        return gradient * ((rgb.abs() <= 1) | (gradient * rgb > 0))


class ModulatedConv2d(nn.Module):
    """Convolution whose input channels a style scales, and whose output it brings back to unit size.

    Weight (de)modulation of StyleGAN2 (Karras et al. 2020, eqs. 1-3), applied to the activations instead of the
    weights: the same function, without a grouped convolution per sample, which CPUs are bad at. `up`: of its input at
    twice the height and width, each value repeated (`enlarging`). `equal`: with equalised learning rates.
    """

    gain = math.sqrt(2)  # keeps the size of activations through the leaky ReLU that follows

    def __init__(
        self,
        inward: int,
        outward: int,
        *,
        style_dim: int,
        kernel: int = 3,
        demodulate: bool = True,
        up: bool = False,
        equal: bool = False,
    ) -> None:
        super().__init__()
        self.up, self.share = up, 1 / math.sqrt(inward * kernel**2) if equal else 1.0
        self.weight = nn.Parameter(torch.randn(outward, inward, kernel, kernel) / math.sqrt(inward * kernel**2))
        self.bias = nn.Parameter(torch.zeros(outward))
        if equal:
            nn.init.normal_(self.weight)
        self.style = (EqualLinear if equal else nn.Linear)(style_dim, inward)
        nn.init.normal_(self.style.weight, std=1.0 if equal else 1 / math.sqrt(style_dim))
        nn.init.ones_(self.style.bias)
        self.demodulate, self.pointwise = demodulate, kernel == 1 and not demodulate and not up
        if up:
            self.register_buffer("met", MET.clone(), persistent=False)
            self.met: Tensor

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, weight = self.style(w), self.weight if self.share == 1.0 else self.weight * self.share
        if self.pointwise:
            return self.mixed(x, weight, scale)
        x = x * per_channel(scale.to(x.dtype))
        if self.up:
            y = F.conv_transpose2d(x, enlarging(weight, self.met), stride=2, padding=1)
        else:
            y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        bias = per_channel(self.bias[None].to(y.dtype))
        if not self.demodulate:
            return y + bias
        power = F.linear(scale.float().square(), weight.float().square().sum((2, 3)))
        return scaled(y, per_channel((self.gain * torch.rsqrt(power + 1e-8)).to(y.dtype)), bias)

    def mixed(self, x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
        """A kernel of one pixel that is not brought back is a product of matrices, a third of the time."""
        weight = weight[None, :, :, 0, 0] * scale[:, None]  # (n, out, in)
        places = x.permute(0, 2, 3, 1).flatten(1, 2)
        y = torch.baddbmm(self.bias[None, None].to(places.dtype), places, weight.transpose(1, 2).to(places.dtype))
        return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


# Which rows of a kernel of three meet a value that is repeated, at each of four places; and rows and columns together.
ALONG = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
MET = torch.kron(ALONG, ALONG).T.contiguous()  # (9, 16)


def enlarging(weight: Tensor, met: Tensor) -> Tensor:
    """`(out, in, 3, 3)` to `(in, out, 4, 4)`: a transposed convolution of stride 2 by this one is a convolution by the
    other of maps in which each value is repeated twice, to the sides and downwards, for four ninths of the products.

    Each value meets the kernel at four places there, so what it is multiplied by are sums of up to four weights.
    """
    with torch.autocast(weight.device.type, enabled=False):  # sums of weights, not of rounded ones
        kernel = weight.flatten(2) @ met.to(weight)
    return kernel.unflatten(2, (4, 4)).transpose(0, 1)


class SynthesisBlock(nn.Module):
    """Doubles height and width (or keeps them), two modulated convolutions, and an RGB skip (Karras et al. 2020)."""

    def __init__(self, inward: int, outward: int, *, style_dim: int, up: bool, equal: bool = False) -> None:
        super().__init__()
        self.up = up
        self.first = ModulatedConv2d(inward, outward, style_dim=style_dim, up=up, equal=equal)
        self.second = ModulatedConv2d(outward, outward, style_dim=style_dim, equal=equal)
        self.to_rgb = ModulatedConv2d(outward, 3, style_dim=style_dim, kernel=1, demodulate=False, equal=equal)
        nn.init.normal_(self.to_rgb.weight, std=0.3 / math.sqrt(outward) / self.to_rgb.share)

    def forward(self, x: Tensor, rgb: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor]:
        if self.up and rgb is not None:
            rgb = F.interpolate(rgb, scale_factor=2, mode="bilinear")
        x = F.leaky_relu(self.first(x, w), 0.2)
        x = F.leaky_relu(self.second(x, w), 0.2)
        colour = self.to_rgb(x, w)
        return x, colour if rgb is None else rgb + colour


class WordAttention(nn.Module):
    """Places of a feature map `(n, c, h, w)` attend to the words of their caption (Xu et al. 2018, eq. 2).

    `frames`: how many consecutive rows of the map share a caption. Returns the map with what was read added to it, and
    the attention `(n, h * w, l)`, which sums to one over the words: the spotlight.
    """

    def __init__(self, *, channels: int, text_dim: int, dim: int = 64) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, dim, 1)
        self.key = nn.Linear(text_dim, dim)
        self.value = nn.Linear(text_dim, channels)
        self.gain = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, words: Tensor, mask: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        n, c, h, w = x.shape
        b = n // frames
        query = self.query(x).flatten(2).transpose(1, 2).reshape(b, frames * h * w, -1)
        scores = query @ self.key(words).transpose(1, 2) / math.sqrt(query.shape[-1])
        attention = scores.float().masked_fill(~mask[:, None], float("-inf")).softmax(-1)
        read = (attention.to(x.dtype) @ self.value(words).to(x.dtype)).reshape(n, h * w, c).transpose(1, 2)
        return x + self.gain.to(x.dtype) * read.reshape(n, c, h, w), attention.reshape(n, h * w, -1)


class Told(nn.Module):
    """Numbers that steer a clip, from its content code `(b, dim)` and directly from its words: `(b, numbers)`.

    Adam moves each of the hundreds of weights behind a number by the learning rate at once: a pace in frame widths per
    second went by more than what tells a walk from a run, at every step. `pace` slows these weights down (equalised
    learning rates; Karras et al. 2018, section 4.1). A word adds the same whatever the others are, so that what a word
    steers carries over to sentences that were never seen.

    With `hidden` features of each word these say what it tells of a number, and how much it counts beside the others (a
    softmax over the words). Sums let every word of a sentence add a little: fitted to the same readings, by sums runs
    come to 0.42 where these say 0.53 and rests to 0.09, by a softmax to 0.53 and 0.01.
    """

    def __init__(
        self, *, dim: int, text_dim: int, numbers: int, spread: float = 0.0, pace: float = 1 / 16, hidden: int = 0
    ) -> None:
        super().__init__()
        self.pace, self.hidden = pace, hidden
        self.of_content = nn.Linear(dim, numbers)
        last = nn.Linear(hidden or text_dim, 2 * numbers if hidden else numbers, bias=False)
        nn.init.normal_(self.of_content.weight, std=spread / math.sqrt(dim) / pace)
        nn.init.zeros_(self.of_content.bias)
        nn.init.zeros_(last.weight)
        self.of_word = nn.Sequential(nn.Linear(text_dim, hidden), nn.LeakyReLU(0.2), last) if hidden else last

    def forward(self, content: Tensor | None, text: TextFeatures) -> Tensor:
        """Without a content code words alone tell."""
        with torch.autocast(text.words.device.type, enabled=False):  # steps of bfloat16 would be seen as jitter
            of_content = self.of_content.bias if content is None else self.of_content(content.float())
            of_words, mask = self.of_word(text.words.float()), text.mask[..., None]
            if self.hidden:
                of_words, counts = of_words.chunk(2, -1)
                # As loud as a sum over eight words: by gains of 4 to 16 numbers come out alike.
                of_words = 8 * of_words * counts.masked_fill(~mask, float("-inf")).softmax(1)
            return self.pace * (of_content + 0.5 * (of_words * mask).sum(1))


class Mirror(nn.Module):
    """Shows a clip as it is or mirrored, left for right, as content code `(b, dim)` and words `(b, l, text_dim)` say.

    A mirrored scene is as likely as the scene itself; only its caption says `left` for `right`. With this a generator
    has to learn one side of each animal and one bit, instead of both sides. The bit is hard and has no gradient of its
    own (that of a soft blend, a straight-through estimator, had a correlation of 0.09 with what mirroring does to a
    critic's scores): the loss `mirror` trains `odds`, the logits of the last call. Where these leave it open the noise
    decides.
    """

    waver = 0.3  # deviation of what noise adds to the odds: those of captions that say a side grow beyond 1

    def __init__(self, *, dim: int, text_dim: int) -> None:
        super().__init__()
        self.of_content, self.of_word = nn.Linear(dim, 1), nn.Linear(text_dim, 1, bias=False)
        for linear in (self.of_content, self.of_word):
            nn.init.zeros_(linear.weight)
        nn.init.zeros_(self.of_content.bias)
        self.odds: Tensor | None = None
        self.mirrored: Tensor | None = None  # what was decided in the last call

    def logits(self, content: Tensor, text: TextFeatures) -> Tensor:
        said = (self.of_word(text.words).squeeze(-1) * text.mask).sum(1)
        return (self.of_content(content).squeeze(-1) + said).float()

    def decide(self, z: Tensor, content: Tensor, text: TextFeatures) -> Tensor:
        """Which clips are mirrored, bool `(b,)`."""
        odds = self.logits(content, text)
        mirrored = odds + self.waver * z[:, 0] > 0
        self.odds, self.mirrored = (odds, mirrored) if self.training else (None, None)
        return mirrored

    def forward(self, mirrored: Tensor, video: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        mirrored = mirrored[:, None, None, None, None]
        return torch.where(mirrored, video.flip(-1), video), torch.where(mirrored, maps.flip(-1), maps)


def trial_of(mirror: Mirror, other_side: Tensor) -> Trial:
    """Each clip from the side that the mirror's last call did not show, `(b, 3, t, h, w)`, and no numbers drawn."""
    assert mirror.odds is not None and mirror.mirrored is not None
    nothing = mirror.odds.new_zeros(len(mirror.odds), 0)
    odds = mirror.odds.detach()
    sure = torch.where(odds.abs() > 1, odds.sign(), 0.0)  # those of captions that say no side stay below 1
    return Trial(other_side, mirror.odds, mirror.mirrored, (), *[nothing] * 5, sure=sure)
