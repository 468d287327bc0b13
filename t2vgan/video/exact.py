"""Frame-exact reading with PyAV: the reference, and the reader of everything that decord cannot read.

A file is first indexed: its packets are listed (not decoded), which gives the presentation time (pts) of every frame
that a player would show, in order, edit lists and variable frame rates included. A frame is then found by its pts.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from t2vgan.video.sources import Member, Pictures, Source, VideoError, opened, read_picture, reason_of, stamp

__all__ = ["Index", "VideoError", "VideoInfo", "index", "opened_video", "read"]
MOST_REMEMBERED = 256 << 20  # bytes of indexes: one has 35 kB for a minute at 24 frames a second


@dataclass(frozen=True)
class VideoInfo:
    """What a player would show. Width and height in pixels, after the rotation that the file asks for."""

    frames: int
    fps: float  # on average
    duration_s: float  # from the first frame to the end of the last
    width: int
    height: int
    times: np.ndarray  # float64 (frames,), seconds from the first frame, ascending
    tick_s: float  # the file's unit of time: `times` are known to half of it
    codec: str
    rotation: int = 0  # degrees, counter-clockwise: 0, 90, 180 or 270
    pixel_aspect: float = 1.0  # width of a stored pixel over its height

    @cached_property
    def edges(self) -> np.ndarray:
        """When frame i is shown: from edges[i] to edges[i + 1] seconds, float64 `(frames + 1,)`, not to be changed.

        Files tell times to a tick only: half of it is taken off, so that the instant at which a frame begins belongs to
        that frame.
        """
        begins = np.maximum(self.times - (self.tick_s / 2 + 1e-6), 0.0)
        edges = np.append(begins, max(self.duration_s, 0.0))
        edges.setflags(write=False)
        return edges

    def frame_at(self, times: np.ndarray) -> np.ndarray:
        """Indices of the frames shown at `times` (seconds): the last frame that is not later, at least the first."""
        slack = self.tick_s / 2 + 1e-6
        return np.maximum(np.searchsorted(self.times, np.asarray(times) + slack, side="right") - 1, 0)


@dataclass(frozen=True)
class Index:
    """Where the frames of a file are: `pts` ascending; without `by_pts` frames can only be counted from the start."""

    info: VideoInfo
    pts: np.ndarray  # int64 (frames,)
    by_pts: bool
    closed: bool  # no frame that follows a key frame in the file is shown before it
    container: str  # FFmpeg's name of the file format

    @property
    def byte_count(self) -> int:
        """Of its arrays, `info.edges` included, and about 2 kB for everything else."""
        return 24 * self.info.frames + 2048


class Packet(NamedTuple):
    """What is kept of a packet: with their payloads a list of them would be as large as the file."""

    pts: int | None
    duration: int | None
    is_keyframe: bool


class Remembered:
    """Indexes by file and state of the file; those that were not asked for longest are forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.byte_count = most_bytes, 0
        self._indexes: OrderedDict[tuple[Any, ...], Index] = OrderedDict()
        self._lock = threading.Lock()  # frame caches are filled by threads

    def __len__(self) -> int:
        return len(self._indexes)

    def get(self, key: tuple[Any, ...]) -> Index | None:
        with self._lock:
            if key in self._indexes:
                self._indexes.move_to_end(key)
            return self._indexes.get(key)

    def keep(self, key: tuple[Any, ...], found: Index) -> None:
        with self._lock:
            if key not in self._indexes:  # another thread may have been faster
                self._indexes[key] = found
                self.byte_count += found.byte_count
            while self.byte_count > self.most_bytes and len(self._indexes) > 1:
                self.byte_count -= self._indexes.popitem(last=False)[1].byte_count


REMEMBERED = Remembered(MOST_REMEMBERED)


def index(source: Source) -> Index:
    """The index of a video, remembered for as long as its file does not change. Raises `VideoError`."""
    modified_ns, byte_count = stamp(source)
    if isinstance(source, Pictures):
        return _index_of_pictures(source)
    key = (source, modified_ns, byte_count)
    found = REMEMBERED.get(key)
    if found is None:
        found = _index(source, byte_count)
        REMEMBERED.keep(key, found)
    return found


def read(path: Source, wanted: np.ndarray, scaled: tuple[int, int] | None = None) -> np.ndarray:
    """Frames at the ascending, distinct indices `wanted`: uint8 `(t, h, w, 3)`, rotated as the file asks.

    `scaled`: width and height to scale the stored picture to (before the rotation). Raises `VideoError`.
    """
    where = index(path)
    if isinstance(path, Pictures):
        return _read_pictures(path, where, wanted, scaled)
    found = _decode(path, where, wanted, scaled, seek=where.by_pts)
    if len(found) < len(wanted) and where.by_pts:  # open groups of pictures: some frames need what lies before
        found = _decode(path, where, wanted, scaled, seek=False)
    if len(found) < len(wanted):
        lost = next(i for i in wanted.tolist() if i not in found)
        raise VideoError(f"{path}: damaged: the frame at {where.info.times[lost]:.2f} s cannot be decoded")
    return np.stack([found[i] for i in wanted.tolist()])


def _index(path: Path | Member, byte_count: int) -> Index:
    with opened_video(path) as (container, stream):
        _refuse_truncated(path, stream, byte_count)
        try:
            shown = (p for p in container.demux(stream) if p.size and not p.is_discard)
            packets = [Packet(p.pts, p.duration, p.is_keyframe) for p in shown]
        except Exception as error:
            raise VideoError(f"{path}: damaged: its packets cannot be listed ({reason_of(error)})") from error
        if not packets:
            raise VideoError(f"{path}: no frames")
        pts: list[Any] = [p.pts for p in packets]  # None where the file does not date it
        end = max((p.pts or 0) + (p.duration or 0) for p in packets)
        codec, aspect = stream.codec_context.codec.canonical_name, float(stream.sample_aspect_ratio or 1)
        usual_gap_s, kind = 1 / float(stream.average_rate or 25), container.format.name
        by_pts = None not in pts and len(set(pts)) == len(pts)
        if kind == "avi" and stream.codec_context.has_b_frames and by_pts:
            by_pts = pts != sorted(pts)  # AVI stores no pts: these are made up, in the order of decoding
        closed = by_pts and _is_closed(packets)
    first, counted = _first_frame(path, usual_gap_s, count=not by_pts)
    if by_pts and first.pts != min(pts):  # the decoder dates the frames otherwise than the packets say
        by_pts, (first, counted) = False, _first_frame(path, usual_gap_s, count=True)
    ascending = np.asarray(sorted(pts) if by_pts else counted, dtype=np.int64)
    last_s = (end - int(ascending[-1])) * float(first.time_base) if by_pts else 0.0
    info = _info(first, ascending, last_s if last_s > 0 else usual_gap_s, codec, aspect)
    return Index(info=info, pts=ascending, by_pts=by_pts, closed=closed, container=kind)


def _is_closed(packets: list[Packet]) -> bool:
    """Of packets that all have a pts."""
    key = packets[0].pts or 0
    for packet in packets:
        pts = packet.pts or 0
        if pts < key:
            return False
        key = pts if packet.is_keyframe else key
    return True


def _info(first: Any, pts: np.ndarray, last_s: float, codec: str, aspect: float) -> VideoInfo:
    """`first`: the first decoded frame; `last_s`: how long the last frame is shown."""
    tick_s = float(first.time_base)
    times = (pts - pts[0]) * tick_s
    times.setflags(write=False)
    duration_s = float(times[-1]) + last_s
    rotation = round(first.rotation / 90) * 90 % 360
    width, height = (first.width, first.height) if rotation % 180 == 0 else (first.height, first.width)
    return VideoInfo(
        frames=len(times),
        fps=len(times) / duration_s,
        duration_s=duration_s,
        width=width,
        height=height,
        times=times,
        tick_s=tick_s,
        codec=codec,
        rotation=rotation,
        pixel_aspect=aspect,
    )


def _index_of_pictures(pictures: Pictures) -> Index:
    files = pictures.files()
    if not files:
        raise VideoError(f"{pictures}: no pictures in this folder")
    height, width = read_picture(files[0]).shape[:2]
    times = np.arange(len(files)) / pictures.fps
    duration_s = len(files) / pictures.fps
    info = VideoInfo(len(files), pictures.fps, duration_s, width, height, times, 0.0, "pictures")
    return Index(info=info, pts=np.arange(len(files)), by_pts=True, closed=True, container="pictures")


def _read_pictures(pictures: Pictures, where: Index, wanted: np.ndarray, scaled: tuple[int, int] | None) -> np.ndarray:
    """Scaled as the frames of videos are; to the size of the first picture where some differ."""
    import av
    from av.video.reformatter import VideoReformatter

    files, size = pictures.files(), scaled or (where.info.width, where.info.height)
    if len(files) != where.info.frames:
        raise VideoError(f"{pictures}: pictures come or go while it is read")
    reformatter, found = VideoReformatter(), []
    for i in wanted.tolist():
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(read_picture(files[i])), format="rgb24")
        found.append(reformatter.reformat(frame, *size, format="rgb24", interpolation="BILINEAR").to_ndarray())
    return np.stack(found)


@contextmanager
def opened_video(path: Path | Member) -> Iterator[tuple[Any, Any]]:
    """The container and its video stream, to be decoded by one thread. Neither may be touched once it is closed."""
    import av

    file = None if isinstance(path, Path) else opened(path)
    try:
        container = av.open(file or str(path))
    except Exception as error:
        raise VideoError(f"{path}: {_unreadable(path, error)}") from error
    with file or nullcontext(), container:
        streams = [s for s in container.streams.video if not _is_cover_picture(s)]
        if not streams and not container.streams.audio:  # a file that begins well and ends before it says what is in it
            raise VideoError(f"{path}: {_unreadable(path, ValueError('nothing is in it'))}")
        if not streams:
            raise VideoError(f"{path}: no video stream")
        if streams[0].codec_context is None:
            raise VideoError(f"{path}: truncated or damaged: it does not say how its frames are encoded")
        if container.format.name.endswith("_pipe") or container.format.name == "image2":
            raise VideoError(f"{path}: a still picture, not a video")
        streams[0].thread_type = "NONE"
        yield container, streams[0]


def _decode(
    path: Path | Member, where: Index, wanted: np.ndarray, scaled: tuple[int, int] | None, *, seek: bool
) -> dict[int, np.ndarray]:
    """Those of the wanted frames that were met, from the key frame before the first, or from the start."""
    from av.video.reformatter import VideoReformatter

    number_of = {int(where.pts[i]): i for i in wanted.tolist()}
    needed, last, found = set(wanted.tolist()), int(wanted[-1]), {}
    reformatter, size = VideoReformatter(), scaled or (None, None)
    quarter_turns = where.info.rotation // 90
    at_s = 0.0
    with opened_video(path) as (container, stream):
        if seek:
            container.seek(int(where.pts[wanted[0]]), stream=stream, backward=True, any_frame=False)
        try:
            for count, frame in enumerate(container.decode(stream)):
                at_s = frame.time or at_s
                number = number_of.get(frame.pts) if where.by_pts else count
                if number in needed and number not in found:
                    rgb = reformatter.reformat(frame, *size, format="rgb24", interpolation="BILINEAR").to_ndarray()
                    found[number] = np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb
                if len(found) == len(needed) or (
                    where.by_pts and frame.pts is not None and frame.pts > where.pts[last]
                ):
                    break
        except Exception as error:
            raise VideoError(f"{path}: damaged: decoding stops after {at_s:.2f} s ({reason_of(error)})") from error
    return found


def _first_frame(path: Path | Member, gap_s: float, *, count: bool) -> tuple[Any, list[int]]:
    """The first frame that is shown, and, where the file does not date its packets, the pts of all by decoding them."""
    with opened_video(path) as (container, stream):
        try:
            frames = container.decode(stream)
            first = next(frames)
            pts = [first.pts, *(frame.pts for frame in frames)] if count else [first.pts]
        except StopIteration:
            raise VideoError(f"{path}: no frame can be decoded") from None
        except Exception as error:
            raise VideoError(f"{path}: damaged: it cannot be decoded ({reason_of(error)})") from error
    if None in pts or any(later <= earlier for earlier, later in pairwise(pts)):
        gap = max(round(gap_s / float(first.time_base)), 1)
        pts = [i * gap for i in range(len(pts))]
    return first, pts


def _refuse_truncated(path: Path | Member, stream: Any, byte_count: int) -> None:
    ends = [entry.pos + entry.size for entry in getattr(stream, "index_entries", ())]
    if ends and max(ends) > byte_count:
        whole = sum(end <= byte_count for end in ends)
        raise VideoError(f"{path}: truncated: {whole} of {len(ends)} frames are there; copy or download it again")


def _is_cover_picture(stream: Any) -> bool:
    return "attached_pic" in str(getattr(stream, "disposition", ""))


def _unreadable(path: Path | Member, error: Exception) -> str:
    try:
        with opened(path) as file:
            head = file.read(12)
    except VideoError as denied:
        return str(denied).removeprefix(f"{path}: ")
    except OSError as denied:
        return f"it cannot be read ({reason_of(denied)})"
    if head[4:8] == b"ftyp":
        return "truncated: an mp4 whose end, with the index of its frames, is missing; copy or download it again"
    return f"not a video that can be read ({reason_of(error)})"
