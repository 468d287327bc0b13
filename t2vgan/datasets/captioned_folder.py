"""A folder of videos, each with its captions in a text file of the same name: `lion.mp4` and `lion.txt`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from t2vgan.datasets.sampling import (
    SPLITS,
    CaptionedClip,
    View,
    caption_pool,
    decoded,
    edges_of,
    fingerprint,
    hashed_splits,
    sample,
)
from t2vgan.shapes import Sample
from t2vgan.video.decode import VIDEO_SUFFIXES


class CaptionedFolder:
    """The videos that lie directly in a folder and have captions: one per line of the text file beside them.

    Which split a clip belongs to is decided by a hash of its file name (90 % train, 5 % val, 5 % test; from three clips
    on none is empty). Hidden files and folders inside are not looked at. Clips without captions are left out with a
    warning and listed in `uncaptioned`.

    Args:
        root: the folder.
        split: train, val, test, or all.
        size, frames, duration_s: frames are taken at `start + i * duration_s / frames`, scaled and cut to a square.
        limit: only the first so many clips.
        decoder: auto, decord or pyav.
        short: what is done with a clip that is shorter than `duration_s`: "hold" its last frame, or "skip" it.

    Raises ValueError when the folder is missing, holds no clips, or none has a caption.
    """

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        size: int = 32,
        frames: int = 16,
        duration_s: float = 2.0,
        limit: int | None = None,
        decoder: str = "auto",
        short: str = "hold",
    ) -> None:
        if split not in (*SPLITS, "all"):
            raise ValueError(f"split {split!r} is not known: choose one of {', '.join(SPLITS)}, all")
        self.view = View(size=size, frames=frames, duration_s=duration_s, decoder=decoder, short=short)
        self.root = Path(root)
        every, self.uncaptioned = _captioned(self.root)
        splits = hashed_splits(clip.file.name for clip in every)
        self._of_split = [clip for clip in every if split in ("all", splits[clip.file.name])]
        if not self._of_split:
            raise ValueError(
                f"{self.root}: no clips for split {split!r}: {len(every)} captioned clips are too few to share"
            )
        self.clips = self._of_split[:limit]
        self.pool = caption_pool(self._of_split, every, self.root)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        """The evaluation view: from the clip's start, its first caption, always the same wrong caption."""
        return sample(self, index, None)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """The training view: from a random start, one of the captions, a random wrong caption."""
        return sample(self, index, rng)

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Frames of the clip at the video's own rate, uint8 `(t, size, size, 3)`: all, or those with these numbers."""
        return decoded(self.clips[index], self.view, numbers)

    def frame_edges(self, index: int) -> np.ndarray:
        """When frame i of `frames` is shown: from edges[i] to edges[i + 1] seconds."""
        return edges_of(self.clips[index], self.view)

    def key(self, index: int) -> str:
        return self.clips[index].key

    def captions(self) -> list[str]:
        """All captions that samples can hold, right and wrong, distinct and sorted."""
        return list(self.pool)

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes a sample; not with `limit`."""
        return fingerprint(self._of_split, self.view, self.root)


def _captioned(root: Path) -> tuple[list[CaptionedClip], list[str]]:
    """The clips with captions, by name, and the names of the videos without."""
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    files = sorted(p for p in root.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))
    if not files:
        deeper = next((p for p in sorted(root.glob("*/*")) if p.suffix.lower() in VIDEO_SUFFIXES), None)
        hint = f"; folders inside are not looked at, is {deeper.parent} meant?" if deeper else ""
        raise ValueError(f"{root}: no clips ({', '.join(VIDEO_SUFFIXES)}){hint}")
    clips, without = [], []
    for file in files:
        captions = _captions(file.with_suffix(".txt"))
        if captions:
            clips.append(CaptionedClip(file=file, captions=captions, key=file.name))
        else:
            without.append(file.name)
    if not clips:
        raise ValueError(
            f"{root}: no captions: none of {len(files)} clips has a text file beside it, such as {files[0].stem}.txt"
        )
    if without:
        some = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
        warnings.warn(
            f"{root}: {len(without)} of {len(files)} clips have no caption and are left out: {some}", stacklevel=3
        )
    return clips, without


def _captions(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: captions have to be UTF-8 text (byte {error.start} is not)") from None
    return tuple(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))
