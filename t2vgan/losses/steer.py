"""What steers real clips? A critic reads it off them, having learned how on pictures that drawn numbers moved."""

from __future__ import annotations

import torch
from torch import Tensor

from t2vgan.losses.gradient_penalty import noise_like
from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar, Trial

HEIGHT = 3  # which of the numbers says how high a subject leaps; -1: not at all
STILL = 0.16  # the speed that two looks agree on where nothing goes: an error of both, measured
SPEED = 2  # which of the numbers says how fast a subject goes: to the right in a reading, ahead in a generator


class Steer:
    """D: E[(y - m)² / 2 v + log(v) / 2] over real pictures moved by numbers y that were drawn uniformly in -1..1, which
    the critic reads as m, with variance v (Kendall & Gal 2017, eq. 5). G: E‖r n - m‖² + calm ‖n‖², where n steers the
    clip of a caption, m is read off the real clip of that caption, and r = 1 - 3 v; of the speed, whose sign only says
    which way, ((n² - (m m' - still²)) / max(2 n, 0.2))², where m' is read off other frames of the clip, and what
    divides is a constant: about the difference itself. That of the squares hardly has a slope where speeds are small,
    and they stayed there. The errors of two readings are nearly independent, so that nothing has to be known of them:
    what a reader claims, v, is of the pictures that it learns from (0.14 of speeds, where real ones are read to 0.02),
    and made speeds of walks 0.53 (truth 0.33).

    Of pan and zoom, which many captions leave open, that is the mean n, a camera at rest. How far noise moves the
    camera from it, s, has the likelihood of m under N(r n, r v + (r s)²), and which way follows the energy score
    (Gneiting & Raftery 2007, eq. 21) of r k + e beside r k' + e', where k and k' steer two clips of the caption and
    e, e' ~ N(0, r v): least where cameras are spread as in real clips. By that score alone 27 % of cameras were obeyed
    after 10,000 clips instead of 63 %, and cameras that captions speak of kept half of what open ones are moved by.

    An inverse model (Pathak et al. 2017, section 2.2), for there is no slope to follow: a critic believes the words of
    a pan least where nothing moves, so that the worst of all lies between left and right. Where little can be seen a
    reading shrinks towards the mean of what was drawn, by r for a uniform prior (variance 1/3), and so does what is
    compared with it; where nothing can be seen yet, things rest: ‖n‖² is counted from 0, of a height from -1. Clips get
    no gradient.
    """

    needs_trial = needs_numbers = True

    def __init__(self, *, calm: int | float = 0.005) -> None:
        self.calm = calm

    def discriminator(self, play: Play) -> Scalar:
        drawn = self.trial(play).drawn
        mean, log_variance = play.critic.read(play.moved, play.times)
        return ((drawn - mean).square() * torch.exp(-log_variance) + log_variance).mean() / 2

    def generator(self, play: Play) -> Scalar:
        trial = self.trial(play)
        with torch.no_grad():
            mean, log_variance = play.critic.read(play.clear, play.times)
            variance = torch.exp(log_variance)
            seen = (1 - 3 * variance).clamp(min=0)
            assert play.again_times is not None
            again, _ = play.critic.read(play.again, play.again_times)
            squares = (mean * again)[:, SPEED] - STILL**2
        held = trial.held
        rest = torch.zeros_like(held[0])
        rest[HEIGHT:] = -1
        error = (seen * held - mean).square() + self.calm * (held - rest).square()
        error = torch.cat([error[:, :SPEED], error[:, SPEED + 1 :]], 1).sum(1)
        # Whichever way a real subject goes, it goes ahead; noise is no speed.
        ahead = held[:, SPEED]
        speed = (ahead.square() - squares) / (2 * ahead.detach()).clamp(min=0.2)
        error = error + speed.square() + self.calm * ahead.square()
        # As they would be read off generated clips: as uncertain as real ones are.
        blur = (seen * variance).sqrt()[:, None, :SPEED]
        camera = seen[:, None, :SPEED] * torch.stack([trial.numbers, trial.others], 1)[..., :SPEED]
        one, other = (camera + blur * noise_like(camera, play.part)).unbind(1)
        spread = apart(one, mean[:, :SPEED]) - apart(one, other)
        # What is left of the error, for how far noise may go; the energy score hardly has a slope where that is little.
        expected = (seen * variance)[:, :SPEED] + (seen[:, :SPEED] * trial.leave).square() + 1e-4
        left = (seen * held.detach() - mean)[:, :SPEED].square() / expected + expected.log()
        return (error + spread + (seen[:, :SPEED] * left).sum(1) / 2).mean()

    @staticmethod
    def trial(play: Play) -> Trial:
        if play.trial is None or not play.trial.numbers.shape[1]:
            raise ValueError("steer: needs a generator with numbers to steer by")
        return play.trial


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Distances of rows; where they are 0 they have a slope of 0."""
    return ((a - b).square().sum(1) + 1e-4).sqrt()
