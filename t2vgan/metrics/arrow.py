"""Does time run forward? Generated clips and their reversals, judged by what tells real clips from reversed ones.

    w(x) = mean_j k(x, real_j) - mean_j k(x, reversed_j),    s_i = w(clip_i) - w(reversed clip_i)

w is the witness of the kernel distance (Gretton et al. 2012, 2.3) with its cubic kernel. A clip that looks alike both
ways, as one that moves back and forth, has s = 0; one that runs backwards has s < 0. For real clips their own pair is
left out of the means. The features must see the order of frames, as those of `Probe` do; means over frames do not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.comparison import compare_values
from t2vgan.metrics.precise import to_double_pair

SIGNIFICANT = 0.05


class ArrowOfTime(NamedTuple):
    """score: mean s of generated over mean s of real clips: 1 forward like these, 0 no arrow, below 0 backwards.

    It is NaN where not even real clips can be told from reversed ones. forward: the share of clips with s > 0.
    p_value: the chance of such s, or larger ones, for clips without an arrow of time.
    """

    score: float
    forward: float
    forward_real: float
    p_value: float


def arrow_of_time(
    real_features: Float[Tensor, "n d"],
    real_reversed: Float[Tensor, "n d"],
    fake_features: Float[Tensor, "m d"],
    fake_reversed: Float[Tensor, "m d"],
    *,
    paired: bool = False,
    seed: int = 0,
) -> ArrowOfTime:
    """Row i of `..._reversed` is the same clip, played backwards. ValueError for other shapes and for NaN.

    paired: the i-th of the other clips was made from the i-th real one, which then is left out of its means, too.
    """
    real, real_back = to_double_pair(real_features, real_reversed, least=3)
    fake, fake_back = to_double_pair(fake_features, fake_reversed)
    if real.shape != real_back.shape or fake.shape != fake_back.shape or real.shape[1] != fake.shape[1]:
        shapes = [tuple(side.shape) for side in (real, real_back, fake, fake_back)]
        raise ValueError(
            f"every clip needs features both ways, of equal width: {shapes[:2]} real, {shapes[2:]} generated"
        )
    if paired and len(fake) != len(real):
        raise ValueError(f"{len(fake)} clips cannot have been made from {len(real)} real ones, one from each")
    own = _witness(real, real, real_back, leave_out=True) - _witness(real_back, real, real_back, leave_out=True)
    found = _witness(fake, real, real_back, leave_out=paired) - _witness(fake_back, real, real_back, leave_out=paired)
    zero = torch.zeros_like
    real_test, test = compare_values(zero(own), own, seed=seed), compare_values(zero(found), found, seed=seed)
    seen = real_test.difference > 0 and real_test.p_value < SIGNIFICANT
    return ArrowOfTime(
        score=test.difference / real_test.difference if seen else float("nan"),
        forward=float((found > 0).double().mean()),
        forward_real=float((own > 0).double().mean()),
        p_value=test.p_value,
    )


def _witness(
    x: Float[Tensor, "n d"], real: Float[Tensor, "m d"], back: Float[Tensor, "m d"], *, leave_out: bool = False
) -> Float[Tensor, " n"]:
    """w of each row; leave_out: row i is the i-th real clip, or its reversal, and is not compared with itself."""
    d = x.shape[1]
    gap = (x @ real.T / d + 1).pow(3) - (x @ back.T / d + 1).pow(3)
    if not leave_out:
        return gap.mean(1)
    return (gap.sum(1) - gap.diagonal()) / (len(real) - 1)
