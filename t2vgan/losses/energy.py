"""Are the clips of a caption spread as real ones are? A score of whole distributions, which no critic has to learn."""

from __future__ import annotations

import torch

from t2vgan.losses.play import Play, Seen
from t2vgan.shapes import Scalar


class Energy:
    """G: E‖f - r‖ - E‖f - f'‖, where f and f' are what the critic's eyes see of two clips of a caption and r what they
    see of its real clip; f' without gradient.

    The energy score (Gneiting & Raftery 2007, eq. 22; as a critic's distance: Bellemare et al. 2017): half of
    the second distance is counted there, and both its clips have a gradient. It is least where clips are spread as real
    ones of that caption, so one clip for each caption costs as much as no likeness at all. Norms are over the channels
    of each place (root mean square), for in all of a map's dimensions at once everything is equally far apart.

    `stills`: only what a clip looks like, not what moves in it: means over frames, and over the upper and the lower
    half of each. What a caption leaves open comes out nearly as varied as in real clips: a critic that sees one clip of
    each caption cannot ask for that.
    """

    needs_twin = True

    def __init__(self, *, stills: bool = False) -> None:
        self.stills = stills

    def generator(self, play: Play) -> Scalar:
        if not play.twin:
            raise ValueError("energy: needs a second clip of each caption")
        fake, real, twin = play.fake, play.real, play.twin
        if self.stills:
            if not hasattr(play.critic, "stills"):
                raise ValueError("energy: this critic tells no stills from what moves; set stills: false")
            fake, real, twin = (play.critic.stills(seen) for seen in (fake, real, twin))
        return apart(fake, real) - apart(fake, twin)


def apart(seen: Seen, other: Seen) -> Scalar:
    """How far apart two batches of clips look, mean over clips, places and levels."""
    levels = [(a.float() - b.float()).square().mean(1) for a, b in zip(seen, other, strict=True)]
    return torch.stack([(level + 1e-6).sqrt().mean() for level in levels]).mean()
