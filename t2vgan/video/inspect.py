"""Looking a video through from its first to its last frame: what is really in it, against what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.video import exact
from t2vgan.video.decode import fallback_reason
from t2vgan.video.sources import Member, Pictures, Source, VideoError, read_picture, reason_of, stamp

SMALL = (80, 60)  # width and height of the pictures that are kept
PRINT = (9, 8)  # width and height that a picture is shrunk to for its print
AREAS = (4, 4)  # and for its colours


@dataclass
class Look:
    """What was met. Times in seconds from the first frame."""

    frames: int = 0
    claimed_frames: int = 0  # by the container
    claimed_fps: float = 0.0
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    codec: str = ""
    interlaced: bool = False
    damage: str = ""  # where and how decoding failed
    damage_s: float | None = None
    audio_s: float | None = None  # length of the sound; None without any
    audio_damage: str = ""
    fallback: str = ""  # why not decord but PyAV reads it
    pictures: dict[float, np.ndarray] = field(default_factory=dict)  # instant -> small uint8 (h, w, 3)


def look_through(source: Source, instants: Sequence[float] = ()) -> Look:
    """Decodes everything, sound too; keeps the small pictures shown at `instants`. Raises `VideoError` where nothing
    can be seen at all."""
    stamp(source)
    if isinstance(source, Pictures):
        return _through_pictures(source, instants)
    look, refused = Look(), ""  # what training will say of it
    try:
        info = exact.index(source).info
    except VideoError as error:
        info, refused = None, str(error).removeprefix(f"{source}: ")
    try:
        _frames(source, look, sorted(instants))
    except VideoError as error:
        raise VideoError(f"{source}: {refused}" if refused else str(error)) from error
    _sound(source, look)
    look.damage = refused or look.damage
    if info is not None:
        look.fallback = fallback_reason(source) or ""
        look.width, look.height = info.width, info.height
        if not look.damage:  # what clips are drawn from; some files date their frames in the order of decoding
            look.duration_s = info.duration_s
            look.times = info.times if info.frames == look.frames else look.times
    return look


def claimed_s(source: Source) -> float:
    """How long a video says that it lasts, from its header alone; 0 where it does not say, or cannot be opened."""
    try:
        if isinstance(source, Pictures):
            return len(source.files()) / source.fps
        stamp(source)
        with exact.opened_video(source) as (container, stream):
            return _claimed_s(container, stream)
    except VideoError:
        return 0.0


def fingerprint_of(picture: np.ndarray) -> tuple[int, bytes]:
    """(64 bits: is a pixel brighter than its left neighbour, RGB of 4 x 4 areas) of a picture: alike for alike ones."""
    from PIL import Image

    small = Image.fromarray(picture).convert("L").resize(PRINT, Image.Resampling.BOX)
    bits = np.diff(np.asarray(small).astype(int), axis=1) > 0
    areas = Image.fromarray(picture).resize(AREAS, Image.Resampling.BOX)
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), areas.tobytes()


def _through_pictures(source: Pictures, instants: Sequence[float]) -> Look:
    files = source.files()
    info = exact.index(source).info
    look = Look(len(files), len(files), source.fps, info.times, info.duration_s, info.width, info.height, "pictures")
    for number, file in enumerate(files):
        try:
            picture = read_picture(file)
        except VideoError as error:
            look.damage, look.damage_s, look.frames = str(error), float(info.times[number]), number
            break
        look.pictures |= {t: _shrunk_array(picture) for t in instants if int(info.frame_at(np.array([t]))[0]) == number}
    return look


def _frames(source: Path | Member, look: Look, instants: list[float]) -> None:
    """The first frame that cannot be decoded ends it; what the decoder itself takes for spoilt is damage too."""
    times, waiting, before = [], list(instants), None
    with exact.opened_video(source) as (container, stream):
        look.codec = stream.codec_context.codec.canonical_name
        look.claimed_fps = float(stream.average_rate or 0)
        counts = [
            count for count in (stream.frames, round(_claimed_s(container, stream) * look.claimed_fps)) if count > 0
        ]
        look.claimed_frames = min(counts, default=0)  # of a file with an edit list more are stored than shown
        try:
            for frame in container.decode(stream):
                start = times[0] if times else frame.time or 0.0
                at = (frame.time if frame.time is not None else start + len(times) / (look.claimed_fps or 25)) - start
                while before is not None and waiting and at > waiting[0] + 1e-6:
                    look.pictures[waiting.pop(0)] = _shrunk(before)
                times.append(at + start)
                look.interlaced |= bool(frame.interlaced_frame)
                if frame.is_corrupt and not look.damage:
                    look.damage, look.damage_s = f"a damaged frame at {at:.2f} s", at
                before = frame
        except Exception as error:
            at = times[-1] - times[0] if times else 0.0
            look.damage, look.damage_s = f"decoding stops after {at:.2f} s ({reason_of(error)})", at
        if before is None:
            raise VideoError(f"{source}: {look.damage or 'no frame can be decoded'}")
        look.pictures |= {t: _shrunk(before) for t in waiting}
        look.width, look.height = before.width, before.height
    look.frames, look.times = len(times), np.asarray(times) - times[0]
    gap = float(np.median(np.diff(look.times))) if len(times) > 1 else 1 / (look.claimed_fps or 25)
    look.duration_s = float(look.times[-1]) + gap


def _claimed_s(container: Any, stream: Any) -> float:
    return float((stream.duration or 0) * (stream.time_base or 0)) or float((container.duration or 0) / 1e6)


def _sound(source: Path | Member, look: Look) -> None:
    import av

    from t2vgan.video.sources import opened

    file: Any = str(source) if isinstance(source, Path) else opened(source)
    try:
        with av.open(file) as opened_file:
            container: Any = opened_file
            if not container.streams.audio:
                return
            stream, samples = container.streams.audio[0], 0
            for frame in container.decode(stream):
                samples += frame.samples
            look.audio_s = samples / (stream.rate or 1)
    except Exception as error:
        look.audio_s, look.audio_damage = look.audio_s or 0.0, reason_of(error)


def _shrunk(frame: Any) -> np.ndarray:
    picture = frame.reformat(*SMALL, format="rgb24", interpolation="AREA").to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def _shrunk_array(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize(SMALL, Image.Resampling.BOX))
