"""What the data sets of video files share: from a list of captioned clips to samples.

A data set of video files (`clip_files.py`) has `clips`, `pool` (captions) and `view`, and takes its pictures from its
own `frames` and `frame_edges`, so that a frame cache can put its own in their place.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from t2vgan.datasets.mirror import mirrored
from t2vgan.datasets.vary import Variation, Vary
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Sample
from t2vgan.video.decode import VideoError, VideoInfo, probe_video, read_frames
from t2vgan.video.sources import Member, Pictures, Source, content_digest, opened

SPLITS = ("train", "val", "test")
SHARE = {"val": 0.05, "test": 0.05}  # of the clips, where nobody says which clip belongs to which split
SHORT = {
    "hold": "its last frame is held",
    "pingpong": "it runs back and forth",
    "loop": "it begins anew",
    "skip": "it is left out",
}
NOTHING: Mapping[str, str] = {}  # one for all: nobody writes to it


@dataclass(frozen=True, slots=True)
class CaptionedClip:
    """A video, or the part of it from `start_s` to `end_s` (None: its end), and what it shows.

    There may be millions: what is not said costs nothing, and `root` is one string for all.
    """

    root: str  # folder or address that `video` is relative to
    video: str
    captions: tuple[str, ...]
    key: str
    start_s: float = 0.0
    end_s: float | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    named: tuple[tuple[str, ...], ...] = ()  # by each caption; () where nothing is known
    fps: float | None = None  # of a folder of pictures
    part: tuple[int, int, str] | None = None  # offset, byte count and name within a tar
    digest: str = ""  # of the content, where it is known without looking

    @property
    def place(self) -> str:
        """Of the whole video, below `root`: what a split is decided by, so that parts of a video stay together."""
        return f"{self.video}/{self.part[2]}" if self.part else self.video

    @property
    def file(self) -> Source:
        if self.part is not None:
            return Member(f"{self.root}/{self.video}", *self.part)
        path = Path(self.root, self.video)
        return Pictures(path, self.fps) if self.fps is not None else path


@dataclass
class View:
    """How clips are looked at: `frames` frames, at `i * duration_s / frames` after the start, `size` pixels square.

    short: what is done with a video that ends before the last of these instants: "hold" its last frame, let it run back
    and forth ("pingpong"), begin anew ("loop"), or "skip" it. vary: what else differs from draw to draw.
    """

    size: int
    frames: int
    duration_s: float
    decoder: str
    short: str
    vary: Vary = field(default_factory=Vary)
    held: set[str] = field(default_factory=set)  # keys of the clips that were too short, in this process

    def __post_init__(self) -> None:
        if self.short not in SHORT:
            raise ValueError(f"short: there is no {self.short!r}; choose from {', '.join(SHORT)}")
        if self.size < 1 or self.frames < 1 or not self.duration_s > 0:
            what = f"size {self.size}, frames {self.frames}, duration_s {self.duration_s}"
            raise ValueError(f"a clip needs a size, a number of frames and a duration above 0, not {what}")

    @property
    def times(self) -> np.ndarray:
        return np.arange(self.frames) * self.duration_s / self.frames

    @property
    def stored_size(self) -> int:
        """Pixels square that frames are read with: the clip's and a margin to move within."""
        return round(self.size * (1 + self.vary.margin))


@runtime_checkable
class VideoClips(Protocol):
    """What the functions below need of a data set."""

    clips: list[CaptionedClip]
    pool: list[str]
    view: View

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray: ...

    def frame_edges(self, index: int) -> np.ndarray: ...


def sample(data: VideoClips, index: int, rng: np.random.Generator | None) -> Sample:
    """The clip from a random start with a random caption, or (without `rng`) from its start with its first caption.

    Raises `VideoError` when the video cannot be used.
    """
    clip, view = data.clips[index], data.view
    edges = data.frame_edges(index)
    place, which = (0.0, 0) if rng is None else (rng.random(), int(rng.integers(len(clip.captions))))
    variation = Variation(clip.captions[which])
    if rng is not None and view.vary.active:
        variation = view.vary.draw(rng, clip.captions[which], clip.attributes)
    length_s, last_s = float(edges[-1]), float(view.times[-1])
    _note_short(clip, view, length_s, last_s)
    if variation.speed > 1 and last_s > 0:  # no faster than the clip lasts
        variation = replace(variation, speed=min(variation.speed, max(1.0, 0.999 * length_s / last_s)))
    times = view.times * variation.speed
    start_s = place * max(0.0, length_s - view.duration_s * variation.speed)
    chosen = rng if rng is not None else np.random.default_rng(stable_seed(clip.key, "wrong caption"))
    wrong = _wrong(clip, data.pool, chosen, flip=view.vary.flip)
    return Sample(
        video=variation.applied(data.frames(index, shown_at(start_s + times, edges, view.short)), view.size),
        times=view.times.astype(np.float32),
        caption=variation.caption,
        wrong_caption=wrong,
        key=clip.key,
        index=index,
        attributes=variation.attributes(clip.attributes),
        named=clip.named[which] if clip.named and not variation.dropped else (),
        contrasts=() if variation.dropped else ((variation.caption, wrong),),
    )


def shown_at(times: np.ndarray, edges: np.ndarray, short: str = "hold") -> np.ndarray:
    """Which frame is shown at each of the times (s); after the end of a short clip, as `short` says."""
    length_s = max(float(edges[-1]), 1e-9)
    if short == "loop":
        times = np.where(times < length_s, times, np.mod(times, length_s))
    numbers = np.searchsorted(edges, times, side="right") - 1
    if short == "pingpong":
        phase = np.mod(times, 2 * length_s)
        back = np.searchsorted(edges, 2 * length_s - phase, side="left") - 1
        there = np.searchsorted(edges, phase, side="right") - 1
        numbers = np.where(times < length_s, numbers, np.where(phase < length_s, there, back))
    return np.clip(numbers, 0, len(edges) - 2)


def decoded(clip: CaptionedClip, view: View, numbers: np.ndarray | None) -> np.ndarray:
    """Frames of the clip's part of its video, uint8 `(t, side, side, 3)`: all, or those with these numbers.

    `side` is `view.stored_size`.
    """
    file = clip.file
    if numbers is None or clip.start_s:
        first, last = _range(clip, probe_video(file, view.decoder))
        numbers = np.arange(first, last + 1) if numbers is None else first + numbers
    return read_frames(file, indices=numbers, size=view.stored_size, decoder=view.decoder)


def edges_of(clip: CaptionedClip, view: View) -> np.ndarray:
    """When frame i of the clip's part is shown: from edges[i] to edges[i + 1] seconds, float64 `(n + 1,)`.

    Seconds count from the part's start (`VideoInfo.edges`).
    """
    info = probe_video(clip.file, view.decoder)
    if not clip.start_s and clip.end_s is None:
        return info.edges
    first, last = _range(clip, info)
    end_s = min(info.duration_s, clip.end_s if clip.end_s is not None else info.duration_s) - clip.start_s
    return np.append(np.maximum(info.edges[first : last + 1] - clip.start_s, 0.0), max(end_s, 0.0))


def _range(clip: CaptionedClip, info: VideoInfo) -> tuple[int, int]:
    """First and last frame number of the clip's part of its video."""
    if clip.start_s >= info.duration_s:
        raise VideoError(f"{clip.file}: starts at {clip.start_s:g} s, but the video ends at {info.duration_s:.2f} s")
    first = int(info.frame_at(np.array([clip.start_s]))[0]) if clip.start_s else 0
    if clip.end_s is None:
        return first, info.frames - 1
    return first, max(first, int(np.searchsorted(info.times, clip.end_s - info.tick_s / 2 - 1e-6)) - 1)


def _note_short(clip: CaptionedClip, view: View, length_s: float, last_s: float) -> None:
    if length_s > last_s or clip.key in view.held:
        return
    what = f"{clip.file}: {length_s:.2f} s long, shorter than a clip of {view.duration_s:g} s"
    if view.short == "skip":
        raise VideoError(what)
    view.held.add(clip.key)
    if len(view.held) == 1:
        told = f"{SHORT[view.short]}, as for every such clip; with short: skip they are left out"
        warnings.warn(f"{what}: {told}", stacklevel=4)


def _wrong(clip: CaptionedClip, pool: Sequence[str], rng: np.random.Generator, *, flip: bool = False) -> str:
    own = {*clip.captions, *(mirrored(caption) for caption in clip.captions if flip)}
    start = int(rng.integers(len(pool)))
    for step in range(len(pool)):
        caption = pool[(start + step) % len(pool)]
        if caption not in own:
            return caption
    raise ValueError(f"{clip.file}: every caption of the data set is also one of this clip's: no wrong one is left")


def caption_pool(of_split: Sequence[CaptionedClip], everything: Sequence[CaptionedClip], where: Path) -> list[str]:
    """The captions that a sample can hold, distinct and sorted: the split's own, or all where a clip of the split has
    every one of these.

    Raises ValueError when some clip has all captions there are, because each sample needs a wrong caption too.
    """
    for clips in (of_split, everything):
        pool = sorted({caption for clip in clips for caption in clip.captions})
        if all(len(set(clip.captions)) < len(pool) for clip in of_split):  # a clip's own are all in the pool
            return pool
    raise ValueError(f"{where}: all clips have the same caption; learning from text needs at least two different ones")


def hashed_splits(names: Iterable[str]) -> dict[str, str]:
    """name -> train, val or test, by a hash of the name: adding clips later moves (almost) none between splits.

    From three names on, no split is empty.
    """
    place = {name: stable_seed(name, "split") / 2**63 for name in names}
    order = sorted(place, key=lambda name: place[name])
    until = {"val": SHARE["val"], "test": SHARE["val"] + SHARE["test"]}
    found = {name: next((split for split, share in until.items() if place[name] < share), "train") for name in order}
    if len(order) >= 3:
        for split in ("val", "test", "train"):
            if split not in found.values():  # from the split that has most
                richest = max(SPLITS, key=lambda other: list(found.values()).count(other))
                found[next(name for name in order if found[name] == richest)] = split
    return found


def byte_count(clip: CaptionedClip) -> int:
    """Of the video; of a folder of pictures, how many there are; -1 where there is nothing."""
    source = clip.file
    try:
        if isinstance(source, Pictures):
            return len(source.files())
        return source.byte_count if isinstance(source, Member) else source.stat().st_size
    except (OSError, ValueError):
        return -1


def fingerprint(clips: Iterable[CaptionedClip], view: View) -> str:
    """Changes with the files' names, sizes and (as far as beginning, middle and end tell) content, with their captions,
    and with the view."""
    digest = hashlib.blake2b(digest_size=10)
    digest.update(repr((2, view.size, view.frames, view.duration_s, view.decoder, view.short, view.vary)).encode())
    contents: dict[str, str] = {}
    for clip in clips:
        place = f"{clip.video}:{clip.part}"
        if place not in contents:
            contents[place] = clip.digest or content(clip)
        told = [place, contents[place], clip.start_s, clip.end_s, clip.captions, clip.key, clip.fps]
        digest.update(json.dumps([*told, dict(clip.attributes), clip.named], sort_keys=True).encode())
    return digest.hexdigest()


def content(clip: CaptionedClip) -> str:
    """Changes with the video's content, as far as sizes, beginning, middle and end tell; of pictures, as times do."""
    count, source = byte_count(clip), clip.file
    if count < 0 or (isinstance(source, Member) and source.remote):
        return str(count)
    try:
        if isinstance(source, Pictures):
            told = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in source.files()]
            return hashlib.blake2b(repr(told).encode(), digest_size=10).hexdigest()
        with opened(source) as file:
            return content_digest(file, count)
    except (OSError, VideoError):
        return str(count)
