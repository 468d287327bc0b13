"""Video files of many kinds whose frames carry their own number, so that a wrong frame is seen as such."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

BITS = 8


def numbered_frames(count: int, *, height: int = 64, width: int = 64) -> np.ndarray:
    """Frame i shows i in binary: eight black or white columns in its upper half, a moving grey square below."""
    clip = np.full((count, height, width, 3), (40, 90, 140), dtype=np.uint8)
    for i in range(count):
        for bit in range(BITS):
            columns = slice(bit * width // BITS, (bit + 1) * width // BITS)
            clip[i, : height // 2, columns] = 255 if i >> bit & 1 else 0
        x = 3 * i % (width - 16)
        clip[i, -20:-4, x : x + 16] = 190
    return clip


def number_on(frame: np.ndarray) -> int:
    """The number that the frame shows; raises when a column is neither black nor white."""
    width = frame.shape[1] // BITS
    bits = [frame[4 : frame.shape[0] // 2 - 4, (b * width + 2) : ((b + 1) * width - 2)].mean() for b in range(BITS)]
    assert all(value < 70 or value > 185 for value in bits), f"unreadable frame: {bits}"
    return sum((value > 128) << b for b, value in enumerate(bits))


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "libx264",
    fps: int = 24,
    pts_ms: Sequence[int] | None = None,
    rotation: int = 0,
    pix_fmt: str = "yuv420p",
    sound: str = "",
    **options: str,
) -> Path:
    """Encode with PyAV alone; `pts_ms` makes a variable frame rate, `sound` (a codec) adds two seconds of silence."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
        stream.codec_context.thread_count = 1
        noise: Any = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        if pts_ms is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if pts_ms is not None:
                frame.pts, frame.time_base = pts_ms[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            for _ in range(100):
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
                samples.sample_rate = 48_000
                container.mux(noise.encode(samples))
            container.mux(noise.encode())
    return path


def write_trimmed(source: Path, target: Path, *, start: int) -> Path:
    """Copy the packets and let the new file's edit list begin at frame `start`, as `ffmpeg -ss -c copy` does."""
    with av.open(str(source)) as old, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as new:
        inner = old.streams.video[0]
        outer = new.add_stream_from_template(inner)
        shift = sorted(packet.pts for packet in old.demux(inner) if packet.pts is not None)[start]
        old.seek(0)
        for packet in old.demux(inner):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, outer
            new.mux(packet)
    return target


def in_order(path: Path) -> np.ndarray:
    """The reference: every frame that sequential decoding gives, `(t, h, w, 3)`."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


B_FRAMES = {"g": "12", "bf": "2"}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "h264_b_frames": ("mp4", {"g": "12", "bf": "3"}),
    "h264_one_keyframe": ("mov", {"g": "250", "bf": "2"}),
    "h264_no_b_frames": ("mkv", {"bf": "0"}),
    "h264_open_groups": ("mp4", {"g": "12", "bf": "2", "x264-params": "open-gop=1"}),
    "h264_in_avi": ("avi", B_FRAMES),
    "raw_h264": ("h264", B_FRAMES),
    "transport_stream": ("ts", B_FRAMES),
    "variable_rate": ("mp4", {**B_FRAMES, "pts_ms": np.cumsum([20, 70, 35, 110] * 15).tolist()}),
    "mpeg2": ("mpg", {"codec": "mpeg2video", **B_FRAMES}),
    "mpeg4": ("avi", {"codec": "mpeg4"}),
    "mpeg4_b_frames": ("mp4", {"codec": "mpeg4", **B_FRAMES}),
    "mjpeg": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "vp9": ("webm", {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8", "g": "15"}),
    "hevc": ("mp4", {"codec": "libx265", "g": "12", "preset": "ultrafast", "x265-params": "log-level=none:bframes=3"}),
    "av1": ("mp4", {"codec": "libsvtav1", "preset": "12"}),
    "interlaced": ("mp4", {**B_FRAMES, "flags": "+ildct+ilme", "x264-params": "tff=1"}),
    "grey": ("mp4", {**B_FRAMES, "pix_fmt": "gray"}),
    "ten_bit": ("mp4", {**B_FRAMES, "pix_fmt": "yuv420p10le"}),
    "hevc_ten_bit": (
        "mp4",
        {
            "codec": "libx265",
            "pix_fmt": "yuv420p10le",
            "preset": "ultrafast",
            "x265-params": "log-level=none:bframes=0",
        },
    ),
    "vp9_alpha": ("webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "deadline": "realtime", "cpu-used": "8"}),
    "png_alpha": ("mov", {"codec": "png", "pix_fmt": "rgba"}),
    "with_sound": ("mp4", {**B_FRAMES, "sound": "aac"}),
    "webm_with_sound": ("webm", {"codec": "libvpx-vp9", "deadline": "realtime", "cpu-used": "8", "sound": "libopus"}),
    "odd_size": ("mkv", {"pix_fmt": "yuv444p", "height": 63, "width": 65}),
}


def make_kinds(folder: Path) -> None:
    """A file of 60 numbered frames of each of the `KINDS`."""
    for kind, (suffix, options) in KINDS.items():
        options = dict(options)
        size = {key: options.pop(key) for key in ("height", "width") if key in options}
        write_video(folder / f"{kind}.{suffix}", numbered_frames(60, **size), **options)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The makers above, and `studio.kind(name)`, for tests (conftest files cannot be imported)."""
    folder = tmp_path_factory.mktemp("videos")
    # A process of its own: where decord was loaded before, PyAV cannot open the VP9 encoder.
    subprocess.run([sys.executable, __file__, str(folder)], check=True, capture_output=True)
    return SimpleNamespace(
        kind=lambda name: folder / f"{name}.{KINDS[name][0]}",
        numbered_frames=numbered_frames,
        number_on=number_on,
        write_video=write_video,
        write_trimmed=write_trimmed,
        in_order=in_order,
    )


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


if __name__ == "__main__":
    make_kinds(Path(sys.argv[1]))
