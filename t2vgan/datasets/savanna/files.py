"""The data set as files: mp4 clips, a manifest with captions and ground truth, and the rule of the split.

<root>/savanna/made/<version and hash of the options>/<split>/
    clips/000123.mp4   H.264, lossy
    manifest.jsonl     one line per clip: video, key, attributes, captions, what each names, wrong captions
    split.json         the options, the values of every attribute and the held-out pairs
    complete           how many clips are there; missing while the first of them are still being made
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from t2vgan.datasets.savanna.recipe import VERSION, Recipe
from t2vgan.system import cores, written_whole

Result = TypeVar("Result")


@dataclass(frozen=True)
class Folder:
    """Where the files of one split of one recipe are, and whether they are whole."""

    root: Path
    recipe: Recipe

    @property
    def path(self) -> Path:
        options = replace(self.recipe, split="").digest()[:10]
        return self.root / "savanna" / "made" / f"v{VERSION}-{options}" / self.recipe.split

    def clip(self, index: int) -> Path:
        return self.path / "clips" / f"{index:06d}.mp4"

    def complete(self) -> int:
        """How many clips, from the first on, are known to be there."""
        try:
            return int((self.path / "complete").read_text())
        except (OSError, ValueError):
            return 0

    def make(self, count: int, *, clips: bool = True, processes: int | None = None) -> None:
        """Write the manifest and the first `count` clips, as far as they are not there yet (it resumes)."""
        if not (self.path / "split.json").exists():
            self._note("split.json", json.dumps(self._rule(), indent=1) + "\n")
        if clips and self.complete() < count:
            missing = [index for index in range(count) if not is_whole(self.clip(index))]
            title = f"savanna: making {self.recipe.split}"
            for _ in _progress(self._write_all(missing, processes), len(missing), title):
                pass
        # After the clips: whoever reads the folder by its manifest must not take a part for the whole.
        if _lines(self.path / "manifest.jsonl") < count:
            self._note("manifest.jsonl", "".join(self._line(index) for index in range(count)))
        if clips and self.complete() < count:
            self._note("complete", f"{count}\n")

    def _note(self, name: str, text: str) -> None:
        with written_whole(self.path / name, durable=False) as part:
            part.write_text(text, encoding="utf-8")

    def write_clip(self, index: int) -> None:
        """Render one clip into its file."""
        from t2vgan.video.encode import write_mp4

        self.clip(index).parent.mkdir(parents=True, exist_ok=True)
        write_mp4(self.clip(index), self.recipe.frames(index), fps=self.recipe.fps)

    def read_clip(self, index: int, decoder: str = "auto", numbers: np.ndarray | None = None) -> np.ndarray:
        """The frames of one clip, all or those numbers; a file that somebody deleted is made again."""
        from t2vgan.video.decode import read_frames

        if not self.clip(index).exists():
            self.write_clip(index)
        return read_frames(self.clip(index), indices=numbers, decoder=decoder)

    def _write_all(self, indices: list[int], processes: int | None) -> Iterator[None]:
        yield from in_parallel(self.write_clip, indices, processes)

    def _line(self, index: int) -> str:
        entry = asdict(self.recipe.entry(index))
        return json.dumps({"video": f"clips/{index:06d}.mp4", **entry}) + "\n"

    def _rule(self) -> dict:
        pairs = [{first: a, second: b} for first, a, second, b in sorted(self.recipe.pairs)]
        holds = {"heldout": "at least one held-out pair", "probe": "all combinations"}
        return {
            "version": VERSION,
            "options": asdict(self.recipe),
            "values": self.recipe.values,
            "held_out_pairs": pairs,
            "this_split": holds.get(self.recipe.split, "no held-out pair"),
        }


def in_parallel(work: Callable[[int], Result], items: list[int], processes: int | None = None) -> Iterator[Result]:
    """`work(item)` of each, in order, by a pool of processes (default: one per core; few items need none)."""
    processes = min(processes or cores(), max(1, len(items) // 128))
    if processes == 1:
        yield from map(work, items)
        return
    # A plain fork copies the locks of torch's threads as they are, some of them held: its children hung now and then.
    context = get_context("forkserver" if sys.platform == "linux" else "spawn")
    # Ctrl-C is the parent's to answer: without this every child prints a traceback of its own.
    with context.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap(work, items, chunksize=8)


def is_whole(path: Path) -> bool:
    """Whether a file has all the bytes that its mp4 boxes announce (ISO 14496-12, 4.2): cheap, for resuming."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            kinds, at = [], 0
            while at < size:
                file.seek(at)
                head = file.read(8)
                length = int.from_bytes(head[:4], "big")
                if len(head) < 8 or length < 8:
                    return False
                kinds.append(head[4:])
                at += length
    except OSError:
        return False
    return at == size and b"moov" in kinds and b"mdat" in kinds


def _progress(steps: Iterable, total: int, title: str) -> Iterator:
    """A bar with rate and time left, for what takes longer than a moment."""
    if total < 64:
        yield from steps
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
    with Progress(*bar, TimeRemainingColumn()) as progress:
        task = progress.add_task(title, total=total, rate="")
        for step in steps:
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, rate=f"{speed:.0f} clips/s" if speed else "")
            yield step


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
