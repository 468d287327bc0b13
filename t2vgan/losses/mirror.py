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

    needs_trial = needs_trial_features = needs_captions = needs_words = True

    def __init__(self, *, calm: int | float = 0.01) -> None:
        self.calm = calm

    def generator(self, play: Play) -> Scalar:
        trial = play.trial
        if trial is None or play.text is None or play.content is None:
            raise ValueError("mirror: needs a generator with a mirror and a critic that reads captions")
        cost = cost_of_trial(play)  # of turning the clip over
        p = trial.odds.sigmoid()
        return (cost * torch.where(trial.mirrored, -p, p)).mean() + self.calm * trial.odds.square().mean()


def cost_of_trial(play: Play) -> Tensor:
    """What words cost more when the trial is shown in the place of each clip, less what that is for the average clip.

    `(b,)`, no gradient.
    """
    assert play.text is not None and play.content is not None
    with torch.no_grad():
        shown, tried = (
            (F.softplus(-play.critic.word_scores(features, play.text)) * play.content).sum(1)
            for features in (play.fake_features, play.trial_features)
        )
        cost = tried - shown
        total = torch.stack([cost.sum(), torch.full_like(cost[0], len(cost))])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
        return cost - total[0] / total[1]
