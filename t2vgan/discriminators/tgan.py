"""TGAN's critic (Saito et al. 2017): a Wasserstein critic of whole clips, kept Lipschitz by clipping singular values.

Singular value clipping: after every fifth step the singular values of each layer's weights are cut to at most 1, and
the gains of batch normalisations to at most the standard deviations that they divide by (table 2, by kind of layer).
Goes with the loss `wasserstein`. The caption is weighed by projection (Miyato & Koyama 2018), whose weights are clipped
likewise, and whose sentence has the length 1, so that it stretches nothing either.

Deviations: Adam instead of RMSProp; widths.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2vgan.discriminators.blocks import TextProjection
from t2vgan.discriminators.volumes import exactly, halving
from t2vgan.shapes import TextFeatures

EVERY = 5  # rounds between two clippings
SIDES = 2  # `see` is called for the real and for the fake clips of a round


class TganVideo(nn.Module):
    """All `clip_frames` frames through convolutions that halve time and space; batch statistics mix clips.

    Weights are clipped in `see` in training, where a round begins: nothing of the critic is part of a graph then.
    """

    frames = None
    reads_numbers = True  # whether it is time to clip
    looks: Tensor  # int64 scalar, calls of `see` in training

    def __init__(
        self, *, text_dim: int, size: int, clip_frames: int = 16, width: int = 64, blind: bool = False
    ) -> None:
        super().__init__()
        self.blind = blind
        widths = [3, *(width * 2**i for i in range((size // 4).bit_length() - 1))]
        self.convs, self.norms, left = nn.ModuleList(), nn.ModuleList(), clip_frames
        for i, (a, b) in enumerate(pairwise(widths)):
            (kernel, stride, padding), left = halving(left)
            self.convs.append(nn.Conv3d(a, b, (kernel, 4, 4), (stride, 2, 2), (padding, 1, 1)))
            self.norms.append(nn.BatchNorm3d(b) if i else nn.Identity())
        self.head = TextProjection(channels=widths[-1] * 4 * 4, text_dim=text_dim)
        self.register_buffer("looks", torch.zeros((), dtype=torch.long))

    def see(self, video: Tensor) -> tuple[Tensor, ...]:
        if self.training:
            if int(self.looks) % (EVERY * SIDES) == 0:
                self.clip()
            self.looks += 1
        return (video,)

    @torch.no_grad()
    def clip(self) -> None:
        """Makes every layer one that stretches nothing."""
        for p in self.parameters():
            if p.dim() > 1:
                left, values, right = torch.linalg.svd(p.flatten(1).float(), full_matrices=False)
                p.copy_((left * values.clamp(max=1) @ right).view_as(p))
        for norm in self.norms:
            if isinstance(norm, nn.BatchNorm3d) and norm.running_var is not None:
                deviation = (norm.running_var + norm.eps).sqrt()
                norm.weight.copy_(norm.weight.clamp(min=0.01 * deviation, max=deviation))

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        with exactly(seen[0]):
            x = seen[0]
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x = F.leaky_relu(norm(conv(x)), 0.2)
            return (x.transpose(1, 2).flatten(2).transpose(1, 2),)  # (b, c * 4 * 4, t')

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures | None) -> Tensor:
        if text is None:
            return self.head(features[0], None)
        of_length_1 = F.normalize(text.sentence, dim=1)
        return self.head(features[0], of_length_1 * features[0].shape[1] ** 0.5)  # by which a projection divides
