"""Frames to files that play everywhere: H.264 mp4 (PyAV), GIF and PNG (Pillow).

Every file is written beside its target and then renamed, so that a file that exists is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from t2vgan.system import written_whole

if TYPE_CHECKING:
    from av.container import OutputContainer

Sound = tuple[np.ndarray, int]  # float (samples,) or (channels, samples) in [-1, 1], and samples per second

BT601, LIMITED_RANGE = 6, 1  # FFmpeg's numbers; what its RGB -> YUV conversion uses unless told otherwise


def write_mp4(
    path: str | Path, frames: np.ndarray | Iterable[np.ndarray], *, fps: int | float, audio: Sound | None = None
) -> None:
    """Write uint8 RGB frames `(t, h, w, 3)` as H.264 (yuv420p, crf 18, index at the front), audio as AAC.

    `frames` may come in parts, one after the other, so that a long clip is never in memory as a whole.
    Odd heights and widths are padded by repeating the last row or column, because yuv420p needs even ones.
    The parent folder is made. Raises ValueError when `frames` is something else or fps is not positive.
    """
    import av

    parts = _parts(frames, path, fps)
    first = next(parts)
    height, width = first.shape[1:3]
    index_first = {"movflags": "+faststart"}
    with (
        written_whole(Path(path), durable=False) as part,
        av.open(str(part), "w", "mp4", options=index_first) as container,
    ):
        stream: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(100_000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18", "preset": "medium"}
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = BT601, LIMITED_RANGE
        sound: Any = container.add_stream("aac", rate=audio[1], layout=_layout(audio[0])) if audio is not None else None
        for frame in chain.from_iterable(chain([first], parts)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
        if audio is not None:
            _mux_sound(container, sound, audio)


def write_gif(path: str | Path, frames: np.ndarray, *, fps: int | float) -> None:
    """Write uint8 RGB frames `(t, h, w, 3)` as an endless GIF.

    GIF counts time in 1/100 s: frames are rounded to it so that the clip as a whole keeps its duration.
    """
    frames = _checked(frames, path, fps)
    ticks = np.maximum(np.round(np.arange(len(frames) + 1) * 100 / fps), 0).astype(int)
    durations_ms = [max(int(ticks[i + 1] - ticks[i]), 1) * 10 for i in range(len(frames))]
    images = [Image.fromarray(frame) for frame in frames]
    with written_whole(Path(path), durable=False) as part:
        images[0].save(
            part, format="GIF", save_all=True, append_images=images[1:], duration=durations_ms, loop=0, disposal=1
        )


def write_video(path: str | Path, frames: np.ndarray, *, fps: int | float) -> Path:
    """Write uint8 RGB frames `(t, h, w, 3)` as mp4, or as GIF where PyAV is not installed. Returns where it lies."""
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:  # of a machine that trains alone, on clips that are drawn or cached
        path = Path(path).with_suffix(".gif")
        write_gif(path, frames, fps=fps)
    else:
        write_mp4(path, frames, fps=fps)
    return Path(path)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write one uint8 RGB image `(h, w, 3)`."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{path}: an image is uint8 (h, w, 3), not {image.dtype} {image.shape}")
    with written_whole(Path(path), durable=False) as part:
        Image.fromarray(np.ascontiguousarray(image)).save(part, format="PNG")


def _checked(frames: np.ndarray, path: str | Path, fps: int | float) -> np.ndarray:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(
            f"{path}: frames are uint8 (t, h, w, 3) with at least one frame, not {frames.dtype} {frames.shape}"
        )
    if not fps > 0:
        raise ValueError(f"{path}: frames per second must be above 0, not {fps}")
    return np.ascontiguousarray(frames)


def _parts(frames: np.ndarray | Iterable[np.ndarray], path: str | Path, fps: int | float) -> Iterator[np.ndarray]:
    """At least one, each of them checked and even, all of one size."""
    sizes = set()
    for part in [frames] if isinstance(frames, np.ndarray) else frames:
        sizes.add(part.shape[1:])
        if len(sizes) > 1:
            raise ValueError(f"{path}: the frames of a clip have one size, not {' and '.join(map(str, sizes))}")
        yield _even(_checked(part, path, fps))
    if not sizes:
        raise ValueError(f"{path}: a clip has at least one frame")


def _even(frames: np.ndarray) -> np.ndarray:
    pad = frames.shape[1] % 2, frames.shape[2] % 2
    return np.pad(frames, ((0, 0), (0, pad[0]), (0, pad[1]), (0, 0)), mode="edge") if any(pad) else frames


def _layout(samples: np.ndarray) -> str:
    return "stereo" if samples.ndim == 2 and samples.shape[0] == 2 else "mono"


def _mux_sound(container: OutputContainer, stream: Any, audio: Sound) -> None:
    import av

    samples, rate = audio
    planes = np.ascontiguousarray(np.atleast_2d(samples), dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=_layout(samples))
    frame.sample_rate = rate
    frame.pts = 0
    for packet_source in (frame, None):
        container.mux(stream.encode(packet_source))
