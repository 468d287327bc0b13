"""Panda-70M (Chen et al. 2024): csv with videoID, url, timestamp, caption, matching_score. A row is a long video; its
timestamps, captions and scores are lists, one entry for each segment. Videos are `<videoID>.mp4`, whole, or already cut
into `<videoID>_0.mp4` ...; both are found."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2vgan.datasets.importing.rows import Options, Row, seconds
from t2vgan.datasets.importing.tables import text_of, with_columns

COLUMNS = ("videoID", "timestamp", "caption")


def read(source: Path, options: Options) -> Iterator[Row]:
    for where, row in with_columns(source, COLUMNS):
        if isinstance(row, str):
            yield Row(where, problem=row)
            continue
        try:
            times, captions = _listed(row["timestamp"]), [text_of(each) for each in _listed(row["caption"])]
            if len(times) != len(captions):
                raise ValueError(f"{len(times)} timestamps, but {len(captions)} captions")
        except ValueError as error:
            yield Row(where, problem=str(error))
            continue
        for number, (span, caption) in enumerate(zip(times, captions, strict=True)):
            yield _segment(f"{where}, segment {number}", text_of(row["videoID"]), number, span, caption, options)


def _segment(where: str, name: str, number: int, span: Any, caption: str, options: Options) -> Row:
    row = Row(where, captions=[caption] if caption else [], key=f"{name}_{number}", group=name)
    if f"{name}_{number}" in options.by_stem and name not in options.by_stem:
        row.video = options.by_stem[f"{name}_{number}"]
        return row
    row.video = options.located(name)
    try:
        begin, end = span
        row.start_s, row.end_s = seconds(begin), seconds(end)
    except (TypeError, ValueError) as error:
        row.problem = f"its timestamp is no pair of times ({error})"
    return row


def _listed(cell: Any) -> list[Any]:
    """A list, also as Python writes it. ValueError for anything else."""
    value = cell
    if isinstance(cell, str):
        with contextlib.suppress(SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            value = ast.literal_eval(cell.strip())
    if not isinstance(value, list):
        raise ValueError(f"not a list: {text_of(cell)[:60]!r}")
    return value
