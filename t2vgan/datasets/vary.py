"""What differs between two draws of one clip beyond where it starts: only what its caption allows.

All of it is off unless asked for (`data.dataset.vary`), holds for every frame of the clip alike, and is drawn from the
clip's own random numbers, so that it depends on neither workers nor ranks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from t2vgan.datasets.mirror import has_side, mirrored

NO_CAPTION = "."  # what an encoder is told in the place of a caption that was dropped
SPEED = re.compile(
    r"\b(slow\w*|fast\w*|quick\w*|rapid\w*|speed\w*|brisk\w*|swift\w*|hurr\w+|rush\w*|sprint\w*|time-?lapse|hyperlapse)\b",
    re.IGNORECASE,
)
ORDER = re.compile(
    r"\b(then|before|after|first|finally|until|next|starts?|begins?|ends?|into|out of|onto|towards?|away|up|down"
    r"|forwards?|backwards?|opens?|clos\w+|falls?|pours?|enters?|leaves?|arriv\w+|approach\w*|throws?|catch\w*)\b",
    re.IGNORECASE,
)
SIDES = {"left": "right", "right": "left", "leftward": "rightward", "rightward": "leftward"}


@dataclass(frozen=True)
class Vary:
    """Shares are from 0 to 1.

    flip: mirror half of the draws whose caption has a mirrored form (`mirror.py`), and its left and right with it.
    reverse: share of the draws that run backwards; never one whose caption names an order, a side or a way.
    speed: a draw is up to so much faster or slower, 0.25: from 1 / 1.25 to 1.25 times; never one whose caption speaks
        of speed.
    margin: frames are read larger by this share, and a window of the clip's size is drawn, the same on every frame.
    caption_dropout: share of the draws that come without a caption (NO_CAPTION).
    """

    flip: Any = False  # bool; anything else is a mistake that is told
    reverse: int | float = 0.0
    speed: int | float = 0.0
    margin: int | float = 0.0
    caption_dropout: int | float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise ValueError(f"vary.flip is true or false, not {self.flip!r}")
        for name in ("reverse", "speed", "margin", "caption_dropout"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"vary.{name} is a share from 0 to 1, not {value!r}")

    @property
    def active(self) -> bool:
        return self != Vary()

    def draw(self, rng: np.random.Generator, caption: str, attributes: Mapping[str, str]) -> Variation:
        """What is done to a clip with this caption. Always takes as many numbers."""
        flip, reverse, speed, dropped, top, left = rng.random(6)
        sided = mirrored(caption) if self.flip and flip < 0.5 else None
        orderly = ORDER.search(caption) or has_side(caption) or any(value in SIDES for value in attributes.values())
        left_out = bool(dropped < self.caption_dropout)
        return Variation(
            caption=NO_CAPTION if left_out else sided or caption,
            flip=sided is not None,
            reverse=bool(reverse < self.reverse) and not orderly,
            speed=1.0 if SPEED.search(caption) else float((1 + self.speed) ** (2 * speed - 1)),
            dropped=left_out,
            window=(float(top), float(left)),
        )


@dataclass(frozen=True)
class Variation:
    """One draw. `window`: where the square lies in the margin, as shares from the top and from the left."""

    caption: str
    flip: Any = False  # bool; anything else is a mistake that is told
    reverse: bool = False
    speed: float = 1.0
    dropped: bool = False
    window: tuple[float, float] = (0.5, 0.5)

    def attributes(self, truth: Mapping[str, str]) -> dict[str, str]:
        """Ground truth of the clip as it is shown."""
        return {name: SIDES.get(value, value) if self.flip else value for name, value in truth.items()}

    def applied(self, video: np.ndarray, size: int) -> np.ndarray:
        """`(t, h, w, c)` cut to `size` pixels square, mirrored and reversed."""
        top, left = (round((side - size) * share) for side, share in zip(video.shape[1:3], self.window, strict=True))
        video = video[:, top : top + size, left : left + size]
        video = video[:, :, ::-1] if self.flip else video
        return np.ascontiguousarray(video[::-1] if self.reverse else video)


def vary(options: Any) -> Vary:
    """From the options of a data set. ValueError for one that there is not."""
    if isinstance(options, Vary):
        return options
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"vary is a section such as {{flip: true, speed: 0.25}}, not {options!r}")
    known = [field.name for field in fields(Vary)]
    for name in options or {}:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f", did you mean '{near[0]}'?" if near else ";"
            raise ValueError(f"vary has no '{name}'{hint} it has: {', '.join(known)}")
    return Vary(**(options or {}))
