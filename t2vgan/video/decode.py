"""Files to frames: pick by index or by time, scale and crop alike for all frames of a clip.

decord reads where it has a wheel and reads the file rightly: mp4, mov, mkv and webm without edit lists, rotation or
open groups of pictures. PyAV (`exact.py`) reads everything else, just as fast, and is the reference. Both are used with
one thread: clips are read in parallel by the workers of the data loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.video import exact
from t2vgan.video.exact import VideoInfo
from t2vgan.video.sources import Member, Pictures, Source, VideoError, opened

__all__ = [
    "DECODERS",
    "FALLBACKS",
    "VIDEO_SUFFIXES",
    "Fallbacks",
    "VideoError",
    "VideoInfo",
    "fallback_reason",
    "probe_video",
    "read_frames",
]

DECODERS = ("auto", "decord", "pyav")
WAY_OUT = ": use decoder auto or pyav"
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".f4v", ".ogv", ".3gp", ".vob", ".mxf"),
)
MOST_IN_MEMORY = 64 << 20  # bytes: a member of a tar that decord, which reads all of it at once, is given


@dataclass
class Fallbacks:
    """Files of this process that decord could not read rightly and PyAV read instead: name -> reason."""

    files: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)


FALLBACKS = Fallbacks()


def probe_video(path: str | Source, decoder: str = "auto") -> VideoInfo:
    """Frames, times and size of a video, from its packets and its first frame. Raises `VideoError`."""
    _check_decoder(decoder)
    path = Path(path) if isinstance(path, str) else path
    where = exact.index(path)
    if decoder == "decord":
        _decord_reader(path, where, None)
    return where.info


def read_frames(
    path: str | Source,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    size: int | None = None,
    crop: tuple[float, float] = (0.5, 0.5),
    decoder: str = "auto",
) -> np.ndarray:
    """Read some frames of a video, all of them when neither `indices` nor `times` are given.

    Args:
        path: a file, a member of a tar, or a folder of pictures (`video/sources.py`).
        indices: frame numbers, in any order, repeats allowed.
        times: seconds from the first frame; at each the frame that a player shows then, after the end the last one.
        size: the shorter side is scaled to `size` pixels, then a square is cut out. None: as stored.
        crop: where the square lies in the room that is left: (0, 0) top left, (0.5, 0.5) centre, (1, 1) bottom right.
        decoder: "auto", "decord" (an error where it cannot) or "pyav".

    Returns uint8 RGB `(t, h, w, 3)`. Raises `VideoError`, naming the file and the reason.
    """
    _check_decoder(decoder)
    path = Path(path) if isinstance(path, str) else path
    where = exact.index(path)
    info = where.info
    if indices is None:
        wanted = np.arange(info.frames) if times is None else info.frame_at(np.asarray(times, dtype=np.float64))
    else:
        wanted = np.asarray(indices, dtype=np.int64)
    if len(wanted) == 0 or wanted.min() < 0 or wanted.max() >= info.frames:
        raise VideoError(f"{path}: has frames 0 to {info.frames - 1}, asked for {wanted.tolist()[:20]}")
    ascending = bool((wanted[1:] > wanted[:-1]).all())
    distinct, place = (wanted, None) if ascending else np.unique(wanted, return_inverse=True)
    scaled = None if size is None else _scaled(info, size)
    frames = _read(path, where, distinct, scaled, decoder)
    if size is not None:
        top, left = (round((side - size) * share) for side, share in zip(frames.shape[1:3], crop, strict=True))
        frames = frames[:, top : top + size, left : left + size]
    return np.ascontiguousarray(frames if place is None else frames[place])


def _read(
    path: Source, where: exact.Index, distinct: np.ndarray, scaled: tuple[int, int] | None, decoder: str
) -> np.ndarray:
    if isinstance(path, Pictures) and decoder != "decord":
        return exact.read(path, distinct, scaled)
    if decoder != "pyav" and str(path) not in FALLBACKS.files and (decoder == "decord" or _decord() is not None):
        try:
            reader = _decord_reader(path, where, scaled)
            try:
                return np.asarray(reader.get_batch(distinct.tolist()).asnumpy())
            except Exception as error:
                raise VideoError(f"{path}: decord cannot decode it{WAY_OUT}") from error
        except VideoError as error:
            if decoder == "decord":
                raise
            FALLBACKS.files[str(path)] = str(error).removeprefix(f"{path}: ").removesuffix(WAY_OUT)
    return exact.read(path, distinct, scaled)


def _decord_reader(path: Source, where: exact.Index, scaled: tuple[int, int] | None) -> Any:
    """An open decord reader; raises `VideoError` where decord would give wrong frames or none."""
    decord = _decord()
    if decord is None:
        raise VideoError(f"{path}: decord is not installed (not every platform has a wheel){WAY_OUT}")
    obstacle = _obstacle(path, where)
    if obstacle:
        raise VideoError(f"{path}: decord cannot read it rightly ({obstacle}){WAY_OUT}")
    width, height = scaled or (-1, -1)
    try:
        if isinstance(path, Member):
            with opened(path) as data:
                reader = decord.VideoReader(data, width=width, height=height, num_threads=1)
        else:
            reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
    except Exception as error:
        raise VideoError(f"{path}: decord cannot read it{WAY_OUT}") from error
    if len(reader) != where.info.frames:
        counts = f"decord sees {len(reader)} frames where a player shows {where.info.frames}"
        raise VideoError(f"{path}: {counts}{WAY_OUT}")
    return reader


def _obstacle(path: Source, where: exact.Index) -> str | None:
    """Why decord 0.6 would fail or give wrong frames; each was seen to happen (tests/video/test_decode.py)."""
    if isinstance(path, Pictures):
        return "it is a folder of pictures"
    if isinstance(path, Member) and path.byte_count > MOST_IN_MEMORY:
        return f"it would hold {path.byte_count >> 20} MB in memory"
    if where.info.codec in ("av1", "gif"):
        return f"it has no decoder for {where.info.codec}"
    if where.info.rotation:
        return f"the picture is turned by {where.info.rotation} degrees"
    if not any(name in where.container for name in ("mp4", "matroska")):
        return f"it seeks wrongly in {where.container}"
    return None if where.closed else "open groups of pictures"


def fallback_reason(path: Source) -> str | None:
    """Why PyAV and not decord would read this video; None where decord would. Raises `VideoError`."""
    try:
        _decord_reader(path, exact.index(path), None)
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ").removesuffix(WAY_OUT)
    return None


@cache
def _decord() -> Any | None:
    try:
        import decord
    except (ImportError, OSError):
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _scaled(info: VideoInfo, size: int) -> tuple[int, int]:
    """Width and height to scale the stored picture to, so that its shorter side has `size` pixels and looks right."""
    stored = (info.width, info.height) if info.rotation % 180 == 0 else (info.height, info.width)
    width, height = stored[0] * info.pixel_aspect, float(stored[1])
    short = min(width, height)
    return max(size, round(width * size / short)), max(size, round(height * size / short))


def _check_decoder(decoder: str) -> None:
    if decoder not in DECODERS:
        raise ValueError(f"decoder {decoder!r} is not known: choose one of {', '.join(DECODERS)}")
