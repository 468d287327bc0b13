"""Motion without any weights: how much moves and how fast, what stands still, what flickers, how clips differ.

The functions are pure and batch-first; brightness differences are in units of the video's [-1, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from t2vgan.metrics.precise import PreciseMetric
from t2vgan.shapes import Scalar, Video

STATIC_CHANGE = 0.05  # of the range of 2: about six grey levels
MOVING_SHARE = 0.01  # of the pixels must change at least so much in a clip that is not static
ROUNDING = (2 / 255) ** 2 / 6  # mean square by which rounding to 8 bits changes the difference of two frames


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


def motion_spectrum(video: Video) -> Float[Tensor, "b f"]:
    """How fast things change: power of the differences of neighbouring frames at 0, 1, 2 ... cycles per t - 1 frames.

    Mean over pixels and colours; it sums up to the mean square difference (Parseval). The first entry is steady change
    from the first frame to the last, the last one that from frame to frame and back.
    """
    changes = (video[:, :, 1:] - video[:, :, :-1]).float()
    power = torch.fft.rfft(changes, dim=2, norm="forward").abs().square().mean(dim=(1, 3, 4))
    twins = torch.full_like(power[0], 2.0)  # every frequency but these has a negative one of equal power
    twins[0] = 1.0
    if changes.shape[2] % 2 == 0:
        twins[-1] = 1.0
    return power * twins


def spectrum_gap(real_spectra: Float[Tensor, "n f"], fake_spectra: Float[Tensor, "m f"]) -> Scalar:
    """How far the mean motion spectra lie apart: root mean square over frequencies, in decibels; 3 dB is a factor of 2.

    What rounding to 8 bits puts into every frequency is added to both, so that still clips have a finite gap.
    """
    if min(len(real_spectra), len(fake_spectra)) < 1 or real_spectra.shape[1] != fake_spectra.shape[1]:
        shapes = f"{tuple(real_spectra.shape)} and {tuple(fake_spectra.shape)}"
        raise ValueError(f"spectra must be of clips of equal length, one or more on each side, not {shapes}")
    noise = ROUNDING / real_spectra.shape[1]
    real, fake = real_spectra.double().mean(0) + noise, fake_spectra.double().mean(0) + noise
    return (10 * torch.log10(fake / real)).square().mean().sqrt()


def temporal_consistency(frames: Float[Tensor, "b t d"]) -> Float[Tensor, " b"]:
    """Mean cosine of the features of neighbouring frames: what is seen stays the same thing from one to the next.

    The "frame consistency" of Esser et al. (2023), as VBench has it (Huang et al. 2024). A still clip has 1:
    compare with real clips, and look at motion energy beside it. ValueError for fewer than two frames.
    """
    if frames.shape[1] < 2:
        raise ValueError(f"temporal consistency needs 2 frames or more, not {frames.shape[1]}")
    return F.cosine_similarity(frames[:, 1:].double(), frames[:, :-1].double(), dim=2).mean(1)


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
        broken = 0 * energy  # NaN where a clip was not finite: then it did not stand still, either
        static, jumps = static + broken, jumps + broken
        return {
            "energy_ratio": float(energy[1] / energy[0]),
            "static": float(static[1]),
            "static_real": float(static[0]),
            "flicker": float(jumps[1]),
            "flicker_real": float(jumps[0]),
        }
