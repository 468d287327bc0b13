"""Clips that a published metric would quietly turn into a wrong number are refused, each with its reason."""

from __future__ import annotations

import torch
from torch import Tensor

OVERSHOOT = 1.5  # a generator without a final tanh may leave [-1, 1] by so much; it is clamped later


def check_clips(
    video: Tensor, *, reader: str, least_frames: int = 1, most_frames: int | None = None, finite: bool = True
) -> None:
    """ValueError unless `reader` can read the clips: float RGB in [-1, 1], finite, neither too short nor too long.

    finite: False where a diverged generator's clips shall have features that are not finite either.
    """
    if video.ndim != 5:
        raise ValueError(f"{reader} reads clips (b, c, t, h, w), not {tuple(video.shape)}")
    if not video.is_floating_point():
        raise ValueError(
            f"{reader} reads float clips in [-1, 1], not {video.dtype}: convert with t2vgan.shapes.to_float"
        )
    channels, frames = video.shape[1:3]
    if channels == 1:
        raise ValueError(f"{reader} reads RGB, these clips are grey: if that is meant, video.expand(-1, 3, -1, -1, -1)")
    if channels != 3:
        raise ValueError(
            f"{reader} reads RGB, these clips have {channels} channels: is the axis order (b, c, t, h, w)?"
        )
    if frames < least_frames:
        raise ValueError(f"{reader} needs {least_frames} frames or more, these clips have {frames}")
    if most_frames is not None and frames > most_frames:
        raise ValueError(f"{reader} reads {most_frames} frames, these clips have {frames}: choose which ones to judge")
    if not len(video):
        return
    low, high = torch.aminmax(video.flatten(1), dim=1)
    broken = [i for i, whole in enumerate((torch.isfinite(low) & torch.isfinite(high)).tolist()) if not whole]
    if broken and finite:
        raise ValueError(f"NaN or infinite pixels in {len(broken)} of {len(video)} clips, first in clip {broken[0]}")
    darkest, brightest = float(low.min()), float(high.max())
    if darkest < -OVERSHOOT or brightest > OVERSHOOT:
        reason = "0..255 given as floats? convert with t2vgan.shapes.to_float" if brightest > 2 else "scale them"
        raise ValueError(f"{reader} reads pixels in [-1, 1], these go from {darkest:g} to {brightest:g}: {reason}")
