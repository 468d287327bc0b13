"""Captioned clips in tars (WebDataset's layout) with an index, read by offset from a folder or from far away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2vgan.datasets.clip_files import ClipFiles
from t2vgan.datasets.manifest import Listed, parsed, read_manifest
from t2vgan.datasets.sampling import View
from t2vgan.datasets.vary import vary as options_of
from t2vgan.video.sources import is_remote

INDEX = "index.jsonl"


class Shards(ClipFiles):
    """What `python -m t2vgan.data shard` writes. Any clip is one read away, so that order, shares of ranks and workers,
    and resuming in mid-epoch are those of every other data set.

    Args:
        root: the folder of the shards, or its address, such as s3://bucket/lions or https://host/lions.
        split: train, val, test, or any other that the index names; "all" for everything.
        size, frames, duration_s: frames are taken at `start + i * duration_s / frames`, scaled and cut to a square.
        limit: only the first so many clips.
        decoder: auto, decord or pyav.
        short: what is done with a clip that is shorter than `duration_s`: "hold", "pingpong", "loop" or "skip".
        vary: what differs from draw to draw (`vary.py`).

    Raises ValueError when there is no index, or it names no clip of the split.
    """

    def __init__(
        self,
        *,
        root: str | Path,
        split: str = "train",
        size: int = 32,
        frames: int = 16,
        duration_s: float = 2.0,
        limit: int | None = None,
        decoder: str = "auto",
        short: str = "hold",
        vary: Mapping[str, Any] | None = None,
    ) -> None:
        view = View(size, frames, duration_s, decoder, short, options_of(vary))
        self.root = str(root).rstrip("/")
        listed = index_of(self.root)
        self.broken = listed.broken
        # A list of quarantine is kept in folders only: nothing is written far away.
        home = Path("." if is_remote(self.root) else self.root)
        super().__init__(
            of_split=listed.of_split(split),
            everything=listed.clips,
            view=view,
            home=home,
            where=Path(self.root, INDEX),
            limit=limit,
            quarantine=not is_remote(self.root),
        )


def index_of(root: str) -> Listed:
    """The index of a folder or an address. ValueError when it cannot be read."""
    file = f"{root}/{INDEX}"
    if not is_remote(root):
        if not Path(file).is_file():
            way_out = "shards are written by: python -m t2vgan.data shard PATH -o DIR"
            raise ValueError(
                f"{root}: no {INDEX}: {way_out}; it is written last, so an unfinished one goes on with that"
            )
        return read_manifest(Path(file))
    import fsspec

    try:
        with fsspec.open(file, "rb") as lines:
            text: bytes = lines.read()  # type: ignore[union-attr]
    except ImportError as error:
        raise ValueError(f"{file}: {error}; pip install 't2vgan[remote]'") from None
    except Exception as error:  # every file system has its own kinds of errors
        told = str(error).strip().splitlines()
        raise ValueError(f"{file}: cannot be fetched ({told[0] if told else type(error).__name__})") from None
    return parsed(text.split(b"\n"), file, home=root)
