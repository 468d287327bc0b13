"""Small captioned video files whose frames show their number and their clip's colour."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from t2vgan.video.encode import write_mp4

BITS = 6


def numbered_clip(clip: int, *, frames: int = 48, size: int = 32) -> np.ndarray:
    """Frame i shows i in binary in its upper half (six columns) and the clip's own grey in its lower half."""
    video = np.zeros((frames, size, size, 3), dtype=np.uint8)
    for i in range(frames):
        for bit in range(BITS):
            video[i, : size // 2, bit * size // BITS : (bit + 1) * size // BITS] = 255 * (i >> bit & 1)
    video[:, size // 2 :] = 20 * (clip + 1)
    return video


def number_on(frame: np.ndarray) -> int:
    width = frame.shape[1] / BITS
    return sum(int(frame[4:10, round((b + 0.5) * width)].mean() > 128) << b for b in range(BITS))


def clip_of(frame: np.ndarray) -> int:
    """Which clip the frame is from."""
    return round(float(frame[frame.shape[0] * 3 // 4].mean()) / 20) - 1


def write_clips(folder: Path, count: int, *, frames: int = 48, fps: float = 24.0) -> list[Path]:
    """`clip00.mp4` ... of `frames / fps` seconds each."""
    paths = [folder / f"clip{i:02}.mp4" for i in range(count)]
    for i, path in enumerate(paths):
        write_mp4(path, numbered_clip(i, frames=frames), fps=fps)
    return paths


@pytest.fixture(scope="session")
def clips() -> SimpleNamespace:
    """The helpers above (conftest files cannot be imported)."""
    return SimpleNamespace(write=write_clips, clip_of=clip_of, number_on=number_on, numbered=numbered_clip)
