"""Rows -> `manifest.jsonl`, with a list of what could not be used and why. Nothing is copied unless asked for.

data/<name>/manifest.jsonl   first line {"root": "<folder of the videos>"}, then a line per clip
data/<name>/left_out.jsonl   {"where": "list.csv:17", "video": "17.mp4", "reason": "no such file"}, if there are any
data/<name>/import.json      the source, its layout and the counts
data/<name>/clips/           with `copy`: the videos
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2vgan.datasets.importing import LAYOUTS, Options, Row
from t2vgan.datasets.importing.scenes import scenes_of
from t2vgan.datasets.manifest import leads_out
from t2vgan.datasets.progress import with_progress
from t2vgan.datasets.sampling import hashed_splits
from t2vgan.seeds import stable_seed
from t2vgan.system import as_json, written_whole
from t2vgan.video.sources import VideoError

VAL_SHARE = 0.05  # of the videos of train, where a source has no val


@dataclass
class Scenes:
    """How videos are cut: into scenes of at least `shortest_s`, longer ones into equal parts of at most `longest_s`."""

    shortest_s: float = 1.0
    longest_s: float | None = None


@dataclass
class Imported:
    """What an import found: lines of the manifest, and those left out."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what else a person should know
    groups: dict[str, str] = field(default_factory=dict)  # video -> what it was cut from, where that is known

    def whole(self, line: dict[str, Any]) -> str:
        """The video that a line's clip was cut from: its own, as far as is known."""
        return self.groups.get(_place(line), _place(line))

    def counts(self) -> dict[str, Any]:
        captions = sum(len(line["captions"]) for line in self.lines)
        splits = Counter(line.get("split") or "by hash" for line in self.lines)
        videos = len({(line["video"], *line.get("part", ())) for line in self.lines})
        return {
            "clips": len(self.lines), "videos": videos, "captions": captions, "splits": dict(splits),
            "left_out": len(self.left_out),
        }  # fmt: skip


def import_clips(
    source: Path, output: Path, *, layout: str, options: Options, copy: bool = False, scenes: Scenes | None = None
) -> Imported:
    """Reads the source and writes the data set into the folder `output`.

    ValueError when there is a manifest already, or not one clip can be used.
    """
    if (output / "manifest.jsonl").exists():
        raise ValueError(f"{output}: holds a manifest.jsonl already; take another folder, or delete it first")
    rows = LAYOUTS[layout].read(source, options)
    found = collected(with_progress(rows, f"reading {source.name}", None, unit="rows"), options.videos, fps=options.fps)
    if scenes:
        cut(found, options.videos, scenes)
    if not found.lines:
        first = found.left_out[0] if found.left_out else None
        why = f"none of {len(found.left_out)} can be used; {first['where']}: {first['reason']}" if first else "no clips"
        raise ValueError(f"{source}: {why}")
    share_splits(found)
    root = copied(found, options.videos, output) if copy else _root(options.videos, output)
    _write(output / "manifest.jsonl", [{"root": root}, *found.lines])
    if found.left_out:
        _write(output / "left_out.jsonl", found.left_out)
    told = {"source": str(source.resolve()), "layout": layout, "copied": copy, **found.counts()}
    with written_whole(output / "import.json") as part:
        part.write_text(as_json(told, indent=1) + "\n", encoding="utf-8")
    return found


def collected(rows: Iterable[Row], videos: Path, *, fps: float | None = None) -> Imported:
    """One line per clip: rows about the same part of the same video are its captions. Mistakes are left out by name.

    fps: of folders of pictures that name none.
    """
    found, by_place, keys = Imported(), {}, Counter()
    there: dict[str, str] = {}
    for row in rows:
        try:
            line = _line(row, videos, there, fps)
        except ValueError as error:
            found.left_out.append({"where": row.where, "video": row.video, "reason": str(error)})
            continue
        place = (line["video"], line.get("start"), line.get("end"), tuple(line.get("part", ())))
        if place in by_place:
            first = by_place[place]
            first["captions"] = list(dict.fromkeys([*first["captions"], *line["captions"]]))
            continue
        by_place[place] = line
        found.lines.append(line)
        if row.group:
            found.groups[_place(line)] = row.group
        keys[line["key"]] += 1
        if keys[line["key"]] > 1:
            line["key"] = f"{line['key']}#{keys[line['key']]}"
    return found


def _line(row: Row, videos: Path, there: dict[str, str], fps: float | None) -> dict[str, Any]:
    if row.problem:
        raise ValueError(row.problem)
    captions = list(dict.fromkeys(" ".join(text.split()) for text in row.captions if text.strip()))
    if not row.video:
        raise ValueError("no video is named")
    if not captions:
        raise ValueError("no caption")
    video = within(row.video, videos)
    if video not in there:  # os.path knows no errors: there may be names that no file can have
        place = os.path.join(videos, video)
        there[video] = "folder" if os.path.isdir(place) else "file" if os.path.exists(place) else ""
    if not there[video]:
        raise ValueError(f"no such file in {videos}")
    start, end = row.start_s, row.end_s
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"its end ({end:g} s) has to be after its start ({start or 0:g} s)")
    rate = (row.fps or fps) if there[video] == "folder" else None  # what a table says of a video's rate, it says itself
    name = f"{video}/{row.part[2]}" if row.part else video
    line: dict[str, Any] = {"video": video, "captions": captions}
    optional = {
        "start": start, "end": end, "fps": rate, "split": row.split, "attributes": row.attributes or None,
        "part": list(row.part) if row.part else None,
    }  # fmt: skip
    line["key"] = row.key or (name if start is None and end is None else f"{name}@{start or 0:g}")
    return {**line, **{key: value for key, value in optional.items() if value is not None}}


def within(video: str, videos: Path) -> str:
    """The path relative to the folder of the videos. ValueError when it lies outside of that."""
    root = os.path.abspath(videos)
    if os.path.isabs(video):
        relative = Path(os.path.abspath(video))
        if relative.is_relative_to(root):
            return relative.relative_to(root).as_posix()
    elif not leads_out(video):
        return Path(video).as_posix()
    raise ValueError(f"{video!r} lies outside of {videos}, the only folder that is trusted (--videos)")


def share_splits(found: Imported) -> None:
    """Where a source names train but no val, a twentieth of train's videos, by a hash of their names, becomes val.

    What was cut from one video stays in one split, also where a source names none.
    """
    named = Counter(line.get("split") for line in found.lines)
    if None in named and len(named) > 1:
        for line in found.lines:
            line.setdefault("split", "train")
        found.told.append(f"{named[None]} clips without a split are taken for train")
        named = Counter(line["split"] for line in found.lines)
    if found.groups and set(named) == {None}:
        splits = hashed_splits({found.whole(line) for line in found.lines})
        for line in found.lines:
            line["split"] = splits[found.whole(line)]
        return
    if "train" not in named or "val" in named:
        return
    videos = sorted({found.whole(line) for line in found.lines if line["split"] == "train"}, key=_by_hash)
    chosen = set(videos[: math.ceil(VAL_SHARE * len(videos))]) if len(videos) > 1 else set()
    for line in found.lines:
        if line["split"] == "train" and found.whole(line) in chosen:
            line["split"] = "val"
    found.told.append(f"the source has no val: {len(chosen)} of {len(videos)} videos of train became val")


def _place(line: dict[str, Any]) -> str:
    """Of the whole video: parts of one stay together."""
    return f"{line['video']}/{line['part'][2]}" if "part" in line else line["video"]


def _by_hash(place: str) -> int:
    return stable_seed(place, "val")


def cut(found: Imported, videos: Path, scenes: Scenes) -> None:
    """Each line that has no times of its own -> a line per scene, with the same captions."""
    whole, found.lines = found.lines, []
    for line in with_progress(whole, "finding scenes", len(whole), unit="videos"):
        if "start" in line or "end" in line or "part" in line or "fps" in line:
            found.lines.append(line)
            continue
        try:
            spans = scenes_of(videos / line["video"], shortest_s=scenes.shortest_s, longest_s=scenes.longest_s)
        except VideoError as error:
            found.left_out.append({"where": line["key"], "video": line["video"], "reason": str(error)})
            continue
        if not spans:
            reason = f"no scene of {scenes.shortest_s:g} s or more"
            found.left_out.append({"where": line["key"], "video": line["video"], "reason": reason})
        found.lines += [{**line, "key": f"{line['key']}@{start:g}", "start": start, "end": end} for start, end in spans]


def copied(found: Imported, videos: Path, output: Path) -> str:
    """The videos into `clips/`; the manifest's root is then its own folder. What is there is not copied again."""
    names = sorted({line["video"] for line in found.lines})
    for name in with_progress(names, "copying", len(names), unit="videos"):
        target = output / "clips" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (videos / name).is_dir():
            shutil.copytree(videos / name, target, dirs_exist_ok=True)
        elif not _same(videos / name, target):
            with written_whole(target, durable=False) as part:
                shutil.copy2(videos / name, part)
    for line in found.lines:
        line["video"] = f"clips/{line['video']}"
    return "."


def _same(one: Path, other: Path) -> bool:
    """Whether the second is a copy of the first, as far as size and time tell."""
    if not other.exists():
        return False
    here, there = one.stat(), other.stat()
    return here.st_size == there.st_size and here.st_mtime_ns == there.st_mtime_ns


def _root(videos: Path, output: Path) -> str:
    """Relative where the videos lie within the data set's own folder, so that it can be moved; else absolute."""
    inner = os.path.relpath(os.path.abspath(videos), os.path.abspath(output))
    return os.path.abspath(videos) if inner.startswith(os.pardir) else Path(inner).as_posix()


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with written_whole(path) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(_encoded(lines))


def _encoded(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        yield f"{as_json(line)}\n"
