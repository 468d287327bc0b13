"""Motion without any weights: how much moves, what stands still, what flickers, how much a caption's clips differ.

The functions are pure and batch-first; brightness differences are in units of the video's [-1, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from t2vgan.metrics.precise import PreciseMetric
from t2vgan.shapes import Scalar, Video

STATIC_CHANGE = 0.05  # of the range of 2: about six grey levels
MOVING_SHARE = 0.01  # of the pixels must change at least so much in a clip that is not static


def motion_energy(video: Video) -> Float[Tensor, " b"]:
    """Mean absolute difference of neighbouring frames. Compare clips of equal frame rate; report fake over real."""
    video = video.float()
    return (video[:, :, 1:] - video[:, :, :-1]).abs().mean(dim=(1, 2, 3, 4))


def is_static(video: Video) -> Bool[Tensor, " b"]:
    """True where at most MOVING_SHARE of the pixels ever leave their value in the first frame by STATIC_CHANGE."""
    video = video.float()
    moved = (video - video[:, :, :1]).abs().amax(dim=(1, 2)) > STATIC_CHANGE
    return moved.float().mean(dim=(1, 2)) <= MOVING_SHARE


def flicker(video: Video) -> Float[Tensor, " b"]:
    """Mean distance of a frame from the middle of its neighbours, over motion energy.

    0 for change at a constant pace, 1 for frames that alternate; sudden changes in between. NaN for a still clip.
    """
    video = video.float()
    middle = (video[:, :, 2:] + video[:, :, :-2]) / 2
    jump = (video[:, :, 1:-1] - middle).abs().mean(dim=(1, 2, 3, 4))
    return jump / motion_energy(video)


def diversity(features: Float[Tensor, "captions samples d"]) -> Scalar:
    """How differently one caption is rendered: mean distance within captions over mean distance between clips of any.

    1 when the caption says nothing about the clip, 0 when every noise gives the same clip. Needs two samples each.
    """
    captions, samples, _ = features.shape
    if captions < 2 or samples < 2:
        raise ValueError(f"diversity needs at least 2 captions of 2 clips each, not {captions} of {samples}")
    clips = features.double().flatten(0, 1)
    distances = (clips[:, None] - clips[None]).square().sum(2).sqrt()
    blocks = distances.reshape(captions, samples, captions, samples)
    within = blocks.diagonal(dim1=0, dim2=2).sum() / (captions * samples * (samples - 1))
    return within / (distances.sum() / (len(clips) * (len(clips) - 1)))


class MotionStatistics(PreciseMetric):
    """Motion of generated beside real clips: sums only, exact over ranks."""

    full_state_update = False

    sums: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # rows: real, fake; columns: clips, motion energy, static clips, flicker, clips that have a flicker
        self.add_state("sums", torch.zeros(2, 5, dtype=torch.float64), "sum")

    def update(self, video: Video, *, real: bool) -> None:
        """Add a batch of real or generated clips."""
        jumps = flicker(video)
        columns = [
            torch.ones_like(jumps),
            motion_energy(video),
            is_static(video).to(jumps),
            jumps.nan_to_num(nan=0.0),
            jumps.isfinite().to(jumps),
        ]
        added = torch.zeros_like(self.sums)
        added[0 if real else 1] = torch.stack(columns).sum(1).to(self.sums)
        self.sums = self.sums + added

    def compute(self) -> dict[str, float]:
        """Generated over real motion energy, and the share of static clips and mean flicker of both sides."""
        clips, energy, static, jumps, jumping = self.sums.unbind(1)
        energy, static, jumps = energy / clips, static / clips, jumps / jumping
        return {
            "energy_ratio": float(energy[1] / energy[0]),
            "static": float(static[1]),
            "static_real": float(static[0]),
            "flicker": float(jumps[1]),
            "flicker_real": float(jumps[0]),
        }
