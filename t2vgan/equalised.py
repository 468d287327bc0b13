"""Layers with equalised learning rates (Karras et al. 2018, section 4.1).

Weights are kept at unit size (over `pace`) and multiplied by `pace / sqrt(fan-in)` where they are used, so that Adam,
whose steps have one size, moves all of them by the same share: `pace` times as fast as a layer of pace 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normalised(x: Tensor) -> Tensor:
    """Vectors `(n, d)` whose entries have a mean square of one, as what StyleGAN2's mapping network is given has."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def begin(layer: nn.Linear | nn.Conv1d | nn.Conv2d, pace: float = 1.0) -> float:
    """Draws the weights, zeroes the bias; by what the weights are to be multiplied."""
    nn.init.normal_(layer.weight, std=1 / pace)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return pace / math.sqrt(layer.weight[0].numel())


class EqualLinear(nn.Linear):
    """Linear layer with an equalised learning rate."""

    def __init__(self, inward: int, outward: int, *, pace: float = 1.0, bias: bool = True) -> None:
        super().__init__(inward, outward, bias=bias)
        self.pace, self.gain = pace, begin(self, pace)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight * self.gain, None if self.bias is None else self.bias * self.pace)


class EqualConv1d(nn.Conv1d):
    """Convolution over time, without padding, with an equalised learning rate."""

    def __init__(self, inward: int, outward: int, kernel: int, *, pace: float = 1.0) -> None:
        super().__init__(inward, outward, kernel)
        self.pace, self.gain = pace, begin(self, pace)

    def forward(self, input: Tensor) -> Tensor:
        assert self.bias is not None
        return self._conv_forward(input, self.weight * self.gain, self.bias * self.pace)


class EqualConv2d(nn.Conv2d):
    """Convolution that keeps height and width, with an equalised learning rate."""

    def __init__(self, inward: int, outward: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(inward, outward, kernel, padding=kernel // 2, bias=bias)
        self.gain = begin(self)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight * self.gain, self.bias)
