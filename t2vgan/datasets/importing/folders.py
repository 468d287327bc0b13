"""Folders: videos with text files beside them, a folder for each class, folders of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.captioned_folder import read_captions
from t2vgan.datasets.importing.rows import SPLIT_NAMES, Options, Row, label_words, split_name, walk
from t2vgan.datasets.sampling import SPLITS
from t2vgan.video.decode import VIDEO_SUFFIXES
from t2vgan.video.sources import PICTURE_SUFFIXES


def sidecar(source: Path, options: Options) -> Iterator[Row]:
    """`lion.mp4` and `lion.txt`, at any depth."""
    for path in walk(source):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            captions, reason = read_captions(path.with_suffix(".txt"))
            yield Row(str(path), video=os.path.abspath(path), captions=list(captions), problem=reason)


def classes(source: Path, options: Options) -> Iterator[Row]:
    """`running/0001.mp4`: the class's name is the caption. A folder train, val or test around them is the split."""
    for path in walk(source):
        parts = path.relative_to(source).parts
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            continue
        if len(parts) < 2:
            yield Row(str(path), video=os.path.abspath(path), problem="it lies in no folder that would be its class")
            continue
        split = split_name(parts[0]) if len(parts) > 2 and is_split(parts[0]) else None
        words = label_words(parts[-2])
        yield Row(
            str(path),
            video=os.path.abspath(path),
            captions=[options.template.format(label=words)],
            split=split,
            attributes={"class": words},
        )


def pictures(source: Path, options: Options) -> Iterator[Row]:
    """`lion/0001.png` ...: a folder is a clip; its captions are in `lion.txt` beside it or `caption.txt` in it."""
    folders = sorted({path.parent for path in walk(source) if path.suffix.lower() in PICTURE_SUFFIXES})
    for folder in folders:
        captions, reason = read_captions(folder.absolute().parent / f"{folder.absolute().name}.txt")
        if not captions:
            captions, _ = read_captions(folder / "caption.txt")
        problem = "" if captions else reason
        yield Row(str(folder), video=os.path.abspath(folder), captions=list(captions), fps=options.fps, problem=problem)


def is_split(name: str) -> bool:
    return name.lower() in (*SPLITS, *SPLIT_NAMES)


def kind_of(folder: Path) -> str | None:
    """Which of the three a folder is, from what is in it; None for none of them."""
    videos = texts = deep = frames = 0
    for count, path in enumerate(walk(folder)):
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            videos += 1
            texts += path.with_suffix(".txt").is_file()
            deep += len(path.relative_to(folder).parts) > 1
        frames += suffix in PICTURE_SUFFIXES
        if count > 5000:
            break
    if texts:
        return "sidecar"
    if videos:
        return "classes" if deep else "sidecar"
    return "pictures" if frames else None
