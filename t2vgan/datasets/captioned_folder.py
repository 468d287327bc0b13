"""A folder of videos, each with its captions in a text file of the same name: `lion.mp4` and `lion.txt`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vgan.datasets.clip_files import ClipFiles
from t2vgan.datasets.sampling import SPLITS, CaptionedClip, View, hashed_splits
from t2vgan.datasets.vary import vary as options_of
from t2vgan.video.decode import VIDEO_SUFFIXES


class CaptionedFolder(ClipFiles):
    """The videos that lie directly in a folder and have captions: one per line of the text file beside them.

    Which split a clip belongs to is decided by a hash of its file name (90 % train, 5 % val, 5 % test; from three clips
    on none is empty). Hidden files and folders inside are not looked at. Clips without captions, or with captions that
    are not UTF-8, are left out with a warning and listed in `uncaptioned`, name -> reason.

    Args:
        root: the folder.
        split: train, val, test, or all.
        size, frames, duration_s: frames are taken at `start + i * duration_s / frames`, scaled and cut to a square.
        limit: only the first so many clips.
        decoder: auto, decord or pyav.
        short: what is done with a clip that is shorter than `duration_s`: "hold" its last frame, let it run back and
            forth ("pingpong"), begin anew ("loop"), or "skip" it.
        vary: what differs from draw to draw (`vary.py`).

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
        vary: Mapping[str, Any] | None = None,
    ) -> None:
        if split not in (*SPLITS, "all"):
            raise ValueError(f"split {split!r} is not known: choose one of {', '.join(SPLITS)}, all")
        view = View(size, frames, duration_s, decoder, short, options_of(vary))
        self.root = Path(root)
        every, self.uncaptioned = captioned(self.root)
        splits = hashed_splits(clip.video for clip in every)
        of_split = [clip for clip in every if split in ("all", splits[clip.video])]
        if not of_split:
            raise ValueError(
                f"{self.root}: no clips for split {split!r}: {len(every)} captioned clips are too few to share"
            )
        super().__init__(of_split=of_split, everything=every, view=view, home=self.root, where=self.root, limit=limit)


def captioned(root: Path) -> tuple[list[CaptionedClip], dict[str, str]]:
    """The clips with captions, by name, and the names of the videos without, each with the reason."""
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    files = sorted(p for p in root.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))
    if not files:
        deeper = next((p for p in sorted(root.glob("*/*")) if p.suffix.lower() in VIDEO_SUFFIXES), None)
        hint = f"; folders inside are not looked at, is {deeper.parent} meant?" if deeper else ""
        raise ValueError(f"{root}: no clips ({', '.join(VIDEO_SUFFIXES)}){hint}")
    clips: list[CaptionedClip] = []
    without: dict[str, str] = {}
    for file in files:
        captions, reason = read_captions(file.with_suffix(".txt"))
        if captions:
            clips.append(CaptionedClip(root=str(root), video=file.name, captions=captions, key=file.name))
        else:
            without[file.name] = reason
    if not clips:
        some = next((reason for reason in without.values() if "UTF-8" in reason), "")
        missing = f"none of {len(files)} clips has a text file beside it, such as {files[0].stem}.txt"
        raise ValueError(some or f"{root}: no captions: {missing}")
    if without:
        some = ", ".join([*without][:5]) + (" ..." if len(without) > 5 else "")
        unread = [reason for reason in without.values() if "UTF-8" in reason][:1]
        told = f"{len(without)} of {len(files)} clips have no caption and are left out: {some}"
        warnings.warn(f"{root}: {'; '.join([told, *unread])}", stacklevel=3)
    return clips, without


def read_captions(file: Path) -> tuple[tuple[str, ...], str]:
    """One caption a line, each once; and why there is none."""
    try:
        if not file.is_file():
            return (), f"{file}: no such file"
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        return (), f"{file}: captions have to be UTF-8 text (byte {error.start} is not)"
    except OSError as error:
        return (), f"{file}: cannot be read ({error.strerror})"
    captions = tuple(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))
    return captions, "" if captions else f"{file}: it is empty"
