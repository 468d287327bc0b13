"""Kinetics (Kay et al. 2017): csv with label, youtube_id, time_start, time_end, split; clips are cut already, named
`<youtube_id>_<start>_<end>.mp4` with six digits each (also without, as some tools name them)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.importing.folders import is_split
from t2vgan.datasets.importing.rows import Options, Row, label_words, seconds, split_name
from t2vgan.datasets.importing.tables import text_of, with_columns

COLUMNS = ("label", "youtube_id", "time_start", "time_end")


def read(source: Path, options: Options) -> Iterator[Row]:
    by_name = source.stem if is_split(source.stem) else None  # train.csv, validate.csv; list.csv says nothing
    for where, row in with_columns(source, COLUMNS):
        if isinstance(row, str):
            yield Row(where, problem=row)
            continue
        try:
            start, end = seconds(row["time_start"]) or 0.0, seconds(row["time_end"]) or 0.0
        except ValueError as error:
            yield Row(where, problem=str(error))
            continue
        name, words = text_of(row["youtube_id"]), label_words(text_of(row["label"]))
        yield Row(
            where,
            video=options.located(f"{name}_{start:06.0f}_{end:06.0f}", f"{name}_{start:.0f}_{end:.0f}", name),
            captions=[options.template.format(label=words)] if words else [],
            split=split_name(row.get("split") or by_name),
            key=f"{name}_{start:.0f}",
            group=name,
            attributes={"class": words},
        )
