"""What every layout is read into: one row per captioned clip, and where a mistake is, what is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from t2vgan.video.decode import VIDEO_SUFFIXES

SPLIT_NAMES = {
    **dict.fromkeys(("training", "trainval"), "train"),
    **dict.fromkeys(("validate", "validation", "valid", "dev", "eval"), "val"),
    **dict.fromkeys(("testing",), "test"),
}


@dataclass
class Row:
    """A clip as a source tells of it. `problem`: why it cannot be used; `where` it is said, for messages."""

    where: str
    video: str = ""  # relative to the folder of the videos, or absolute
    captions: list[str] = field(default_factory=list)
    start_s: float | None = None
    end_s: float | None = None
    split: str | None = None
    key: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    fps: float | None = None
    part: tuple[int, int, str] | None = None
    problem: str = ""
    group: str = ""  # the video that it was cut from, where several clips were: a split has all of them or none


@dataclass
class Options:
    """How a source is read.

    videos: the folder that holds the videos, which is trusted: nothing outside of it is ever read.
    columns: field of a row -> name of the column that holds it, for tables.
    delimiter: between the cells of a csv; "" to find it out.
    language: of MSVD's captions. template: caption of a class, `{label}` in it. fps: of folders of pictures.
    """

    videos: Path
    columns: dict[str, str] = field(default_factory=dict)
    delimiter: str = ""
    language: str = "English"
    template: str = "{label}"
    fps: float = 24.0

    @cached_property
    def by_stem(self) -> dict[str, str]:
        """Name without ending -> path relative to `videos`, of every video in it, at any depth."""
        found: dict[str, str] = {}
        for path in walk(self.videos):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                found.setdefault(path.stem, path.relative_to(self.videos).as_posix())
        return found

    def located(self, *stems: str) -> str:
        """The video whose name is the first of these that there is; else the first with .mp4, which is missing."""
        return next((self.by_stem[stem] for stem in stems if stem in self.by_stem), f"{stems[0]}.mp4")


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order, through symbolic links too, none of them twice; hidden ones left out."""
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            identity = here.stat()
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:  # a link that leads nowhere or round in a circle, or a folder that may not be read
            continue
        if (identity.st_dev, identity.st_ino) in seen:
            continue
        seen.add((identity.st_dev, identity.st_ino))
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                folder_there = entry.is_dir()
            except OSError:
                folder_there = False
            if folder_there:
                inner.append(here / entry.name)
            else:
                yield here / entry.name
        waiting += reversed(inner)


def split_name(name: str | None) -> str | None:
    """`validate` and its like are `val`."""
    if name is None or not str(name).strip():
        return None
    plain = str(name).strip().lower()
    return SPLIT_NAMES.get(plain, plain)


def label_words(label: str) -> str:
    """`ApplyEyeMakeup` and `apply_eye_makeup` as people write them."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", label)
    return " ".join(spaced.replace("_", " ").split()).lower()


def seconds(value: object) -> float | None:
    """Seconds of 12.5, "12.5", "0:00:12.500" or "PT00H00M12S"; None for nothing. ValueError for what is no time."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no time")
    text = str(value).strip()
    spoken = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", text)
    parts = [part or "0" for part in spoken.groups()] if spoken else text.split(":")
    try:
        found = sum(float(part) * 60**place for place, part in enumerate(reversed(parts)))
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:60]!r} is no time; write seconds, or h:mm:ss") from None
    if not 0 <= found < float("inf"):
        raise ValueError(f"{text[:60]!r} is no time: it has to be a number of seconds from 0")
    return found
