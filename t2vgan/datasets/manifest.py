"""Clips listed in a manifest: one JSON object per line (JSON Lines), with the video's path relative to the manifest.

    {"video": "clips/0001.mp4", "caption": "a lion walks to the left", "start": 3.2, "end": 6.0}
    {"video": "clips/0002.mp4", "captions": ["a zebra grazes", "a grazing zebra"], "attributes": {"subject": "zebra"},
     "named": ["subject"]}
    {"video": "frames/0003", "fps": 12, "caption": "a bird"}                         a folder of pictures
    {"video": "00000.tar", "part": [1536, 20480, "lion.mp4"], "caption": "a lion"}   bytes within a tar

Either one file per split, `<root>/train.jsonl`, `<root>/val.jsonl` ..., or one `<root>/manifest.jsonl` whose lines have
a "split"; when no line has one, videos are assigned by a hash of their path (90 % train, 5 % val, 5 % test).

Videos may lie elsewhere: a first line {"root": "/videos"} names the folder that all paths are relative to, and the
option `videos` of the data set overrules it. No path leads out of that folder.
"""

from __future__ import annotations

import difflib
import json
import os.path
import posixpath
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from t2vgan.datasets.clip_files import ClipFiles
from t2vgan.datasets.sampling import NOTHING, SPLITS, CaptionedClip, View, hashed_splits
from t2vgan.datasets.vary import vary as options_of
from t2vgan.video.sources import is_remote

FIELDS = (
    *("video", "caption", "captions", "start", "end", "attributes", "named", "key", "split", "fps", "part", "digest"),
)
OWN_NAMES = ("manifest", "index", *SPLITS)  # of files that are manifests whatever is in them
FIRST_LINES, LONGEST_LINE = 5, 1 << 20  # lines and bytes that tell whether another file is one
SHOWN = 3  # mistakes that a warning tells in full
LARGEST_INT = 300  # digits: more do not fit into a float, and of more than 4300 Python makes no integer at all


class Manifest(ClipFiles):
    """Clips of a JSON Lines manifest. Lines with a mistake are left out with a warning and listed in `broken`.

    Args:
        root: the folder with `<split>.jsonl` or `manifest.jsonl`, or the path of one such manifest.
        split: train, val, test, or any other that the manifest names; "all" for everything.
        size, frames, duration_s: frames are taken at `start + i * duration_s / frames`, scaled and cut to a square.
        limit: only the first so many clips.
        decoder: auto, decord or pyav.
        short: what is done with a clip that is shorter than `duration_s`: "hold" its last frame, let it run back and
            forth ("pingpong"), begin anew ("loop"), or "skip" it.
        vary: what differs from draw to draw (`vary.py`).
        videos: the folder that the paths are relative to, where it is not the one that the manifest names.

    Raises ValueError when there is no such manifest, or none of its lines can be used: then with the first mistake.
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
        videos: str | Path | None = None,
    ) -> None:
        view = View(size, frames, duration_s, decoder, short, options_of(vary))
        file, one_split = _manifest(Path(root), split)
        self.root = file.parent
        listed = read_manifest(file, videos=videos)
        self.broken = listed.broken
        of_split = listed.clips if one_split else listed.of_split(split)
        if not of_split:
            raise ValueError(f"{file}: no clips in split {split!r}")
        super().__init__(of_split=of_split, everything=listed.clips, view=view, home=self.root, where=file, limit=limit)


@dataclass
class Listed:
    """What a manifest says: its clips, the split that each is said to belong to, and what is wrong: line -> reason."""

    file: str
    videos: str
    clips: list[CaptionedClip] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def of_split(self, split: str) -> list[CaptionedClip]:
        """ValueError for a split that no line names."""
        given = set(self.splits)
        if split == "all":
            return list(self.clips)
        if given == {None}:
            splits = hashed_splits({clip.place for clip in self.clips})
            return [clip for clip in self.clips if splits[clip.place] == split]
        if None in given:
            bare = next(clip.key for clip, named in zip(self.clips, self.splits, strict=True) if named is None)
            raise ValueError(f"{self.file}: some clips have a 'split' and others have none: {bare} has none")
        found = [clip for clip, named in zip(self.clips, self.splits, strict=True) if named == split]
        if not found:
            there = ", ".join(sorted(map(str, given)))
            raise ValueError(f"{self.file}: no clips in split {split!r}; splits here: {there}")
        return found


def manifests_in(folder: Path) -> list[Path]:
    """Without the lists that checks and imports leave, and lists of other makers: `metadata.jsonl` of Hugging Face."""
    lists = ("quarantine.jsonl", "left_out.jsonl")
    return sorted(file for file in folder.glob("*.jsonl") if file.name not in lists and _is_manifest(file))


def _is_manifest(file: Path) -> bool:
    """By its name, so that mistakes in it are told, or by what one of its first lines says."""
    if file.stem in OWN_NAMES:
        return True
    try:
        with file.open("rb") as lines:
            first = [lines.readline(LONGEST_LINE) for _ in range(FIRST_LINES)]
    except OSError:
        return False
    return any(row and ("video" in row or "root" in row) for _, row, _ in _objects(first, str(file)))


def read_manifest(file: Path, *, videos: str | Path | None = None) -> Listed:
    """Every line of a manifest; warns of those with mistakes. ValueError when none can be used."""
    try:
        with file.open("rb") as lines:
            listed = parsed(lines, str(file), home=str(file.parent), videos=videos)
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from None
    return listed


def parsed(lines: Iterable[bytes], file: str, *, home: str, videos: str | Path | None = None) -> Listed:
    """Like `read_manifest`, for lines from anywhere; `home` is what a relative root is relative to."""
    listed = Listed(file=file, videos=str(videos or home))
    keys: set[str] = set()
    for where, row, mistake in _objects(lines, file):
        if mistake is None and row is not None and "root" in row and "video" not in row:
            if not videos:
                listed.videos = _joined(home, str(row["root"]))
            continue
        try:
            if mistake is not None or row is None:
                raise ValueError(mistake)
            clip, split = _row(row, listed.videos, where)
            if clip.key in keys:
                raise ValueError(f"{where}: a second clip with the key {clip.key!r}; give it a 'key' of its own")
        except ValueError as error:
            listed.broken[where] = str(error)
            continue
        keys.add(clip.key)
        listed.clips.append(clip)
        listed.splits.append(split)
    if not listed.clips:
        raise ValueError(next(iter(listed.broken.values()), f"{file}: no clips: the manifest is empty"))
    if listed.broken:
        some = "; ".join([*listed.broken.values()][:SHOWN]) + ("; ..." if len(listed.broken) > SHOWN else "")
        warnings.warn(f"{file}: {len(listed.broken)} lines have mistakes and are left out: {some}", stacklevel=4)
    return listed


def _joined(home: str, root: str) -> str:
    if is_remote(root) or root == ".":
        return (home if root == "." else root).rstrip("/")
    return posixpath.join(home, root) if is_remote(home) else os.path.normpath(os.path.join(home, root))


def _objects(lines: Iterable[bytes], file: str) -> Iterator[tuple[str, dict[str, Any] | None, str | None]]:
    """Where, the object of a line, or what is wrong with it."""
    for number, raw in enumerate(lines, start=1):
        where = f"{file}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield where, None, f"{where}: a manifest has to be UTF-8 text (byte {error.start} of the line is not)"
            continue
        if not line.strip():
            continue
        try:
            row = from_json(line)
        except json.JSONDecodeError as error:
            yield where, None, f"{where}: not JSON ({error.msg} at column {error.colno})"
        except RecursionError:
            yield where, None, f"{where}: not JSON (nested too deeply)"
        else:
            shown = line.strip()[:80]
            wrong = f"{where}: a line is a JSON object such as {{'video': ..., 'caption': ...}}, not {shown!r}"
            yield (where, row, None) if isinstance(row, dict) else (where, None, wrong)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LARGEST_INT else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer)


def from_json(text: str) -> Any:
    """`json.loads`, but an integer of so many digits that nothing could be done with it is infinite: no error is raised
    for it here, and it is refused, as a field, wherever a number of any use is asked for."""
    return _DECODER.decode(text)


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
    others = [path.name for path in manifests_in(root)]
    raise ValueError(f"{root}: no {split}.jsonl and no manifest.jsonl; manifests here: {', '.join(others) or 'none'}")


def _row(row: dict[str, Any], videos: str, where: str) -> tuple[CaptionedClip, str | None]:
    for key in row:
        if key not in FIELDS and (near := _meant(key)):
            raise ValueError(f"{where}: there is no field {key!r}; is {near!r} meant?")
    split = row.get("split")
    if not isinstance(split, str | None):
        raise ValueError(f"{where}: 'split' is a name, not {split!r}")
    video = row.get("video")
    if not isinstance(video, str) or not video.strip():
        raise ValueError(f"{where}: no 'video'")
    if leads_out(video):
        raise ValueError(f"{where}: 'video' has to be a path below {videos}, not {video!r}")
    start, end = _seconds(row, "start", where) or 0.0, _seconds(row, "end", where)
    if end is not None and end <= start:
        raise ValueError(f"{where}: 'end' ({end:g}) has to be after 'start' ({start:g})")
    captions, attributes = _captions(row, where), row.get("attributes") or NOTHING
    if not isinstance(attributes, Mapping) or not all(isinstance(v, str) for v in attributes.values()):
        raise ValueError(f"{where}: 'attributes' is an object of strings, not {attributes!r}")
    part = _part(row, where)
    name = f"{video}/{part[2]}" if part else video
    clip = CaptionedClip(
        root=videos,
        video=video,
        captions=captions,
        key=str(row.get("key") or (f"{name}@{start:g}" if start or end is not None else name)),
        start_s=start,
        end_s=end,
        attributes=attributes,
        named=_named(row.get("named") or [], captions, attributes, where),
        fps=_fps(row, where),
        part=part,
        digest=str(row.get("digest") or ""),
    )
    return clip, sys.intern(split) if split is not None else None


@cache
def _meant(key: str) -> str | None:
    """The field that a misspelt one is near to."""
    near = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.75)
    return near[0] if near else None


def leads_out(path: str) -> bool:
    """Whether a path is absolute, an address, or goes above the folder that it is relative to."""
    plain = path.replace("\\", "/")
    return (
        os.path.isabs(plain)
        or is_remote(plain)
        or plain[1:3] == ":/"
        or "\0" in plain
        or (".." in plain and posixpath.normpath(plain).split("/")[0] == os.pardir)
    )


def _fps(row: Mapping[str, Any], where: str) -> float | None:
    fps = row.get("fps")
    if fps is None:
        return None
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < float("inf"):
        raise ValueError(f"{where}: 'fps' is a number of pictures a second above 0, not {fps!r}")
    return float(fps)


def _part(row: Mapping[str, Any], where: str) -> tuple[int, int, str] | None:
    part = row.get("part")
    if part is None:
        return None
    shape = [type(value) for value in part] if isinstance(part, list) else None
    if shape != [int, int, str] or min(part[:2]) < 0 or sum(part[:2]) >= 1 << 63:  # no file is as large as that
        raise ValueError(f"{where}: 'part' is [offset, bytes, name], not {part!r}")
    return part[0], part[1], part[2]


def _named(
    named: Any, captions: tuple[str, ...], attributes: Mapping[str, str], where: str
) -> tuple[tuple[str, ...], ...]:
    """Which attributes each caption names: one list for every caption, or one for each."""
    given = named if isinstance(named, list) else []
    lists = given if given and all(isinstance(names, list) for names in given) else [named] * len(captions)
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
