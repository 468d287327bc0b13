"""What all data sets of video files do with their clips; a kind of data set only finds out which clips there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from t2vgan.datasets.mirror import mirrored
from t2vgan.datasets.quarantine import FILE, entries, tell, usable
from t2vgan.datasets.sampling import (
    CaptionedClip,
    View,
    caption_pool,
    decoded,
    edges_of,
    fingerprint,
    sample,
)
from t2vgan.datasets.vary import NO_CAPTION
from t2vgan.seeds import stable_seed
from t2vgan.shapes import Sample


class ClipFiles:
    """Captioned clips of one split, without those in quarantine (`quarantine.jsonl` in `home`).

    They stand in a mixed order, always the same: lists are often sorted by class, and validations, judges and
    references look at the first so many.

    Args:
        of_split: the clips of the split.
        everything: those of all splits, whose captions serve as wrong ones where the split has too few.
        view: how they are looked at.
        home: the folder that the data set is kept in.
        where: what messages name, the folder or the manifest.
        quarantine: whether there may be such a list.
        limit: only the first so many clips.

    Raises ValueError when no clip is left, or all have the same caption.
    """

    def __init__(
        self,
        *,
        of_split: Sequence[CaptionedClip],
        everything: Sequence[CaptionedClip],
        view: View,
        home: Path,
        where: Path,
        limit: int | None,
        quarantine: bool = True,
    ) -> None:
        self.view, self.home = view, home
        listed = entries(home) if quarantine else []
        kept, self.quarantined = usable(of_split, listed)
        self._of_split = sorted(kept, key=lambda clip: stable_seed("order", clip.key))
        tell(home, self.quarantined)
        if not self._of_split:
            raise ValueError(f"{home / FILE}: every clip of the split is in quarantine: none can be used")
        self.clips = self._of_split[:limit]
        self.pool = caption_pool(self._of_split, usable(everything, listed)[0], where)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        """The evaluation view: from the clip's start, its first caption, always the same wrong caption."""
        return sample(self, index, None)

    def draw(self, index: int, rng: np.random.Generator) -> Sample:
        """The training view: from a random start, one of the captions, a random wrong caption."""
        return sample(self, index, rng)

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray:
        """Frames of the clip at the video's own rate, uint8 `(t, side, side, 3)`: all, or those with these numbers.

        `side` is the clip's size with the margin that `vary` asks for.
        """
        return decoded(self.clips[index], self.view, numbers)

    def frame_edges(self, index: int) -> np.ndarray:
        """When frame i of `frames` is shown: from edges[i] to edges[i + 1] seconds."""
        return edges_of(self.clips[index], self.view)

    def key(self, index: int) -> str:
        return self.clips[index].key

    def captions(self) -> list[str]:
        """All captions that samples can hold, right and wrong, distinct and sorted."""
        found = self._with_sides(self.pool)
        if self.view.vary.caption_dropout:
            found.add(NO_CAPTION)
        return sorted(found)

    def shown_captions(self) -> list[str]:
        """Those that the clips themselves are shown with, distinct and sorted."""
        return sorted(self._with_sides(caption for clip in self.clips for caption in clip.captions))

    def _with_sides(self, captions: Iterable[str]) -> set[str]:
        """And those of mirrored clips, where some are."""
        found = set(captions)
        if self.view.vary.flip:
            found |= {sided for caption in found if (sided := mirrored(caption)) is not None}
        return found

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes a sample; not with `limit`."""
        return fingerprint(self._of_split, self.view)
