"""WebVid (Bain et al. 2021): csv with videoid, contentUrl, duration, page_dir, name; videos are at
`<page_dir>/<videoid>.mp4`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from t2vgan.datasets.importing.rows import Options, Row
from t2vgan.datasets.importing.tables import captions_of, text_of, with_columns

COLUMNS = ("videoid", "name", "page_dir")


def read(source: Path, options: Options) -> Iterator[Row]:
    for where, row in with_columns(source, COLUMNS):
        if isinstance(row, str):
            yield Row(where, problem=row)
            continue
        name = text_of(row["videoid"])
        direct = Path(text_of(row["page_dir"]), f"{name}.mp4").as_posix()
        video = direct if os.path.isfile(options.videos / direct) else options.located(name)
        yield Row(where, video=video, captions=captions_of(row["name"]), key=name)
