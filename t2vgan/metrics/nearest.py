"""Are the clips new, or copies of training clips? Nearest neighbours in a feature space.

Generated clips that lie nearer to the training clips than real clips that were never trained on do not come from the
distribution, but from the training set (Meehan et al. 2020). Distances between features alone say nothing: a poor
generator is far from everything, so look at the nearest pairs too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from t2vgan.metrics.prdc import ROWS, euclidean
from t2vgan.metrics.precise import to_double_pair

CLOSE = 0.01  # the share of held-out clips that are as near to a training clip by chance


class Nearest(NamedTuple):
    """For each clip how far its nearest training clip is, and which one that is."""

    distances: Float[Tensor, " n"]
    indices: Int[Tensor, " n"]


class Memorisation(NamedTuple):
    """copying: the chance that a generated clip is nearer to the training clips than a held-out real one.

    0.5 for clips as new as held-out ones, 1 for copies, less for clips that are unlike real ones. copies: the share
    of generated clips nearer than all but CLOSE of the held-out ones. nearest: of the generated clips.
    """

    copying: float
    copies: float
    nearest: Nearest


def nearest_clips(features: Float[Tensor, "n d"], training_features: Float[Tensor, "m d"]) -> Nearest:
    """The nearest training clip of each clip, in float64."""
    clips, training = to_double_pair(features, training_features, least=1)
    found = [euclidean(rows, training).min(dim=1) for rows in clips.split(ROWS)]
    return Nearest(torch.cat([f.values for f in found]), torch.cat([f.indices for f in found]))


def memorisation(
    training_features: Float[Tensor, "m d"], heldout_features: Float[Tensor, "h d"], fake_features: Float[Tensor, "n d"]
) -> Memorisation:
    """Held-out clips must be real, of the same distribution as the training clips, and not among them.

    `copying` is Mann & Whitney's U over the number of pairs, ties counting half.
    """
    nearest = nearest_clips(fake_features, training_features)
    heldout = nearest_clips(heldout_features, training_features).distances.sort().values
    closer, as_close = (torch.searchsorted(heldout, nearest.distances, right=right) for right in (False, True))
    beaten = len(heldout) - (closer + as_close).double() / 2
    limit = heldout.quantile(CLOSE)
    return Memorisation(
        copying=float(beaten.mean() / len(heldout)),
        copies=float((nearest.distances < limit).double().mean()),
        nearest=nearest,
    )
