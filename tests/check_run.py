"""Has a finished run left behind what it should? For `.ci/run`, after the smoke experiment.

python tests/check_run.py runs/smoke/00000
"""

from __future__ import annotations

import sys
from pathlib import Path

from t2vgan.checkpoint import load_generator
from t2vgan.video.decode import probe_video


def main(run: Path) -> None:
    for name in ("config.yaml", "commit.txt", "metrics.csv", "evaluation.jsonl", "curves.png", "checkpoints/last.ckpt"):
        found(run, name)
    for video in found(run, "samples/*.mp4"):
        print(f"{video}: {probe_video(video).frames} frames")
    tensors, _, card = load_generator(run / "checkpoints" / "generator.safetensors")
    print(f"{run}: generator of {len(tensors)} tensors after {card['clips_seen']} clips")
    for record in found(
        run, "wandb/offline-run-*/run-*.wandb"
    ):  # Weights & Biases' own file, and what was logged to it
        print(f"{record}: {record.stat().st_size:,} bytes")
    for video in found(run, "wandb/offline-run-*/files/media/videos/**/*.mp4"):
        print(f"{video}: {probe_video(video).frames} frames")


def found(run: Path, pattern: str) -> list[Path]:
    """The files of this pattern; it ends the program when there are none, or an empty one."""
    files = sorted(run.glob(pattern))
    if not files or not all(file.stat().st_size for file in files):
        raise SystemExit(f"{run / pattern}: {'empty' if files else 'not there'}")
    return files


if __name__ == "__main__":
    main(Path(sys.argv[1]))
