"""Frames of a whole data set, decoded or drawn once and then read from a memory-mapped file.

The cache of a data set is two files in one folder, named for the data set's fingerprint, so that a changed data set
never meets old frames:

    <fingerprint>.frames  the pictures of all clips one after the other, uint8 (h, w, 3) each, nothing else
    <fingerprint>.jsonl   a line per clip, in order: {"shape": [n, h, w], "edges": [s, ...] or null} or {"error": "..."}

A line is written when its frames are safely on disk: whatever stops the making of a cache, the next one goes on from
there, and only a cache with a line for every clip is used.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from t2vgan.datasets.progress import with_progress
from t2vgan.shapes import Sample
from t2vgan.system import cores, written_whole
from t2vgan.video.decode import VideoError

SAVE_EVERY = 64  # clips


class FrameCache:
    """A data set that takes its frames from a cache in `folder`, which is made now if it is not there yet.

    Samples are those of the data set: it draws them itself, from frames that are read here instead of decoded. For that
    it has to take them from its own `frames(index[, numbers])` and, if it has one, `frame_edges(index)`; where it has
    `render_all(indices, processes)`, the cache is filled from that. Videos that cannot be used are remembered with the
    reason; asking for one raises `VideoError`. Any other attribute is the data set's.

    Several processes may open the same cache: one makes it, the others wait.
    """

    def __init__(self, dataset: Any, folder: str | Path, *, processes: int | None = None) -> None:
        self._frames_file = Path(folder) / f"{dataset.fingerprint}.frames"
        try:
            with alone(self._frames_file.with_suffix(".lock")):
                _make(dataset, self._frames_file, processes or cores())
                entries = _entries(self._frames_file)[: len(dataset)]
        except OSError as error:
            way_out = "free some space, or set data.cache=false to decode clips as they are needed"
            raise ValueError(f"{folder}: the frame cache cannot be written ({error}); {way_out}") from error
        self._view = copy.copy(dataset)
        self._view.frames = self.frames
        if hasattr(dataset, "frame_edges"):
            self._view.frame_edges = self.frame_edges
        self._entries = entries
        self._open()

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, index: int) -> Sample:
        """The evaluation view of the data set."""
        return self._view[index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._view, name)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """The training view of the data set."""
        return self._view.draw(index, rng)

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Stored frames of a clip, read-only uint8 `(t, h, w, 3)`: all, or those with these numbers."""
        if index in self._errors:
            raise VideoError(self._errors[index])
        clip = self._pixels[self._begins[index] : self._begins[index + 1]]
        return clip if numbers is None else clip[numbers]

    def frame_edges(self, index: int) -> np.ndarray:
        """When frame i of `frames` is shown: from edges[i] to edges[i + 1] seconds."""
        if index in self._errors:
            raise VideoError(self._errors[index])
        return self._edges[index]

    def _open(self) -> None:
        entries = self._entries
        counts = [entry["shape"][0] if "shape" in entry else 0 for entry in entries]
        self._errors = {i: entry["error"] for i, entry in enumerate(entries) if "error" in entry}
        self._edges = {i: np.asarray(entry["edges"]) for i, entry in enumerate(entries) if entry.get("edges")}
        self._begins = np.concatenate([[0], np.cumsum(counts)]).tolist()
        picture = next((tuple(entry["shape"][1:]) for entry in entries if "shape" in entry), None)
        if picture is None:
            self._pixels = np.empty((0, 0, 0, 3), dtype=np.uint8)
            return
        shape = (self._begins[-1], *picture, 3)
        self._pixels = np.memmap(self._frames_file, dtype=np.uint8, mode="r", shape=shape).view(np.ndarray)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pixels"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def cached(dataset: Any, folder: str | Path, *, limit_gb: float) -> Any:
    """The data set behind a frame cache in `folder`, or as it is where its frames need more than `limit_gb`."""
    need_gb = estimated_bytes(dataset) / 1e9
    if need_gb <= limit_gb:
        return FrameCache(dataset, folder)
    told = f"the frames of {len(dataset)} clips need about {need_gb:.1f} GB, more than the {limit_gb:g} GB of"
    warnings.warn(f"{told} data.cache_limit_gb: they are decoded as they are needed", stacklevel=2)
    return dataset


def estimated_bytes(dataset: Any) -> float:
    """What the cache of a data set would need, from up to eight of its clips."""
    seen: list[int] = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, 8).astype(int)).tolist():
        try:
            if hasattr(dataset, "frame_edges"):
                count = len(dataset.frame_edges(index)) - 1
                seen.append(count * dataset.frames(index, np.array([0])).nbytes)
            else:
                seen.append(dataset.frames(index).nbytes)
        except VideoError:
            continue
    return float(np.mean(seen)) * len(dataset) if seen else 0.0


def _make(dataset: Any, frames_file: Path, processes: int) -> None:
    """Bring the cache up to the last clip of the data set."""
    there = _entries(frames_file)
    done = _still_true(there, dataset)
    if len(done) >= len(dataset):
        return
    picture = next((entry["shape"][1:] for entry in done if "shape" in entry), None)
    lines_file = frames_file.with_suffix(".jsonl")
    with written_whole(lines_file) as part:
        part.write_text("".join(json.dumps(entry) + "\n" for entry in done))  # without what was half-written
    if len(done) < len(there):  # another process may have the file mapped: that one keeps what it has
        with written_whole(frames_file) as part, frames_file.open("rb") as old, part.open("wb") as new:
            for entry in done:
                new.write(old.read(_byte_count([entry])))
    with frames_file.open("ab") as pixels, lines_file.open("a") as lines:
        pixels.truncate(_byte_count(done))
        waiting: list[str] = []
        for count, clip in enumerate(
            with_progress(_stored_clips(dataset, len(done), processes), "frame cache", len(dataset), start=len(done))
        ):
            frames, entry = clip
            if frames is not None:
                picture = picture or list(frames.shape[1:3])
                if list(frames.shape[1:]) != [*picture, 3] or frames.dtype != np.uint8:
                    raise ValueError(
                        f"clip {len(done) + count}: frames are {frames.dtype} {frames.shape}, not {picture}"
                    )
                pixels.write(np.ascontiguousarray(frames).data)
            waiting.append(json.dumps(entry) + "\n")
            if len(waiting) == SAVE_EVERY or len(done) + count + 1 == len(dataset):
                pixels.flush()
                os.fsync(pixels.fileno())
                lines.write("".join(waiting))
                lines.flush()
                waiting.clear()


def _still_true(entries: list[dict[str, Any]], dataset: Any) -> list[dict[str, Any]]:
    """The entries up to the first video that could not be used once and can be now, by a newer decoder, say."""
    for index, entry in enumerate(entries[: len(dataset)]):
        if "error" in entry:
            try:
                dataset.frames(index)  # all of them: many a damaged file has its first one
            except VideoError:
                continue
            return entries[:index]
    return entries


def _stored_clips(dataset: Any, start: int, processes: int) -> Iterator[tuple[np.ndarray | None, dict[str, Any]]]:
    """Frames and cache entry of the clips from `start` on, in order; no frames where a video cannot be used."""
    if hasattr(dataset, "render_all"):
        for _, frames in dataset.render_all(range(start, len(dataset)), processes):
            yield frames, {"shape": list(frames.shape[:3]), "edges": None}
        return

    def stored(index: int) -> tuple[np.ndarray | None, dict[str, Any]]:
        try:
            frames = dataset.frames(index)
            edges = dataset.frame_edges(index).tolist() if hasattr(dataset, "frame_edges") else None
        except VideoError as error:
            if error.passing:
                raise  # what is written down here holds for good
            return None, {"error": str(error)}
        return frames, {"shape": list(frames.shape[:3]), "edges": edges}

    with ThreadPoolExecutor(processes) as pool:  # decoders let go of the interpreter's lock
        for begin in range(start, len(dataset), 4 * processes):
            yield from pool.map(stored, range(begin, min(begin + 4 * processes, len(dataset))))


def _entries(frames_file: Path) -> list[dict[str, Any]]:
    """The clips that are whole in the cache, in order."""
    lines_file = frames_file.with_suffix(".jsonl")
    if not lines_file.is_file() or not frames_file.is_file():
        return []
    entries, left = [], frames_file.stat().st_size
    for line in lines_file.read_text().split("\n"):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            break
        left -= _byte_count([entry])
        if left < 0:
            break
        entries.append(entry)
    return entries


def _byte_count(entries: Iterable[dict[str, Any]]) -> int:
    return sum(3 * int(np.prod(entry["shape"])) for entry in entries if "shape" in entry)


@contextmanager
def alone(lock_file: Path) -> Iterator[None]:
    """One process at a time on this machine (where the system has flock); the others wait here."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.getLogger(__name__).info("another process makes %s: waiting", lock_file.with_suffix(".frames"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
