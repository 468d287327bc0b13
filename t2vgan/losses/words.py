"""Word by word: which words does a clip deserve?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from t2vgan.losses.play import Play
from t2vgan.shapes import Scalar


class Words:
    """The critic learns from real clips to tell the words of a right caption from those that a wrong one has instead.

    D: E[softplus(-d(x, w))] over words w that only the right caption has + E[softplus(d(x, w'))] over words that only
    the wrong one has. G: E[softplus(-d(G(s, z), w))] over the content words of its caption. An auxiliary classifier
    (Odena et al. 2017) whose classes are the words of the captions themselves; that D judges words and not only
    sentences is AttnGAN's idea (Xu et al. 2018, eqs. 7-10). One word of fifteen moves a sentence embedding little: a
    critic that only sees sentences learned `left` and `right` last, or never.
    """

    needs_contrast = needs_captions = needs_words = True

    def discriminator(self, play: Play) -> Scalar:
        pairs = play.contrast
        if play.text is None:
            raise ValueError("words: this critic is blind to captions; take the words term away or set blind: false")
        if pairs is None:  # every caption of this part of the batch was dropped
            return 0.0 * play.real_logits.sum()
        features = tuple(f[pairs.owner] for f in play.real_features)
        right = F.softplus(-play.critic.word_scores(features, pairs.right))
        wrong = F.softplus(play.critic.word_scores(features, pairs.wrong))
        return mean(right, pairs.only_right, play.part.right) + mean(wrong, pairs.only_wrong, play.part.wrong)

    def generator(self, play: Play) -> Scalar:
        if play.text is None or play.content is None:
            raise ValueError("words: this critic is blind to captions; take the words term away or set blind: false")
        costs = F.softplus(-play.critic.word_scores(play.fake_features, play.text))
        return mean(costs, play.content, play.part.content)


def mean(values: Tensor, among: Tensor, count: Tensor | None = None) -> Scalar:
    """Over those words; 0 where there are none: captions may differ by a word that only one of them has.

    `count`: of the average part of a round that is shared out.
    """
    if count is None:
        count = among.sum()
    return (values * among).sum() / torch.where(count > 0, count, 1.0)
