"""CPU time to read 16 frames of 2 seconds from a random start: decord, PyAV and the frame cache.

Run: python benchmarks/decoding.py            (a minute on one core; the videos are made in a temporary folder)
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from t2vgan.datasets.cache import FrameCache
from t2vgan.datasets.manifest import Manifest
from t2vgan.video.encode import write_mp4

SIZES = {"64x64, 24 fps": (64, 64, 24), "256x256, 30 fps": (256, 256, 30), "1280x720, 30 fps": (720, 1280, 30)}
CLIPS, SECONDS, ROUNDS = 4, 8, 5


def moving_texture(height: int, width: int, frames: int, seed: int) -> np.ndarray:
    """A smooth random texture that drifts, with a little noise: neither flat nor impossible to compress."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 8 + 2, width // 8 + frames // 4 + 2, 3))
    big = coarse.repeat(8, axis=0).repeat(8, axis=1)
    clip = np.stack([big[i % 8 : i % 8 + height, 2 * i : 2 * i + width] for i in range(frames)])
    return (clip + rng.integers(-4, 5, clip.shape)).clip(0, 255).astype(np.uint8)


def cpu_ms(call: Callable[[int, np.random.Generator], object]) -> float:
    rng = np.random.default_rng(0)
    began = time.process_time()
    for _ in range(ROUNDS):
        for index in range(CLIPS):
            call(index, rng)
    return (time.process_time() - began) / (ROUNDS * CLIPS) * 1000


def main() -> None:
    print(
        f"{'clip, read at 64x64':22}{'decord':>10}{'pyav':>10}{'pyav, first time':>18}{'cache':>10}   CPU ms per clip"
    )
    for name, (height, width, fps) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            rows = [{"video": f"{i}.mp4", "caption": f"texture {i}"} for i in range(CLIPS)]
            (root / "train.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
            for i in range(CLIPS):
                write_mp4(root / f"{i}.mp4", moving_texture(height, width, SECONDS * fps, i), fps=fps)
            views = {decoder: Manifest(root=root, size=64, decoder=decoder) for decoder in ("decord", "pyav")}
            began = time.process_time()
            for index in range(CLIPS):
                views["pyav"].draw(index, np.random.default_rng(1))
            first = (time.process_time() - began) / CLIPS * 1000
            views["decord"].draw(0, np.random.default_rng(1))  # its import
            times = {decoder: cpu_ms(view.draw) for decoder, view in views.items()}
            times["cache"] = cpu_ms(FrameCache(views["pyav"], root / "cache").draw)
        print(f"{name:22}{times['decord']:10.1f}{times['pyav']:10.1f}{first:18.1f}{times['cache']:10.2f}")


if __name__ == "__main__":
    main()
