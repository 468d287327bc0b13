"""Does a clip fit its own caption better than wrong ones? R-precision (Xu et al. 2018, section 4).

A clip scores when its embedding has a larger scalar product with the embedding of its caption than with those of all
the wrong ones. Random negatives are captions of other clips, usually RANDOM of them; many differ in everything, so that
a clip that shows little of its caption scores, too. The hard negative is the clip's own caption with something
changed that the clip then does not show (as the foils of Shekhar et al. 2017): only details decide. Always report
chance and what real clips get: captions that leave much open fit other clips as well, so even these miss some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from t2vgan.metrics.attributes import Proportion
from t2vgan.seeds import stable_seed

RANDOM = 99  # wrong captions per clip (Xu et al. 2018)


@runtime_checkable
class Captions(Protocol):
    """What reads captions: `DualEncoder`."""

    def embed_captions(self, captions: Sequence[str]) -> Float[Tensor, "n d"]: ...


@runtime_checkable
class Told(Protocol):
    """What is told of n clips, a row each: a batch of `Clips`, or those of a whole split."""

    captions: list[str]
    wrong_captions: list[str]
    contrasts: list[Any]  # of each clip pairs (caption, one that differs from it in something untrue)
    changed: list[Any]  # for each of these (attribute, what it is made to be), where that is known


class Retrieval(NamedTuple):
    """Clips that fit their caption best, of all that were asked; by chance; and the same of real clips."""

    found: Proportion
    chance: float
    ceiling: Proportion | None = None


def r_precision(
    video_embeddings: Float[Tensor, "n d"], right: Float[Tensor, "n d"], candidates: Float[Tensor, "n k d"]
) -> Bool[Tensor, " n"]:
    """Which clips fit their right caption better than each of their k wrong ones. A draw is lost, or embeddings that
    are all alike would score."""
    own = (video_embeddings.double() * right.double()).sum(1)
    others = torch.einsum("nd,nkd->nk", video_embeddings.double(), candidates.double())
    return (own[:, None] > others).all(1)


def random_negatives(captions: Sequence[str], *, count: int = RANDOM, seed: int = 0) -> Int[Tensor, "n k"]:
    """For each caption the places of `count` others with different words, no two with the same words.

    As many as there are where these are fewer. A row depends on the set of captions, its own, and the seed, not on the
    order. ValueError if all captions are the same.
    """
    place = {caption: i for i, caption in reversed(list(enumerate(captions)))}
    distinct = sorted(place)
    if len(distinct) < 2:
        raise ValueError("R-precision needs captions that differ; these are all the same")
    rows = []
    for caption in captions:
        others = [other for other in distinct if other != caption]
        rng = np.random.default_rng(stable_seed(seed, caption, "negatives"))
        chosen = rng.permutation(len(others))[:count]
        rows.append([place[others[int(i)]] for i in chosen])
    return torch.tensor(rows)


def hard_negatives(clips: Told) -> list[str]:
    """For each clip its caption with something untrue in it, where the data set has that, else its wrong caption."""
    contrasts = clips.contrasts or [()] * len(clips.captions)
    rows = zip(clips.captions, contrasts, clips.wrong_captions, strict=True)
    return [next((wrong for right, wrong in pairs if right == caption), other) for caption, pairs, other in rows]


def retrieval_precision(
    encoder: Captions,
    embeddings: Float[Tensor, "n d"],
    captions: Sequence[str],
    hard: Sequence[str],
    *,
    real: Float[Tensor, "n d"] | None = None,
    seed: int = 0,
) -> Mapping[str, Retrieval]:
    """`random` and `hard` R-precision of clips, given by their embeddings, that were made for these captions.

    hard: a wrong caption of each clip. real: embeddings of the real clips that the captions are of, for the ceiling.
    """
    device = embeddings.device
    right, wrong = (encoder.embed_captions(list(told)).to(device) for told in (captions, hard))
    negatives = {"random": right[random_negatives(captions, seed=seed).to(device)], "hard": wrong[:, None]}
    found = {}
    for name, candidates in negatives.items():
        scores = [_proportion(r_precision(side, right, candidates)) for side in (embeddings, real) if side is not None]
        found[name] = Retrieval(scores[0], 1 / (1 + candidates.shape[1]), scores[1] if len(scores) > 1 else None)
    return found


def _proportion(hits: Bool[Tensor, " n"]) -> Proportion:
    return Proportion(int(hits.sum()), len(hits))
