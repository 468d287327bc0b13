"""Which side of a clip suits its caption: the clip as it is, or mirrored left for right?"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Mirror:
    """G: E[p L(mirrored) + (1 - p) L(as it is)] over its bit of probability p, where L is the loss `words` of a clip.

    Both sides are shown to the critic, so the gradient for p is exact. No gradient reaches the clips through this.
    """

    needs_other_side = True

    def generator(self, play: Play) -> Scalar:
        sides = play.sides
        if sides is None or play.text is None or play.content is None:
            raise ValueError("mirror: needs a generator with a mirror and a critic that reads captions")
        shown, other = (self.words(play, features) for features in (play.fake_features, sides.other_features))
        gain = (other - shown).detach()  # of turning the clip over
        p = sides.odds.sigmoid()
        return (gain * (p * ~sides.mirrored - p * sides.mirrored)).mean()

    @staticmethod
    def words(play: Play, features: tuple[Tensor, ...]) -> Tensor:
        assert play.text is not None and play.content is not None
        scores = play.critic.word_scores(features, play.text)
        return (F.softplus(-scores) * play.content).sum(1)
