"""WebDataset tars: `00000.tar` with KEY.mp4 and KEY.txt or KEY.json side by side. Nothing is unpacked: the manifest
says where in the tar each video lies."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from t2vgan.datasets.importing.rows import Options, Row, seconds, split_name
from t2vgan.datasets.importing.tables import captions_of
from t2vgan.datasets.manifest import from_json
from t2vgan.video.decode import VIDEO_SUFFIXES

LARGEST_TEXT = 1 << 24  # bytes
CAPTION_FIELDS = ("captions", "caption", "text", "description", "title")


@dataclass
class Sample:
    """The members of one key."""

    video: tuple[int, int, str] | None = None
    captions: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def read(source: Path, options: Options) -> Iterator[Row]:
    for file in [source] if source.is_file() else sorted(source.glob("*.tar")):
        try:
            with tarfile.open(file, "r:") as tar:
                yield from _rows(tar, file)
        except (tarfile.TarError, OSError, EOFError) as error:
            yield Row(str(file), problem=f"damaged: not a tar that can be read to its end ({error})")


def _rows(tar: tarfile.TarFile, file: Path) -> Iterator[Row]:
    """As in WebDataset, members of a key follow each other; the key is the path up to the first dot of the name."""
    last, sample = "", Sample()
    for member in tar:
        if not member.isfile():
            continue
        path = PurePosixPath(member.name)
        stem, _, ending = path.name.partition(".")
        key = str(path.with_name(stem))
        if key != last:
            if last:
                yield from _finished(file, last, sample)
            last, sample = key, Sample()
        _add(sample, tar, member, f".{ending.lower()}")
    if last:
        yield from _finished(file, last, sample)


def _add(sample: Sample, tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str) -> None:
    if ending.endswith(VIDEO_SUFFIXES):
        sample.video = (member.offset_data, member.size, str(PurePosixPath(member.name)))
        return
    if ending not in (".txt", ".json", ".cls") or member.size > LARGEST_TEXT:
        return
    file = tar.extractfile(member)
    data = file.read() if file else b""
    try:
        text = data.decode("utf-8-sig")
        if ending == ".json":
            told = from_json(text)
            sample.told = told if isinstance(told, dict) else {}
        elif ending == ".txt":
            sample.captions += [line for line in text.splitlines() if line.strip()]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        sample.problem = f"{member.name} cannot be read ({type(error).__name__})"


def _finished(file: Path, key: str, sample: Sample) -> Iterator[Row]:
    where, told = f"{file}: {key}", sample.told
    if sample.video is None:
        yield Row(where, problem=sample.problem or "no video with this name in the tar")
        return
    if sum(sample.video[:2]) > file.stat().st_size:
        sample.problem = "truncated: the tar ends before this video does"
    listed = told.get("clips")  # ours; video2dataset lists there the spans that it has cut
    clips = listed if isinstance(listed, list) and any(isinstance(clip, dict) for clip in listed) else [told]
    ours = clips is listed
    for number, clip in enumerate(clips):
        row = Row(where, video=os.path.abspath(file), part=sample.video, problem=sample.problem)
        if not isinstance(clip, dict):
            row.problem = f"entry {number} of 'clips' is no JSON object"
            yield row
            continue
        row.captions = list(sample.captions)
        for name in CAPTION_FIELDS if not row.captions or ours else ():
            row.captions = captions_of(clip.get(name)) or row.captions
            if clip.get(name):
                break
        row.key = str(clip.get("key") or (key if number == 0 else f"{key}@{number}"))
        row.split = split_name(clip.get("split"))
        attributes = clip.get("attributes")
        row.attributes = {k: str(v) for k, v in attributes.items()} if isinstance(attributes, dict) else {}
        try:
            row.start_s, row.end_s = seconds(clip.get("start")), seconds(clip.get("end"))
        except ValueError as error:
            row.problem = str(error)
        yield row
