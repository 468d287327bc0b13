"""Real clips with one thing wrong. A report shows them beside the model: does a metric see what it is made for?

`CONTROLS` map real clips to spoiled ones. What is random in them depends on the clips' indices alone, so that it is
the same in any batch on any rank. The last three controls choose which clips to show, as lists of indices.

| control | what is wrong | made to be seen by |
|---|---|---|
| shuffled | frames in random order | motion spectrum, distances in features that see motion |
| reversed | last frame first | arrow of time |
| static | the middle frame throughout | share of static clips, motion energy |
| half_frozen | nothing changes after half time | motion energy, distances in features that see motion |
| blurred | no details in the frames | distances, precision |
| noisy | new grain in every frame | motion energy and spectrum, distances |
| flickering | every other frame is darker | flicker, motion spectrum |
| `collapsed` | a few clips over and over | recall, coverage, distances |
| `other_captions` | clips that show something else | accuracy, R-precision |
| `replayed` | training clips | memorisation; distances hardly |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from t2vgan.seeds import stable_seed
from t2vgan.shapes import Video

BLUR = 1 / 32  # standard deviation, of the frame's width
GRAIN = 0.2  # standard deviation, of the range from -1 to 1
SHADE = 0.2  # share of the light that every other frame lacks

Control = Callable[[Video, Sequence[int]], Video]  # clips and their indices in the data set


def shuffled(video: Video, indices: Sequence[int]) -> Video:
    """Every clip's frames in a random order of its own."""
    order = [torch.randperm(video.shape[2], generator=_generator("shuffled", index)) for index in indices]
    return torch.stack([clip[:, frames.to(video.device)] for clip, frames in zip(video, order, strict=True)])


def backwards(video: Video, indices: Sequence[int]) -> Video:
    """The last frame first."""
    del indices
    return video.flip(2)


def static(video: Video, indices: Sequence[int]) -> Video:
    """The middle frame throughout."""
    del indices
    middle = video.shape[2] // 2
    return video[:, :, middle : middle + 1].expand_as(video).clone()


def half_frozen(video: Video, indices: Sequence[int]) -> Video:
    """From the middle on always the middle frame."""
    del indices
    frozen, middle = video.clone(), video.shape[2] // 2
    frozen[:, :, middle:] = video[:, :, middle : middle + 1]
    return frozen


def blurred(video: Video, indices: Sequence[int]) -> Video:
    """Every frame under a Gaussian of BLUR, clamped to its edges."""
    del indices
    sigma = BLUR * video.shape[-1]
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, device=video.device, dtype=video.dtype)
    kernel = torch.exp(-steps.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    frames = video.transpose(1, 2).flatten(0, 2).unsqueeze(1)
    frames = F.conv2d(F.pad(frames, (reach, reach, 0, 0), mode="replicate"), kernel.reshape(1, 1, 1, -1))
    frames = F.conv2d(F.pad(frames, (0, 0, reach, reach), mode="replicate"), kernel.reshape(1, 1, -1, 1))
    return frames.squeeze(1).unflatten(0, (video.shape[0], video.shape[2], video.shape[1])).transpose(1, 2)


def noisy(video: Video, indices: Sequence[int]) -> Video:
    """New Gaussian grain in every frame."""
    grain = [torch.randn(video.shape[1:], generator=_generator("noisy", index)) for index in indices]
    return (video + GRAIN * torch.stack(grain).to(video)).clamp(-1, 1)


def flickering(video: Video, indices: Sequence[int]) -> Video:
    """Every other frame is darker."""
    del indices
    darker = video.clone()
    darker[:, :, 1::2] = (1 - SHADE) * (darker[:, :, 1::2] + 1) - 1
    return darker


CONTROLS: dict[str, Control] = {
    "shuffled": shuffled,
    "reversed": backwards,
    "static": static,
    "half_frozen": half_frozen,
    "blurred": blurred,
    "noisy": noisy,
    "flickering": flickering,
}


def other_captions(captions: Sequence[str], *, seed: int = 0) -> list[int]:
    """For each clip the index of one with another caption; every clip is used once.

    ValueError if more than half of the clips share one caption.
    """
    counts: dict[str, int] = {}
    for caption in captions:
        counts[caption] = counts.get(caption, 0) + 1
    most = max(counts.values(), default=0)
    if 2 * most > len(captions):
        raise ValueError(f"captions cannot be shuffled: {most} of {len(captions)} clips share one")
    # Equal captions stand together, so a step by the largest group leaves every group.
    order = sorted(range(len(captions)), key=lambda i: (stable_seed(seed, captions[i]), captions[i], i))
    found = [0] * len(captions)
    for place, index in enumerate(order):
        found[index] = order[(place + most) % len(order)]
    return found


def collapsed(real_clips: int, clips: int, *, modes: int = 8, seed: int = 0) -> list[int]:
    """Which real clips to show instead of generating `clips` ones: at random among a few of them."""
    if real_clips < 1 or modes < 1:
        raise ValueError(f"there must be a clip to show and a mode, not {real_clips} and {modes}")
    generator = _generator("collapsed", seed)
    kept = torch.randperm(real_clips, generator=generator)[:modes]
    return kept[torch.randint(len(kept), (clips,), generator=generator)].tolist()


def replayed(training_clips: int, clips: int, *, seed: int = 0) -> list[int]:
    """Which training clips to play instead of generating `clips` ones: all different, as long as there are so many."""
    if training_clips < 1:
        raise ValueError("there are no training clips to replay")
    generator = _generator("replayed", seed)
    rounds = [torch.randperm(training_clips, generator=generator) for _ in range(-(-clips // training_clips))]
    return torch.cat(rounds)[:clips].tolist() if rounds else []


def _generator(control: str, index: int) -> torch.Generator:
    return torch.Generator().manual_seed(stable_seed(control, index))
