"""Differentiable augmentation of what critics see, real and fake alike (Zhao et al. 2020).

Every frame of a clip is moved and cut in the same way: anything else would be motion that the generator then learns
(StyleGAN-V reports a large loss of quality without this); noise, which is no motion, is another on every frame. No
flips and no colours: captions speak of left, right and the time of day.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Augment:
    """`translate`: at most this share of the size, edges repeated; `cutout`: side of a grey square, share of the size.

    `noise`: deviation of the Gaussian noise that clips are seen in, colours being -1..1; it grows from 0 over the first
    `rise` of a training. A frozen network can be shown what it takes for an animal and people do not; what still looks
    so in noise looks so to people, too: gradients of a classifier that is smoothed by noise (Cohen et al. 2019) draw
    shapes (Kaur et al. 2019). From the start noise hides what little a critic can yet tell. Critics add it themselves:
    frozen eyes at the size at which they see.

    `draws` `(b, 4)` in [0, 1) decide the rest; the caller draws them per clip, so that real and fake clips of one
    caption get the same change and runs repeat exactly.
    """

    def __init__(self, *, translate: float = 0.0, cutout: float = 0.0, noise: float = 0.0, rise: float = 0.0) -> None:
        for name, value in (("translate", translate), ("cutout", cutout)):
            if not 0 <= value < 1:
                raise ValueError(f"augment.{name} is {value}: it is a share of the size, at least 0 and below 1")
        if not noise >= 0:
            raise ValueError(f"augment.noise is {noise}: it is a deviation of colours of -1..1, at least 0, e.g. 0.3")
        if not 0 <= rise <= 1:
            raise ValueError(f"augment.rise is {rise}: it is a share of the training, from 0 to 1")
        self.translate, self.cutout, self.noise, self.rise = translate, cutout, noise, rise

    def noise_at(self, done: float) -> float:
        """The deviation when this share of a training is done."""
        return self.noise * min(1.0, done / self.rise) if self.rise else self.noise

    def __call__(self, video: Tensor, draws: Tensor) -> Tensor:
        if self.translate:
            video = self._translate(video, draws[:, :2])
        if self.cutout:
            video = self._cutout(video, draws[:, 2:])
        return video

    def _translate(self, video: Tensor, draws: Tensor) -> Tensor:
        _, _, _, h, w = video.shape
        most = round(self.translate * h)
        shift = ((2 * draws - 1) * (most + 0.5)).round().clamp(-most, most).long()  # (b, 2)
        rows = (torch.arange(h, device=video.device) + shift[:, :1]).clamp(0, h - 1)
        columns = (torch.arange(w, device=video.device) + shift[:, 1:]).clamp(0, w - 1)
        video = video.gather(3, rows[:, None, None, :, None].expand_as(video))
        return video.gather(4, columns[:, None, None, None, :].expand_as(video))

    def _cutout(self, video: Tensor, draws: Tensor) -> Tensor:
        _, _, _, h, w = video.shape
        rows = (torch.arange(h, device=video.device) + 0.5 - h * draws[:, :1]).abs() < self.cutout * h / 2
        columns = (torch.arange(w, device=video.device) + 0.5 - w * draws[:, 1:]).abs() < self.cutout * w / 2
        hole = rows[:, :, None] & columns[:, None, :]
        return video.masked_fill(hole[:, None, None], 0.0)
