"""Which side of a clip suits its caption: the clip as it is, or mirrored left for right?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Mirror:
    """G: E[p L(mirrored) + (1 - p) L(as it is)] over its bit of probability p, where L is the loss `words` of a clip.

    Both sides are shown to the critic, so the gradient for p needs no estimate. What turning over costs the average
    clip of the batch is subtracted: generators fit the side that they show to their critic, so that any other side
    looks worse, and without this the bit never moved. `calm` holds the logits of p back. Clips get no gradient.
    """

    needs_other_side = needs_captions = needs_words = True

    def __init__(self, *, calm: int | float = 0.01) -> None:
        self.calm = calm

    def generator(self, play: Play) -> Scalar:
        sides = play.sides
        if sides is None or play.text is None or play.content is None:
            raise ValueError("mirror: needs a generator with a mirror and a critic that reads captions")
        with torch.no_grad():
            shown, other = (self.words(play, features) for features in (play.fake_features, sides.other_features))
        cost = other - shown  # of turning the clip over
        cost = cost - mean_over_ranks(cost)
        p = sides.odds.sigmoid()
        return (cost * torch.where(sides.mirrored, -p, p)).mean() + self.calm * sides.odds.square().mean()

    @staticmethod
    def words(play: Play, features: tuple[Tensor, ...]) -> Tensor:
        assert play.text is not None and play.content is not None
        scores = play.critic.word_scores(features, play.text)
        return (F.softplus(-scores) * play.content).sum(1)


def mean_over_ranks(values: Tensor) -> Tensor:
    mean = values.mean()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(mean)
        mean = mean / torch.distributed.get_world_size()
    return mean
