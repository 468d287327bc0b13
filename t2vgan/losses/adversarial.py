"""The games that D and G play, each as the two players' losses from the logits; both are minimised."""

from __future__ import annotations

import torch.nn.functional as F

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Minimax:
    """Goodfellow et al. 2014, eq. 1. D maximises E[log D(V_r)] + E[log(1 - D(G(s, z)))], with D = sigmoid(logits).

    G minimises E[log(1 - D(G(s, z)))]: its gradient vanishes where D is sure, which is what `nonsaturating` mends.
    """

    def discriminator(self, play: Play) -> Scalar:
        return F.softplus(-play.real_logits).mean() + F.softplus(play.fake_logits).mean()

    def generator(self, play: Play) -> Scalar:
        return -F.softplus(play.fake_logits).mean()


class Nonsaturating:
    """Goodfellow et al. 2014, section 3: G maximises E[log D(G(s, z))] instead; D as in `minimax`."""

    def discriminator(self, play: Play) -> Scalar:
        return F.softplus(-play.real_logits).mean() + F.softplus(play.fake_logits).mean()

    def generator(self, play: Play) -> Scalar:
        return F.softplus(-play.fake_logits).mean()


class Hinge:
    """Lim & Ye 2017, eqs. 3-4: D: E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]; G: -E[D(G(z))]."""

    def discriminator(self, play: Play) -> Scalar:
        return F.relu(1 - play.real_logits).mean() + F.relu(1 + play.fake_logits).mean()

    def generator(self, play: Play) -> Scalar:
        return -play.fake_logits.mean()


class Relativistic:
    """Relativistic pairing (Jolicoeur-Martineau 2019, eq. 4; R3GAN, Huang et al. 2024, eq. 2).

    Each fake is compared with the real clip of the same caption: D: E[f(D(G(z)) - D(x))], G: E[f(D(x) - D(G(z)))],
    f = softplus.
    """

    needs_real = True

    def discriminator(self, play: Play) -> Scalar:
        return F.softplus(play.fake_logits - play.real_logits).mean()

    def generator(self, play: Play) -> Scalar:
        return F.softplus(play.real_logits - play.fake_logits).mean()
