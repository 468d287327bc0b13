"""All distances between generated and real clips in one feature space, each with its floor and its interval.

A distance compares with the *reference*, clips of the training split. Its floor is the distance of the real clips whose
captions were rendered, as many as the generated ones: what a perfect generator would get.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.attributes import wilson_interval
from t2vgan.metrics.extrapolated import LEAST, extrapolated_frechet_distance
from t2vgan.metrics.frechet import frechet_distance
from t2vgan.metrics.intervals import BLOCKS, Interval, jackknife_interval, jackknifed
from t2vgan.metrics.kernel import jedi_kernel_distance, kernel_distance
from t2vgan.metrics.left_out import (
    ExtrapolatedWithout,
    FrechetWithout,
    KernelWithout,
    LeavesOut,
    MongeWithout,
    NeighboursWithout,
)
from t2vgan.metrics.mind import mind_distance
from t2vgan.metrics.prdc import NEIGHBOURS, precision_recall

FEW = 256  # clips below which every distance says so
ENOUGH = 2  # clips per dimension; below, a Fréchet distance says more of their number than of the clips
EXTRAPOLATED_BLOCKS = 10  # each costs fifteen Fréchet distances

Figures = dict[str, Any]
Side = Float[Tensor, "n d"]


def distances(
    reference: Float[Tensor, "m d"],
    real: Float[Tensor, "n d"],
    fake: Float[Tensor, "k d"],
    *,
    name: str,
    unbiased: bool = True,
) -> Figures:
    """Fréchet, kernel and Monge distance, precision, recall, density and coverage; `name` is that of the features.

    `value` is the generated clips' distance from the reference, `floor` that of the real clips, `low` and `high` the
    95 % interval of the value by the jackknife over both sets. ValueError for features that are not finite.
    """
    sides = reference, real, fake
    if not all(bool(torch.isfinite(side).all()) for side in sides):
        raise ValueError(f"there are NaN or infinite {name} features: has the generator diverged?")
    least, dim = min(map(len, sides)), reference.shape[1]
    frechet = partial(frechet_distance, unbiased=unbiased)
    jedi = partial(KernelWithout, degree=2, coef0=0.0, unbiased=False, factor=100.0)
    found: Figures = {}
    for key, distance, without in (
        ("fd", frechet, partial(FrechetWithout, unbiased=unbiased) if min(len(reference), len(fake)) > dim else None),
        ("kid", kernel_distance, KernelWithout),
        ("mind", mind_distance, MongeWithout),
        ("jedi_form", jedi_kernel_distance, jedi),
    ):
        if without is None:  # fewer clips than dimensions: of these the distance itself is faster
            interval = jackknife_interval(distance, reference, fake)
        else:
            interval = one_interval(float(distance(reference, fake)), without(reference, fake))
        found[f"{key}_{name}"] = {**ends(interval), "floor": float(distance(reference, real))}
    if least < ENOUGH * dim:
        found[f"fd_{name}"]["warning"] = f"only {least} clips for {dim} dimensions"
    if least >= LEAST:
        found[f"fd_infinite_{name}"] = extrapolated(reference, real, fake, unbiased=unbiased)
    if least > NEIGHBOURS:
        found |= {f"{key}_{name}": figure for key, figure in neighbours(reference, real, fake).items()}
    if least < FEW:
        for figure in found.values():
            figure.setdefault("warning", f"only {least} clips")
    return found


def one_interval(value: float, sides: LeavesOut, *, blocks: int = BLOCKS) -> Interval:
    return jackknifed([value], sides.without, sides.lengths, blocks=blocks)[0]


def ends(interval: Interval) -> Figures:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def extrapolated(reference: Side, real: Side, fake: Side, *, unbiased: bool) -> Figures:
    """The Fréchet distance of infinitely many clips; without an interval where the fall is no line."""
    infinite, floor = (extrapolated_frechet_distance(reference, side, unbiased=unbiased) for side in (fake, real))
    if not infinite.reliable:
        missing = {"low": None, "high": None, "warning": "too few clips for a line"}
        return {"value": infinite.value, **missing, "floor": floor.value}
    without = ExtrapolatedWithout(reference, fake, unbiased=unbiased)
    return {**ends(one_interval(infinite.value, without, blocks=EXTRAPOLATED_BLOCKS)), "floor": floor.value}


def neighbours(reference: Side, real: Side, fake: Side) -> Figures:
    """Precision, recall, density and coverage, and their ceiling.

    Where every part finds the same share, 0 or 1 above all, the jackknife sees no error: an interval of a share is
    never narrower than Wilson's for so many clips.
    """
    ceiling = precision_recall(reference, real)._asdict()
    sides = NeighboursWithout(reference, fake)
    values = sides.whole()._asdict()
    if min(sides.lengths) * (1 - 1 / BLOCKS) < NEIGHBOURS + 2:
        return {key: {"value": v, "low": None, "high": None, "ceiling": ceiling[key]} for key, v in values.items()}
    intervals = jackknifed(list(values.values()), sides.without, sides.lengths)
    counts = {"precision": len(fake), "recall": len(reference), "coverage": len(reference)}
    found: Figures = {}
    for key, interval in zip(values, intervals, strict=True):
        low, high = max(0.0, interval.low), interval.high
        if key in counts:
            least, most = wilson_interval(round(interval.value * counts[key]), counts[key])
            low, high = min(low, least), min(1.0, max(high, most))
        found[key] = {"value": interval.value, "low": low, "high": high, "ceiling": ceiling[key]}
    return found
