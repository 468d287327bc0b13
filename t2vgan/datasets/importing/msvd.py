"""MSVD (Chen & Dolan 2011): clips `YouTubeClips/<id>_<start>_<end>.avi`, already cut, with captions in either
`MSR Video Description Corpus.csv` (VideoID, Start, End, ..., Language, Description) or `AllVideoDescriptions.txt`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.importing.rows import Options, Row
from t2vgan.datasets.importing.tables import text_of, with_columns

COLUMNS = ("VideoID", "Start", "End", "Language", "Description")


def read(source: Path, options: Options) -> Iterator[Row]:
    """All captions of a clip in the language that is asked for."""
    captions: dict[str, list[str]] = defaultdict(list)
    for where, described in _described(source, options.language):
        if isinstance(described, str):
            yield Row(where, problem=described)
        elif described[1].strip():
            captions[described[0]].append(described[1])
    for name, told in captions.items():
        yield Row(
            f"{source}: {name}", video=options.located(name), captions=told, key=name, group=name.rsplit("_", 2)[0]
        )


def _described(source: Path, language: str) -> Iterator[tuple[str, tuple[str, str] | str]]:
    """Where, and the name of a clip with a caption, or what is wrong with the line."""
    if source.suffix.lower() == ".txt":
        for number, line in enumerate(source.read_bytes().splitlines(), start=1):
            try:
                name, _, text = line.decode("utf-8-sig").partition(" ")
            except UnicodeDecodeError:
                yield f"{source}:{number}", "not UTF-8 text"
                continue
            if text and not name.startswith("#"):
                yield f"{source}:{number}", (name, text)
        return
    for where, row in with_columns(source, COLUMNS):
        if isinstance(row, str):
            yield where, row
        elif row["Language"] == language:
            yield where, (f"{row['VideoID']}_{row['Start']}_{row['End']}", text_of(row["Description"]))
