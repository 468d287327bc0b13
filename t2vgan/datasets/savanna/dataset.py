"""The data set `savanna`: captioned clips that are rendered when they are asked for, or made into files once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from t2vgan.datasets.savanna.captions import contradicts
from t2vgan.datasets.savanna.files import Folder, in_parallel
from t2vgan.datasets.savanna.recipe import Entry, Recipe
from t2vgan.datasets.savanna.splits import COUNTS, SPLITS, values_of
from t2vgan.shapes import Sample

SOURCES = ("render", "files")


class Savanna:
    """Captioned clips of a drawn savanna, `(frames, size, size, 3)` uint8, with exact attributes.

    split: train, val, test (without held-out combinations), heldout (only with them), probe (everything).
    limit: only the first so many clips. counts: clips per split, instead of the defaults. fps: of the stored clip, by
    default `frames / duration_s`. restrict: the only values of some attributes, as `{"subject": ["lion"]}`.
    transition_share: how many clips cut or fade to another place and time. source: "render" draws each clip when it
    is asked for; "files" makes mp4 files under `root` on first use and decodes them.
    """

    REPORTED_SPLITS = ("test", "heldout")  # by evaluations that are told nothing else
    PROBE_SPLIT = "probe"  # shows every combination, and only judges of generators are trained on it

    def __init__(
        self,
        *,
        root: str | Path = "data",
        split: str = "train",
        size: int = 32,
        frames: int = 16,
        duration_s: float = 2.0,
        limit: int | None = None,
        decoder: str = "auto",
        seed: int = 0,
        transition_share: float = 0.0,
        counts: Mapping[str, int] | None = None,
        restrict: Mapping[str, Sequence[str]] | None = None,
        fps: float | None = None,
        captions_per_clip: int = 4,
        source: str = "render",
    ) -> None:
        _check(split, source, counts or {}, captions_per_clip, transition_share)
        self.root, self.split, self.decoder, self.source = Path(root), split, decoder, source
        self.frame_count = frames
        self.recipe = Recipe(
            split=split,
            size=size,
            fps=fps or frames / duration_s,
            duration_s=duration_s,
            seed=seed,
            transition_share=transition_share,
            captions_per_clip=captions_per_clip,
            restrict={name: values for name, values in values_of(restrict).items() if name in (restrict or {})},
        )
        count = {**COUNTS, **(counts or {})}[split]
        self._count = count if limit is None else min(limit, count)
        self._entries: dict[int, Entry] = {}
        self._folder = Folder(self.root, self.recipe)
        if source == "files":
            self.make()

    def __len__(self) -> int:
        return self._count

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes the pixels or captions of any clip; not with `limit` and `counts`."""
        return f"{self.recipe.digest()}-{self.frame_count}{'-mp4' if self.source == 'files' else ''}"

    def entry(self, index: int) -> Entry:
        """Attributes and captions of a clip."""
        if not 0 <= index < self._count:
            raise IndexError(f"savanna: clip {index} of {self._count} in split {self.split}")
        if index not in self._entries:
            self._entries[index] = self.recipe.entry(index)
        return self._entries[index]

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Frames of a clip as it is stored, uint8 `(n, size, size, 3)`: all fps * duration, or those numbers."""
        if self.source == "files":
            return self._folder.read_clip(index, self.decoder, numbers)
        return self.recipe.frames(index, times=None if numbers is None else self.recipe.times[numbers])

    def frame_edges(self, index: int) -> np.ndarray:
        """Frame i is shown from edges[i] to edges[i + 1] seconds, float64 `(n + 1,)`; the same for every clip."""
        del index
        return np.append(self.recipe.times, self.recipe.duration_s)

    def __getitem__(self, index: int) -> Sample:
        """The evaluation view: always the same caption and wrong caption."""
        entry = self.entry(index)
        # Only earlier clips lend a wrong caption, so that `limit` does not change the choice.
        return self._sample(entry, 0, self._wrong(entry, 0, np.random.default_rng([7, index]), others=index))

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """The training view: one of the captions, and a wrong one, are drawn from `rng`."""
        entry = self.entry(index)
        which = int(rng.integers(len(entry.captions)))
        return self._sample(entry, which, self._wrong(entry, which, rng, others=self._count))

    def captions(self) -> list[str]:
        """All captions that samples can hold, right and wrong, distinct and sorted."""
        told: set[str] = set()
        for index in range(self._count):
            entry = self.entry(index)
            told.update(entry.captions, entry.wrong)
        return sorted(told)

    def render_all(
        self, indices: Iterable[int] | None = None, processes: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """`(index, frames(index))` of these clips (default: all) in order, drawn in parallel (default: all cores)."""
        wanted = list(range(self._count) if indices is None else indices)
        # Not self.frames: what a process is given should be small.
        work = partial(self._folder.read_clip, decoder=self.decoder) if self.source == "files" else self.recipe.frames
        yield from zip(wanted, in_parallel(work, wanted, processes), strict=True)

    def make(self, files: bool = True, processes: int | None = None) -> None:
        """Write the manifest and, with `files`, the mp4 clips under `root`, as far as they are not there yet."""
        self._folder.make(self._count, clips=files, processes=processes)

    def _wrong(self, entry: Entry, which: int, rng: np.random.Generator, *, others: int) -> str:
        """Half of the time the same sentence with one attribute changed, else another clip's that does not fit."""
        if rng.uniform() < 0.5:
            for _ in range(20 if others else 0):
                other = self.entry(int(rng.integers(others)))
                said = int(rng.integers(len(other.captions)))
                if contradicts(other.attributes, other.named[said], entry.attributes):
                    return other.captions[said]
        return entry.wrong[which]

    def _sample(self, entry: Entry, which: int, wrong: str) -> Sample:
        seconds = np.arange(self.frame_count) * self.recipe.duration_s / self.frame_count
        numbers = np.minimum(np.rint(seconds * self.recipe.fps).astype(int), len(self.recipe.times) - 1)
        return Sample(
            video=self.frames(entry.index, numbers),
            times=self.recipe.times[numbers].astype(np.float32),
            caption=entry.captions[which],
            wrong_caption=wrong,
            key=entry.key,
            index=entry.index,
            attributes=dict(entry.attributes),
            named=entry.named[which],
            contrasts=tuple(zip(entry.captions, entry.wrong, strict=True)),
            changed=entry.changed,
        )


def _choose(what: str, name: str, choices: Sequence[str]) -> None:
    if name not in choices:
        raise ValueError(f"savanna: {what} has no {name!r}; choose from {', '.join(choices)}")


def _check(split: str, source: str, counts: Mapping[str, int], captions_per_clip: int, transition_share: float) -> None:
    _choose("split", split, SPLITS)
    _choose("source", source, SOURCES)
    for name in counts:
        _choose("counts", name, SPLITS)
    if captions_per_clip < 1 or not 0 <= transition_share <= 1:
        raise ValueError("savanna: captions_per_clip must be at least 1 and transition_share between 0 and 1")
