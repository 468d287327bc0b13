"""What steers real clips? A critic reads it off them, having learned how on pictures that drawn numbers moved."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.losses.gradient_penalty import noise_like
from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar, Trial

HEIGHT = 3  # which of the numbers says how high a subject leaps; -1: not at all
OPEN = 0.1  # weight of a speed where no caption says which way: little beside others, and enough where none does
SIDES = 4.0  # weight of the mirror's bit: more than what the loss `mirror` says of it, which may be the other way round
FIRST = 0.27  # shares of the highest speed at which all goes at first: the numbers of `steering` begin there
SPEED = 2  # which of the numbers says how fast a subject goes: to the right in a reading, ahead in a generator


class Steer:
    """D: E[(y - m)² / 2 v + log(v) / 2] over pictures moved by numbers y that were drawn uniformly in -1..1, which the
    critic reads as m, with variance v (Kendall & Gal 2017, eq. 5): real stills, and canvases of the generator. On the
    stills alone it learned to overlook a subject, which is a small part of its picture: clips whose numbers went from
    0.15 to 0.6 were read as 0.04 to 0.3, real ones as 0.01 to 0.38, and where all that is slow is read as at rest
    nothing says that it should be. G: E‖r n - m‖² + calm ‖n‖², where n steers the clip of a caption, m is read off the
    real clip of that caption, and r = 1 - 3 v.

    A reading says which way a subject goes, and so may a caption: by the mirror of the generator it is to the right, to
    the left, or open. Where it is open speeds are compared by their squares, (r² n² - (m² - r v))² / max(2 n, 0.2)²,
    where what divides is a constant, about the difference itself: that of the squares hardly has a slope where speeds
    are small. r v is what errors of readings, squared, come to. Squares have a tenth of the weight.

    Of pan and zoom, which many captions leave open, that is the mean n, a camera at rest. How far noise moves the
    camera from it, s, has the likelihood of m under N(r n, u + (r s)²), where u = r v is what the reading leaves
    uncertain, and which way follows the energy score (Gneiting & Raftery 2007, eq. 22) of r k + e beside r k' + e',
    where k and k' steer two clips of the caption and e, e' ~ N(0, u): least where cameras are spread as in real clips.
    By that score alone 27 % of cameras were obeyed after 10,000 clips instead of 63 %, and cameras that captions speak
    of kept half of what open ones are moved by.

    Which side a clip is shown from is read off, too: the mirror's bit has the cross entropy to Φ(-m / √v), how sure the
    real clip is seen to go to the left. So what is painted faces right, for it is mirrored where subjects go to the
    left. What rests says nothing by that, but where little can be seen yet the bit is held in the middle: left to what
    suits a critic better it was settled by chance before speeds could be read, and where it came out the other way
    round all subjects went backwards, and rested for good.

    An inverse model (Pathak et al. 2017, section 2.2), for there is no slope to follow: a critic believes the words of
    a pan least where nothing moves, so that the worst of all lies between left and right. Where little can be seen a
    reading shrinks towards the mean of what was drawn, by r for a uniform prior (variance 1/3), and so does what is
    compared with it; where nothing can be seen yet ‖n‖² is counted from a camera at rest, no height (-1), and the speed
    at which all goes at first: which way what is painted faces is settled by what goes ahead early in a training, and
    where all came to rest before that, in two trainings of three it faced backwards, and speeds died. Clips get no
    gradient.
    """

    needs_trial = needs_numbers = True

    def __init__(self, *, calm: int | float = 0.005) -> None:
        self.calm = calm

    def discriminator(self, play: Play) -> Scalar:
        drawn = self.trial(play).drawn
        costs = []
        for moved in play.moved:
            mean, log_variance = play.critic.read(moved, play.times)
            costs.append((drawn - mean).square() * torch.exp(-log_variance) + log_variance)
        return torch.stack(costs).mean() / 2

    def generator(self, play: Play) -> Scalar:
        trial = self.trial(play)
        real = read_off(play, trial)
        held, seen = trial.held, real.seen
        rest = torch.zeros_like(held[0])
        rest[SPEED:HEIGHT].fill_(FIRST)
        rest[HEIGHT:].fill_(-1)
        compared = torch.ones_like(held)
        compared[:, SPEED] = real.way
        error = (compared * seen * held - real.mean).square() + self.calm * (held - rest).square()
        speed = held[:, SPEED]
        square = (seen[:, SPEED] * speed).square() - real.square
        square = torch.where(real.way == 0, square / (2 * speed.detach()).clamp(min=0.2), 0.0).square()
        # As they would be read: as uncertain as what they are compared with.
        seen, mean = seen[:, :SPEED], real.mean[:, :SPEED]
        camera = seen[:, None] * torch.stack([trial.numbers, trial.others], 1)[..., :SPEED]
        one, other = (camera + real.unsure.sqrt()[:, None] * noise_like(camera, play.part)).unbind(1)
        spread = apart(one, mean) - apart(one, other)
        # What is left of the error, for how far noise may go; the energy score hardly has a slope where that is little.
        expected = real.unsure + (seen * trial.leave).square() + 1e-4
        left = (seen * held[:, :SPEED].detach() - mean).square() / expected + expected.log()
        sides = F.binary_cross_entropy_with_logits(trial.odds, real.left, real.left_counts, reduction="none")
        return (error.sum(1) + OPEN * square + spread + (seen * left).sum(1) / 2 + SIDES * sides).mean()

    @staticmethod
    def trial(play: Play) -> Trial:
        if play.trial is None or not play.trial.numbers.shape[1]:
            raise ValueError("steer: needs a generator with numbers to steer by")
        return play.trial


class ReadOff(NamedTuple):
    """What is read off real clips."""

    mean: Tensor  # (b, numbers); a speed is to the right, and 0 where no caption says which way
    square: Tensor  # (b,) of the speed, less what errors add to it
    seen: Tensor  # (b, numbers), how much of each number is seen
    unsure: Tensor  # (b, 2), the variance of pan and zoom
    way: Tensor  # (b,), which way subjects go by the caption: 1 to the right, -1 to the left, 0 open
    left: Tensor  # (b,), how probably they go to the left by what is seen
    left_counts: Tensor  # (b,), how much that counts


@torch.no_grad()
def read_off(play: Play, trial: Trial) -> ReadOff:
    mean, log_variance = play.critic.read(play.clear, play.times)
    variance = torch.exp(log_variance)
    seen = (1 - 3 * variance).clamp(min=0)
    unsure, way = seen * variance, -trial.sure
    square = (mean.square() - unsure)[:, SPEED]
    ways = torch.ones_like(mean)
    ways[:, SPEED] = way.abs()
    left = torch.special.ndtr(-mean / variance.sqrt())[:, SPEED]
    left_counts = torch.maximum(1 - seen[:, SPEED], (1 - 2 * left).abs())
    return ReadOff(ways * mean, square, seen, unsure[:, :SPEED], way, left, left_counts)


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Distances of rows; where they are 0 they have a slope of 0."""
    return ((a - b).square().sum(1) + 1e-4).sqrt()
