"""MSVD (Chen & Dolan 2011): clips `YouTubeClips/<id>_<start>_<end>.avi`, already cut, with captions in either
`MSR Video Description Corpus.csv` (VideoID, Start, End, ..., Language, Description) or `AllVideoDescriptions.txt`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.importing.rows import Options, Row
from t2vgan.datasets.importing.tables import records

COLUMNS = ("VideoID", "Start", "End", "Language", "Description")


def read(source: Path, options: Options) -> Iterator[Row]:
    """All captions of a clip in the language that is asked for."""
    captions: dict[str, list[str]] = defaultdict(list)
    for name, text in _described(source, options.language):
        if text.strip():
            captions[name].append(text)
    for name, told in captions.items():
        yield Row(f"{source}: {name}", video=options.located(name), captions=told, key=name)


def _described(source: Path, language: str) -> Iterator[tuple[str, str]]:
    if source.suffix.lower() == ".txt":
        for line in source.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, text = line.partition(" ")
            if text and not line.startswith("#"):
                yield name, text
        return
    for _, row in records(source):
        if isinstance(row, dict) and row["Language"] == language:
            yield f"{row['VideoID']}_{row['Start']}_{row['End']}", row["Description"]
