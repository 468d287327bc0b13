"""What generated clips show of a sick game, beside real clips: how many differ, how much moves, which turn round.

All of it is read off small copies of the clips, pixels only: cheap enough for each validation, and no judge to trust.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.motion import is_static, motion_energy
from t2vgan.shapes import Scalar, Video

SIDE = 16  # pixels of the small copies: what is to be seen at a glance, without pixel noise
LEAST_CLIPS = 8  # fewer say nothing of a crowd
LEAST_MOTION = 0.004  # mean change per frame, half a grey level: clips that move less are pictures
TURNS = 0.6  # see `turning`: nine of ten savanna clips are above 0.85, those of a run that swung to and fro below 0.7


def small(video: Video) -> Float[Tensor, "b c t small_h small_w"]:
    """Clips at no more than `SIDE` pixels, on the CPU, in float32."""
    b, c, t, h, w = video.shape
    frames = video.float().transpose(1, 2).reshape(b * t, c, h, w)
    frames = F.adaptive_avg_pool2d(frames, (min(SIDE, h), min(SIDE, w)))
    return frames.reshape(b, t, c, *frames.shape[2:]).transpose(1, 2).cpu()


def symptoms(real: Video, fake: Video) -> dict[str, float]:
    """Of equally many small clips: `clips/*` (see `effective_clips`), `motion/energy_ratio` and `turning/*`.

    `turning/*` is the share of clips that turn round, of those that move. Left out is what cannot be told: everything
    of fewer than `LEAST_CLIPS` clips and of generated ones that are not finite, motion beside real clips that do not
    move, turning of clips of under 4 frames.
    """
    found: dict[str, float] = {}
    if len(real) < LEAST_CLIPS or not bool(torch.isfinite(fake).all()):  # of what has no colours nothing can be told
        return found
    width = float(distances(real).median()) / 2
    if width > 0:
        found["clips/real"] = float(effective_clips(real, width))
        found["clips/fake"] = float(effective_clips(fake, width))
    if float(motion_energy(real).mean()) >= LEAST_MOTION:
        found["motion/energy_ratio"] = float(motion_energy(fake).mean() / motion_energy(real).mean())
    moving = ~is_static(fake) & (motion_energy(fake) >= LEAST_MOTION)
    going = ~is_static(real) & (motion_energy(real) >= LEAST_MOTION)
    if real.shape[2] >= 4 and min(int(moving.sum()), int(going.sum())) >= LEAST_CLIPS:
        found["turning/real"] = float((turning(real[going]) < TURNS).float().mean())
        found["turning/fake"] = float((turning(fake[moving]) < TURNS).float().mean())
    return found


def distances(video: Video) -> Float[Tensor, " pairs"]:
    """Root mean square difference of each two clips."""
    flat = video.flatten(1)
    return torch.pdist(flat) / flat.shape[1] ** 0.5


def effective_clips(video: Video, width: float) -> Scalar:
    """How many different clips there are: the Vendi score (Friedman & Dieng 2023, eq. 1), 1 to b.

    exp of the entropy of the eigenvalues of K / b, with K = exp(-d^2 / (2 width^2)) of the distances d: k pictures that
    are shown again and again count as k, however many clips show them.
    """
    flat = video.flatten(1).double()
    squares = torch.cdist(flat, flat).square() / flat.shape[1]
    eigenvalues = torch.linalg.eigvalsh(torch.exp(-squares / (2 * width**2)) / len(flat)).clamp(min=1e-12)
    return torch.exp(-(eigenvalues * eigenvalues.log()).sum())


def turning(video: Video) -> Float[Tensor, " b"]:
    """Does a clip go back the way it came? Distance of frames that lie alike about an instant, over that of any two.

    For the instant (a frame, or between two) and the stretch about it, of half of the clip at least, where that is
    smallest. 0 for a clip that plays the same both ways from there, 1 for frames at random, more for a steady change.
    A cycle that comes round again without turning, as legs do, is no turning. Compare with real clips: a leap goes up
    and comes down.
    """
    b, t = len(video), video.shape[2]
    frames = video.transpose(1, 2).reshape(b, t, -1)
    apart = torch.cdist(frames, frames, p=1.0)
    found = []
    for ends in range(t // 2 - 1, 2 * t - 1 - (t // 2 - 1)):  # first + last frame of the stretch
        first = max(0, ends - t + 1)
        n = ends - 2 * first + 1  # frames of the stretch
        if n < max(4, t // 2):
            continue
        stretch = apart[:, first : first + n, first : first + n]
        mirrored = stretch.flip(2).diagonal(dim1=1, dim2=2).sum(1) / (n - n % 2)
        found.append(mirrored / (stretch.sum((1, 2)) / (n * (n - 1))).clamp(min=1e-8))
    return torch.stack(found).amin(0)
