"""Which way should what steers a clip go? Tried, not derived."""

from __future__ import annotations

from t2vgan.losses.mirror import cost_of_trial
from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Steer:
    """G: E[c <e, n>] / sigma^2 over the numbers n that steer a clip, where c is what the clip loses in words when they
    are nudged by e ~ N(0, sigma^2).

    Its gradient is the one of the words' loss smoothed over nudges (Williams 1992, section 6; evolution strategies,
    Salimans et al. 2017, eq. 1, with the clip that was shown as the baseline). The slope of the pixels knows only what
    a shift of a fraction of a pixel does: with it alone cameras stayed at chance, while a critic gave 7 logits to clips
    whose camera was set right by hand. Clips get no gradient.
    """

    needs_trial = needs_captions = needs_words = True

    def generator(self, play: Play) -> Scalar:
        trial = play.trial
        if trial is None or play.text is None or not trial.numbers.shape[1]:
            raise ValueError("steer: needs a generator with numbers to steer by and a critic that reads captions")
        cost = cost_of_trial(play, ~trial.turned)
        return (cost[:, None] * trial.nudges * trial.numbers).sum(1).mean() / trial.spread**2
