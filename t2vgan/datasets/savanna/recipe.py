"""Everything that makes a clip what it is: clip i of a split is a pure function of the recipe and i.

It neither depends on how many clips there are nor on which were made before, and it knows nothing of files.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from t2vgan.datasets.savanna.captions import Named, change_one, choose_named, compose, full_named
from t2vgan.datasets.savanna.draw import draw_story
from t2vgan.datasets.savanna.scene import Attributes, Story, sample_story
from t2vgan.datasets.savanna.splits import SPLITS, Pairs, held_out_pairs, is_held_out, sample_attributes, values_of

VERSION = 3  # raise it when the same recipe gives other pixels or other captions
_PURPOSES = ("attributes", "story", "captions")


@dataclass(frozen=True)
class Entry:
    """What is known of a clip without drawing it."""

    key: str
    index: int
    attributes: Attributes
    captions: tuple[str, ...]  # the last one names every attribute, if there are several
    named: tuple[Named, ...]  # by each caption
    wrong: tuple[str, ...]  # for each caption the same sentence with one named attribute changed
    changed: tuple[tuple[str, str], ...]  # for each of these the attribute, and what it is changed to


@dataclass(frozen=True)
class Recipe:
    """size in pixels, fps in frames per second, duration in seconds."""

    split: str
    size: int
    fps: float
    duration_s: float
    seed: int = 0
    transition_share: float = 0.0
    captions_per_clip: int = 4
    restrict: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def digest(self) -> str:
        """A hash of all that defines the clips and their captions."""
        told = {"version": VERSION, **asdict(self)}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def times(self) -> np.ndarray:
        """The instants of the stored frames, float64 (n,) seconds."""
        return np.arange(max(1, round(self.fps * self.duration_s))) / self.fps

    @cached_property
    def values(self) -> dict[str, tuple[str, ...]]:
        return values_of(self.restrict)

    @cached_property
    def pairs(self) -> Pairs:
        return held_out_pairs(self.values)

    def attributes(self, index: int) -> Attributes:
        return sample_attributes(
            self.split,
            self._rng(index, "attributes"),
            values=self.values,
            pairs=self.pairs,
            transition_share=self.transition_share,
        )

    def story(self, index: int) -> Story:
        return sample_story(self.attributes(index), self._rng(index, "story"), duration_s=self.duration_s)

    def frames(self, index: int, *, times: np.ndarray | None = None, size: int | None = None) -> np.ndarray:
        """The clip uint8 (t, h, w, 3); by default as it is stored, on demand at other instants or another size."""
        return draw_story(
            self.story(index), size=size or self.size, times=self.times if times is None else np.asarray(times, float)
        )

    def entry(self, index: int) -> Entry:
        attributes, rng = self.attributes(index), self._rng(index, "captions")
        told = [choose_named(attributes, rng) for _ in range(self.captions_per_clip)]
        if self.captions_per_clip > 1:
            told[-1] = full_named(attributes)
        values, pairs, captions, wrong, made = self.values, self.pairs, [], [], []

        def allowed(other: Attributes) -> bool:
            # Else training would see held-out combinations in captions, and only ever as wrong ones.
            return self.split in ("heldout", "probe") or not is_held_out(other, pairs)

        for named in told:
            wording = int(rng.integers(2**31))
            other = change_one(attributes, named, rng, values=values, allowed=allowed)
            captions.append(compose(attributes, named, np.random.default_rng(wording)))
            changed = tuple(name for name in other if name in named or other[name] != attributes[name])
            made.append(next((name, other[name]) for name in changed if other[name] != attributes.get(name)))
            wrong.append(compose(other, changed, np.random.default_rng(wording)))
        return Entry(self.key(index), index, attributes, tuple(captions), tuple(told), tuple(wrong), tuple(made))

    def key(self, index: int) -> str:
        return f"{self.split}/{index:06d}"

    def _rng(self, index: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, SPLITS.index(self.split), index, _PURPOSES.index(purpose)])
