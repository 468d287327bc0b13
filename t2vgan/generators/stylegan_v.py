"""StyleGAN-V (Skorokhodov et al. 2022): StyleGAN2 whose constant input also holds a motion code of continuous time.

Section 3.1: noise at equidistant anchors in time goes through one-dimensional convolutions without padding to the
trajectory u_0, u_1, ...; between two anchors the motion code is an acyclic positional encoding, waves whose periods and
phases the left anchor sets, from which the line between their values at the two anchors is taken and to which the line
between two learned codes A u is added, so that codes are continuous and never repeat. StyleGAN2's synthesis (Karras et
al. 2020) starts from its constant and the motion code side by side; styles come from the content alone.

Deviations: the caption stands in the place of the class label, beside the content noise and beside the noise of the
anchors; anchors every half second and periods from 0.5 to 8 s, for clips of two seconds; convolutions over three
anchors; mapping network of two layers; colours begin at 0.3 of their size; pixels are doubled by repetition, not by
smoothing filters; colours are cut off at their bounds in training, too; widths.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.equalised import EqualConv1d, EqualLinear, normalised
from t2vgan.generators.blocks import SynthesisBlock, bounded
from t2vgan.shapes import TextFeatures


class Mapping(nn.Module):
    """StyleGAN2's mapping network: noise `(b, z_dim)` and sentence `(b, text_dim)` to w `(b, dim)`, slow to learn."""

    def __init__(self, *, z_dim: int, text_dim: int, dim: int, layers: int = 2) -> None:
        super().__init__()
        self.embed = EqualLinear(text_dim, dim)
        self.layers = nn.ModuleList(EqualLinear(dim if i else z_dim + dim, dim, pace=0.01) for i in range(layers))

    def forward(self, z: Tensor, sentence: Tensor) -> Tensor:
        w = torch.cat([normalised(z), normalised(self.embed(sentence))], 1)
        for layer in self.layers:
            w = math.sqrt(2) * F.leaky_relu(layer(w), 0.2)
        return w


class MotionCodes(nn.Module):
    """Noise of anchors `(b, anchors, noise)`, a sentence and instants `(b, t)` to motion codes `(b, t, 2 waves)`."""

    kernel = 3
    reads_numbers = True  # how many anchors the instants need

    def __init__(self, *, text_dim: int, noise: int, waves: int, spacing_s: float) -> None:
        super().__init__()
        self.spacing_s = spacing_s
        self.first = EqualConv1d(noise + text_dim, 2 * noise, self.kernel, pace=0.01)
        self.second = EqualConv1d(2 * noise, 2 * noise, self.kernel, pace=0.01)
        periods_s = torch.logspace(-1, 3, waves, base=2)
        self.register_buffer("rates", 2 * math.pi / periods_s)
        self.register_buffer("phase_scales", periods_s.max() / periods_s)
        self.rates: Tensor
        self.phase_scales: Tensor
        self.periods, self.phases = (EqualLinear(2 * noise, waves, bias=False) for _ in range(2))
        self.aligners = EqualLinear(2 * noise, 2 * waves, bias=False)

    def forward(self, noise: Tensor, sentence: Tensor, times: Tensor) -> Tensor:
        place = times / self.spacing_s
        left = place.floor()
        between = (place - left)[..., None]
        u = self.trajectory(noise, sentence, int(left.max()) + 2).float()
        with torch.autocast(u.device.type, enabled=False):  # phases of many rounds, as in `continuous`
            return self.codes(u, left, between, times)

    def codes(self, u: Tensor, left: Tensor, between: Tensor, times: Tensor) -> Tensor:
        """From the trajectory to the codes; `left`: the anchors before the instants, `between`: the way to the next."""
        at_left, at_right = (u.gather(1, i.long()[..., None].expand(-1, -1, u.shape[2])) for i in (left, left + 1))
        start_s = (left * self.spacing_s)[..., None]
        pace, phase = self.rates * (1 + torch.tanh(self.periods(at_left))), self.phases(at_left) * self.phase_scales

        def waves(when: Tensor) -> Tensor:
            angle = pace * when + phase
            return torch.cat([angle.sin(), angle.cos()], -1)

        removed = torch.lerp(waves(start_s), waves(start_s + self.spacing_s), between)
        added = torch.lerp(self.aligners(at_left), self.aligners(at_right), between)
        return waves(times[..., None]) - removed + added

    def trajectory(self, noise: Tensor, sentence: Tensor, length: int) -> Tensor:
        """u of the first `length` anchors, `(b, length, d)`; where noise ends it begins anew."""
        wanted = torch.arange(length + 2 * (self.kernel - 1), device=noise.device) % noise.shape[1]
        told = torch.cat([noise[:, wanted], sentence[:, None].expand(-1, len(wanted), -1)], 2).transpose(1, 2)
        return F.leaky_relu(self.second(F.leaky_relu(self.first(told), 0.2)), 0.2).transpose(1, 2)


class StyleganV(nn.Module):
    """z `(b, z_dim)`, a caption and any instants `(b, t)`, from 0 s on, to `(b, 3, t, size, size)` in [-1, 1].

    z holds `content` numbers for the clip and `noise` for each of `anchors` anchors, `spacing_s` seconds apart. `width`
    is that of the 8 x 8 map; it halves with each doubling above.
    """

    continuous = True

    def __init__(
        self,
        *,
        text_dim: int,
        size: int,
        content: int = 64,
        noise: int = 16,
        anchors: int = 10,
        spacing_s: float = 0.5,
        waves: int = 16,
        dim: int = 128,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.z_dim, self.content, self.anchors, self.size = content + noise * anchors, content, anchors, size
        self.mapping = Mapping(z_dim=content, text_dim=text_dim, dim=dim)
        self.motion = MotionCodes(text_dim=text_dim, noise=noise, waves=waves, spacing_s=spacing_s)
        sizes = [2**i for i in range(2, size.bit_length())]
        widths = [max(min(width, width * 8 // s), 8) for s in sizes]
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        inward = [widths[0] + 2 * waves, *widths[:-1]]
        self.blocks = nn.ModuleList(
            SynthesisBlock(a, b, style_dim=dim, up=s > 4, equal=True)
            for a, b, s in zip(inward, widths, sizes, strict=True)
        )

    def forward(self, z: Tensor, text: TextFeatures, times: Tensor) -> Tensor:
        b, t = times.shape
        content, noise = z[:, : self.content], z[:, self.content :].unflatten(1, (self.anchors, -1))
        w = self.mapping(content, text.sentence).repeat_interleave(t, 0)
        motion = self.motion(noise, text.sentence, times).flatten(0, 1)[:, :, None, None].expand(-1, -1, 4, 4)
        x, rgb = torch.cat([self.constant.expand(b * t, -1, -1, -1), motion], 1), None
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x, rgb = block(x, rgb, w)
        assert rgb is not None
        return bounded(rgb, self.training).unflatten(0, (b, t)).transpose(1, 2)
