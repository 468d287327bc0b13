"""Matching-aware critics: a real clip with a wrong caption is to be told from one with the right caption."""

from __future__ import annotations

import torch.nn.functional as F

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Mismatch:
    """Reed et al. 2016, algorithm 1: the third kind of input, (real clip, wrong caption), counts as fake.

    `form` is the shape of the loss and should be that of the game beside it: `hinge`, `logistic`, or `relativistic`
    (the right caption must score above the wrong one on the same clip). Reuses the features of the real clips, so it
    costs one projection. The generator has no such term; it meets the effect in the critic's logits.
    """

    needs_captions = True

    def __init__(self, *, form: str = "hinge") -> None:
        if form not in ("hinge", "logistic", "relativistic"):
            raise ValueError(f"mismatch: form '{form}' is not one of hinge, logistic, relativistic")
        self.form = form

    def discriminator(self, play: Play) -> Scalar:
        if play.wrong_text is None:
            raise ValueError("mismatch: this critic is blind to captions; take the term away or set blind: false")
        wrong = play.critic.judge(play.real_features, play.wrong_text)
        if self.form == "hinge":
            return F.relu(1 + wrong).mean()
        if self.form == "logistic":
            return F.softplus(wrong).mean()
        return F.softplus(wrong - play.real_logits).mean()
