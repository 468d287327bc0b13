"""Any layout of captioned video -> one manifest. A layout is a `read(source, options) -> rows`, entered here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from t2vgan.datasets.importing import (
    folders,
    kinetics,
    msrvtt,
    msvd,
    panda70m,
    tables,
    tars,
    tgif,
    ucf101,
    webvid,
)
from t2vgan.datasets.importing.rows import Options, Row

__all__ = ["LAYOUTS", "Layout", "Options", "Row", "layout_of"]


@dataclass(frozen=True)
class Layout:
    read: Callable[[Path, Options], Iterator[Row]]
    about: str


LAYOUTS = {
    "sidecar": Layout(folders.sidecar, "videos (also gif) with text files of the same name beside them, at any depth"),
    "classes": Layout(folders.classes, "a folder for each class, whose name is the caption"),
    "pictures": Layout(folders.pictures, "a folder of pictures for each clip, with a text file of the same name"),
    "table": Layout(tables.read, "csv, tsv, jsonl, json or parquet with a column of videos and one of captions"),
    "msrvtt": Layout(msrvtt.read, "MSR-VTT: videodatainfo.json"),
    "msvd": Layout(msvd.read, "MSVD: 'MSR Video Description Corpus.csv' or AllVideoDescriptions.txt"),
    "ucf101": Layout(ucf101.read, "UCF-101: class folders, with the official lists where they are there"),
    "kinetics": Layout(kinetics.read, "Kinetics: csv with label, youtube_id, time_start, time_end, split"),
    "webvid": Layout(webvid.read, "WebVid: csv with videoid, contentUrl, duration, page_dir, name"),
    "tgif": Layout(tgif.read, "TGIF: tsv of addresses and sentences"),
    "panda70m": Layout(panda70m.read, "Panda-70M: csv with videoID, timestamp, caption as lists"),
    "tars": Layout(tars.read, "WebDataset: tar files with KEY.mp4 and KEY.txt or KEY.json"),
}
OF_COLUMNS = {
    "webvid": webvid.COLUMNS,
    "panda70m": panda70m.COLUMNS,
    "kinetics": kinetics.COLUMNS,
    "msvd": msvd.COLUMNS,
}


def layout_of(source: Path, options: Options) -> str:
    """The name of the layout that a file or folder has. ValueError when it cannot be told."""
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    found = _of_folder(source) if source.is_dir() else _of_file(source, options)
    if found is None:
        what = "a folder without videos, pictures or tars" if source.is_dir() else "not a table, a json or a tar"
        raise ValueError(f"{source}: {what}; name the layout with --layout, one of: {', '.join(LAYOUTS)}")
    return found


def _of_file(file: Path, options: Options) -> str | None:
    suffix = file.suffix.lower()
    if suffix == ".tar":
        return "tars"
    if suffix == ".txt":
        return "msvd" if "AllVideoDescriptions" in file.name else None
    if msrvtt.recognised(file):
        return "msrvtt"
    if suffix == ".tsv" and tgif.recognised(file):
        return "tgif"
    if suffix not in tables.SUFFIXES:
        return None
    if suffix in (".csv", ".tsv") and not options.columns:
        there = tables.header(file, options.delimiter)
        return next((name for name, columns in OF_COLUMNS.items() if set(columns) <= set(there)), "table")
    return "table"


def _of_folder(folder: Path) -> str | None:
    if msrvtt.files(folder):
        return "msrvtt"
    if ucf101.recognised(folder):
        return "ucf101"
    if any(folder.glob("*.tar")):
        return "tars"
    return folders.kind_of(folder)
