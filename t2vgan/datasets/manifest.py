"""Clips listed in a manifest: one JSON object per line (JSON Lines), with the video's path relative to the manifest.

    {"video": "clips/0001.mp4", "caption": "a lion walks to the left", "start": 3.2, "end": 6.0}
    {"video": "clips/0002.mp4", "captions": ["a zebra grazes", "a grazing zebra"], "attributes": {"subject": "zebra"},
     "named": ["subject"]}

Either one file per split, `<root>/train.jsonl`, `<root>/val.jsonl` ..., or one `<root>/manifest.jsonl` whose lines have
a "split"; when no line has one, videos are assigned by a hash of their path (90 % train, 5 % val, 5 % test).
"""

from __future__ import annotations

import difflib
import json
import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.datasets.sampling import (
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

FIELDS = ("video", "caption", "captions", "start", "end", "attributes", "named", "key", "split")


class Manifest:
    """Clips of a JSON Lines manifest.

    Args:
        root: the folder with `<split>.jsonl` or `manifest.jsonl`, or the path of one such manifest.
        split: train, val, test, or any other that the manifest names; "all" for everything.
        size, frames, duration_s: frames are taken at `start + i * duration_s / frames`, scaled and cut to a square.
        limit: only the first so many clips.
        decoder: auto, decord or pyav.
        short: what is done with a clip that is shorter than `duration_s`: "hold" its last frame, or "skip" it.

    Raises ValueError naming file and line of the first mistake in the manifest.
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
        self.view = View(size=size, frames=frames, duration_s=duration_s, decoder=decoder, short=short)
        file, one_split = _manifest(Path(root), split)
        self.root = file.parent
        rows = _rows(file)
        self._of_split = [clip for clip, _ in rows] if one_split else _of_split(rows, split, file)
        if not self._of_split:
            raise ValueError(f"{file}: no clips in split {split!r}")
        self.clips = self._of_split[:limit]
        self.pool = caption_pool(self._of_split, [clip for clip, _ in rows], file)

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


def _manifest(root: Path, split: str) -> tuple[Path, bool]:
    """The manifest to read, and whether it holds this one split only."""
    if root.is_file():
        return root, False
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; it should hold {split}.jsonl or manifest.jsonl")
    if (root / f"{split}.jsonl").is_file():
        return root / f"{split}.jsonl", True
    if (root / "manifest.jsonl").is_file():
        return root / "manifest.jsonl", False
    others = sorted(path.name for path in root.glob("*.jsonl"))
    raise ValueError(f"{root}: no {split}.jsonl and no manifest.jsonl; manifests here: {', '.join(others) or 'none'}")


def _rows(file: Path) -> list[tuple[CaptionedClip, str | None]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: a manifest has to be UTF-8 text (byte {error.start} is not)") from None
    rows: list[tuple[CaptionedClip, str | None]] = []
    keys: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        clip, split = _row(line, file, f"{file}:{number}")
        if clip.key in keys:
            raise ValueError(f"{file}:{number}: a second clip with the key {clip.key!r}; give it a 'key' of its own")
        keys.add(clip.key)
        rows.append((clip, split))
    if not rows:
        raise ValueError(f"{file}: no clips: the manifest is empty")
    return rows


def _row(line: str, file: Path, where: str) -> tuple[CaptionedClip, str | None]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(row, dict):
        raise ValueError(
            f"{where}: a line is a JSON object such as {{'video': ..., 'caption': ...}}, not {line.strip()!r}"
        )
    for key in row:
        if key not in FIELDS and (near := difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.75)):
            raise ValueError(f"{where}: there is no field {key!r}; is {near[0]!r} meant?")
    if not isinstance(row.get("split"), str | None):
        raise ValueError(f"{where}: 'split' is a name, not {row['split']!r}")
    video = row.get("video")
    if not isinstance(video, str) or not video.strip():
        raise ValueError(f"{where}: no 'video'")
    if os.path.isabs(video) or os.path.normpath(video).split(os.sep)[0] == os.pardir:
        raise ValueError(f"{where}: 'video' has to be a path below {file.parent}, not {video!r}")
    start, end = _seconds(row, "start", where) or 0.0, _seconds(row, "end", where)
    if end is not None and end <= start:
        raise ValueError(f"{where}: 'end' ({end:g}) has to be after 'start' ({start:g})")
    captions, attributes = _captions(row, where), row.get("attributes") or {}
    if not isinstance(attributes, dict) or not all(isinstance(v, str) for v in attributes.values()):
        raise ValueError(f"{where}: 'attributes' is an object of strings, not {attributes!r}")
    clip = CaptionedClip(
        file=file.parent / video,
        captions=captions,
        key=str(row.get("key") or (f"{video}@{start:g}" if start or end is not None else video)),
        start_s=start,
        end_s=end,
        attributes=attributes,
        named=_named(row.get("named") or [], captions, attributes, where),
    )
    return clip, row.get("split")


def _named(
    named: Any, captions: tuple[str, ...], attributes: Mapping[str, str], where: str
) -> tuple[tuple[str, ...], ...]:
    """Which attributes each caption names: one list for every caption, or one for each."""
    lists = named if named and all(isinstance(names, list) for names in named) else [named] * len(captions)
    known = all(isinstance(names, list) and all(name in attributes for name in names) for names in lists)
    if not isinstance(named, list) or not known or len(lists) != len(captions):
        raise ValueError(f"{where}: 'named' lists names of 'attributes', once or for each caption, not {named!r}")
    return tuple(tuple(names) for names in lists) if named else ()


def _captions(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = row.get("captions", row.get("caption"))
    captions = [given] if isinstance(given, str) else given
    if captions is None:
        raise ValueError(f"{where}: no 'caption' and no 'captions'")
    if not isinstance(captions, list) or not captions or not all(isinstance(c, str) and c.strip() for c in captions):
        raise ValueError(f"{where}: captions are one or more non-empty strings, not {given!r}")
    return tuple(dict.fromkeys(" ".join(caption.split()) for caption in captions))


def _seconds(row: Mapping[str, Any], name: str, where: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{where}: {name!r} is a number of seconds from 0, not {value!r}")
    return float(value)


def _of_split(rows: list[tuple[CaptionedClip, str | None]], split: str, file: Path) -> list[CaptionedClip]:
    given = {named for _, named in rows}
    if split == "all":
        return [clip for clip, _ in rows]
    if given == {None}:
        paths = [clip.file.relative_to(file.parent).as_posix() for clip, _ in rows]
        splits = hashed_splits(set(paths))
        return [clip for (clip, _), path in zip(rows, paths, strict=True) if splits[path] == split]
    if None in given:
        raise ValueError(f"{file}: some clips have a 'split' and others have none: {_without_split(rows)} has none")
    found = [clip for clip, named in rows if named == split]
    if not found:
        raise ValueError(f"{file}: no clips in split {split!r}; splits here: {', '.join(sorted(map(str, given)))}")
    return found


def _without_split(rows: list[tuple[CaptionedClip, str | None]]) -> str:
    return next(clip.key for clip, named in rows if named is None)
