"""Savanna: an endless world of animals, drawn on demand, with captions and exact ground truth.

    >>> data = Savanna(root="data", split="train", size=64, frames=16, duration_s=2.0)
    >>> sample = data[0]
    >>> sample.video.shape, sample.caption, sample.attributes["subject"]
    >>> data.recipe.frames(0, size=256, times=np.arange(0, 2, 1 / 30))  # the same clip, larger and smoother

Scene description first (`scene`), then its drawing (`draw`); `captions` is the grammar, `splits` says what is held
out, `recipe` ties them together, `files` writes mp4 files.
"""

from __future__ import annotations

from t2vgan.datasets.savanna.dataset import Savanna

__all__ = ["Savanna"]
