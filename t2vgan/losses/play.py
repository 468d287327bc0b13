"""What a loss term may see of one critic's round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from t2vgan.shapes import TextFeatures, Trial

Seen = tuple[Tensor, ...]


@dataclass(frozen=True)
class Contrast:
    """Captions of the real clips beside captions that differ from them in something untrue; n pairs, any per clip."""

    owner: Tensor  # int64 (n,), the clip of each pair
    right: TextFeatures
    wrong: TextFeatures
    only_right: Tensor  # bool (n, l), the words that the wrong caption lacks
    only_wrong: Tensor  # bool (n, l'), the words that the right caption lacks


@dataclass(frozen=True)
class Part:
    """Which of the `count` equal parts of a round's batch a play is: ranks and accumulation steps have one each.

    The gradient of the round is the mean over its parts. So what is no mean over clips needs to know of the others:
    a mean over words divides by the words of the average part, and noise is drawn for all clips and shared out, so that
    the gradient does not depend on how a batch is shared. None: the only part there is.
    """

    index: int = 0
    count: int = 1
    right: Tensor | None = None  # words that only right captions of contrasts have, in the average part
    wrong: Tensor | None = None  # likewise of wrong captions
    content: Tensor | None = None  # content words of the captions


WHOLE = Part()


@dataclass(frozen=True)
class Play:
    """One critic looks at a batch of real and of fake clips that share their captions.

    `real`, `fake`: what its eyes saw, `features`: what it made of that, `logits` (b, n): real is positive. In the
    generator's step the real side carries no gradient, and its features and logits are there for losses with
    `needs_real` only; in the discriminator's step the fake video carries none.
    `text` is None for a critic that is blind to captions; `wrong_text` encodes captions that do not fit the real clips.
    """

    critic: Any  # features(seen, times), judge(features, text): for terms that look again
    times: Tensor  # (b, t) seconds, the instants that the critic was shown
    real: Seen
    fake: Seen
    real_features: Seen
    fake_features: Seen
    real_logits: Tensor
    fake_logits: Tensor
    text: TextFeatures | None = None
    wrong_text: TextFeatures | None = None
    content: Tensor | None = None  # bool (b, l), which words of `text` say something of the clip
    contrast: Contrast | None = None
    trial: Trial | None = None  # what could have been shown instead of the fakes
    tried: Seen = ()  # what its eyes saw of that
    trial_features: Seen = ()  # what it made of it, in the generator's step
    clear: Seen = ()  # what moves in the real clips, for `critic.read`; seen without noise
    moved: tuple[Seen, ...] = ()  # what moves in pictures that drawn numbers move, likewise
    twin: Seen = ()  # what its eyes saw of other clips of the same captions, in the generator's step
    z: Tensor | None = None  # (b, z_dim), the noise of the fakes
    part: Part = WHOLE
