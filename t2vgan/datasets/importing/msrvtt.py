"""MSR-VTT (Xu et al. 2016): `videodatainfo.json` with "videos" and "sentences"; `video0.mp4` ... are cut already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2vgan.datasets.importing.rows import Options, Row, split_name
from t2vgan.datasets.importing.tables import load_json


def read(source: Path, options: Options) -> Iterator[Row]:
    """Times in the json are those within the video on the web that the clip was cut from: they are not used."""
    for file in files(source):
        info = load_json(file)
        captions: dict[str, list[str]] = defaultdict(list)
        for sentence in _objects(info["sentences"]):
            captions[str(sentence.get("video_id"))].append(str(sentence.get("caption", "")))
        if strange := sum(not isinstance(each, dict) for each in [*info["videos"], *info["sentences"]]):
            yield Row(str(file), problem=f"{strange} of its videos and sentences are no JSON objects")
        for entry in _objects(info["videos"]):
            name = str(entry.get("video_id"))
            yield Row(
                f"{file}: {name}",
                video=options.located(name),
                captions=captions[name],
                split=split_name(entry.get("split")),
                key=name,
                attributes={"category": str(entry["category"])} if "category" in entry else {},
            )


def _objects(listed: list[Any]) -> list[dict[str, Any]]:
    return [each for each in listed if isinstance(each, dict)]


def files(source: Path) -> list[Path]:
    found = [source] if source.is_file() else sorted(source.rglob("*videodatainfo*.json"))
    return [file for file in found if recognised(file)]


def recognised(file: Path) -> bool:
    if file.suffix.lower() != ".json":
        return False
    try:
        info = load_json(file)
    except ValueError:
        return False
    return isinstance(info, dict) and all(isinstance(info.get(key), list) for key in ("videos", "sentences"))
