"""What steers real clips? A critic reads it off them, having learned how on clips that drawn numbers steered."""

from __future__ import annotations

import torch

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar, Trial

HEIGHT = 3  # which of the numbers says how high a subject leaps; -1: not at all
SPEED = 2  # which of the numbers says how fast a subject goes: to the right in a reading, ahead in a generator


class Steer:
    """D: E[(y - m)² / 2 v + log(v) / 2] over clips steered by numbers y that were drawn uniformly in -1..1, which the
    critic reads as m, with variance v (Kendall & Gal 2017, eq. 5). G: E‖r n - m‖² + calm ‖n‖², where n steers the clip
    of a caption, m is read off the real clip of that caption, and r = 1 - 3 v; of the speed, whose sign only says which
    way, (((r n)² - (m² - r v)) / max(2 r n, 0.4))², where what divides is a constant: about the difference itself. That
    of the squares hardly has a slope where speeds are small, and they stayed there.

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
        mean, log_variance = play.critic.read(play.tried, play.times)
        trial = self.trial(play)
        error = (trial.drawn - mean).square() * torch.exp(-log_variance) + log_variance
        return (error.mean(1) * ~trial.turned).mean()  # of half of the clips: this is the half in front of the error

    def generator(self, play: Play) -> Scalar:
        with torch.no_grad():
            mean, log_variance = play.critic.read(play.clear or play.real, play.times)
            variance = torch.exp(log_variance)
            seen = (1 - 3 * variance).clamp(min=0)
            squares = (mean.square() - seen * variance)[:, SPEED]
        numbers = self.trial(play).numbers
        rest = torch.zeros_like(numbers[0])
        rest[HEIGHT:] = -1
        error = (seen * numbers - mean).square() + self.calm * (numbers - rest).square()
        error = torch.cat([error[:, :SPEED], error[:, SPEED + 1 :]], 1).sum(1)
        # Whichever way a real subject goes, it goes ahead; noise is no speed.
        ahead = (seen * numbers)[:, SPEED]
        speed = (ahead.square() - squares) / (2 * ahead.detach()).clamp(min=0.4)
        return (error + speed.square() + self.calm * numbers[:, SPEED].square()).mean()

    @staticmethod
    def trial(play: Play) -> Trial:
        if play.trial is None or not play.trial.numbers.shape[1]:
            raise ValueError("steer: needs a generator with numbers to steer by")
        return play.trial
