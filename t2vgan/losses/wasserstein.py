"""The Wasserstein game (Arjovsky et al. 2017), for critics that cannot change faster than their input does."""

from __future__ import annotations

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Wasserstein:
    """Arjovsky et al. 2017, eq. 3: D: E[D(G(z))] - E[D(x)]; G: -E[D(G(z))]. Nothing bounds it but the critic itself."""

    def discriminator(self, play: Play) -> Scalar:
        return play.fake_logits.mean() - play.real_logits.mean()

    def generator(self, play: Play) -> Scalar:
        return -play.fake_logits.mean()
