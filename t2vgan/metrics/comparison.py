"""Is the difference between two runs real? Paired tests over the same captions.

Judge both runs on the same captions with the same noise, and compare clip by clip: what makes a caption hard then
drops out. Differences are second - first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.intervals import LEVEL, jackknife_interval, t_quantile
from t2vgan.metrics.precise import to_double

EXACT = 12  # pairs up to which all signs are tried
AT_ONCE = 1000  # draws at a time


class Comparison(NamedTuple):
    """Second minus first, its confidence interval, and the chance of so large a difference between equal runs."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int  # captions


def compare_values(
    first: Sequence[float] | Float[Tensor, " n"],
    second: Sequence[float] | Float[Tensor, " n"],
    *,
    draws: int = 10_000,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """The mean of paired differences: percentile bootstrap, and a two-sided permutation test of their signs.

    The bootstrap is honest for a mean. Up to EXACT pairs all signs are tried, beyond it `draws` random ones, counting
    the observed one in (Phipson & Smyth 2010, eq. 2). ValueError for unequal or too short lists and for NaN.
    """
    one, two = (torch.as_tensor(values, dtype=torch.float64).cpu() for values in (first, second))
    _check(one, two)
    differences = two - one
    n, mean = len(differences), differences.mean().item()
    generator = torch.Generator().manual_seed(seed)
    sums = torch.cat([signs @ differences for signs in _signs(n, draws, generator)])
    extreme = int((sums.abs() >= _bar(n * abs(mean))).sum())
    p_value = extreme / 2**n if n <= EXACT else (1 + extreme) / (1 + draws)
    means = [differences[rows].mean(1) for rows in _rows(n, draws, generator)]
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.cat(means).quantile(tails).tolist()
    return Comparison(mean, low, high, p_value, n)


def compare_accuracies(
    first_right: Sequence[bool] | Tensor, second_right: Sequence[bool] | Tensor, *, level: float = LEVEL
) -> Comparison:
    """The difference of two accuracies over the same captions: McNemar's exact test.

    The p-value is that of a fair coin thrown once for each caption that only one run got right. The interval is the
    adjusted one of Agresti & Min (2005). ValueError for unequal or too short lists.
    """
    one, two = (torch.as_tensor(right).double().cpu() for right in (first_right, second_right))
    _check(one, two)
    if not all(bool(((side == 0) | (side == 1)).all()) for side in (one, two)):
        raise ValueError("accuracies are compared by True and False for each caption; for other values: compare_values")
    n, losses, wins = len(one), int((one > two).sum()), int((two > one).sum())
    tail = sum(math.comb(losses + wins, k) for k in range(min(losses, wins) + 1))
    total, gain, moved = n + 2, wins - losses, wins + losses + 1
    reach = t_quantile(level, math.inf) * math.sqrt(moved - gain**2 / total) / total
    low, high = max(-1.0, gain / total - reach), min(1.0, gain / total + reach)
    return Comparison(gain / n, low, high, min(1.0, 2 * tail / 2 ** (losses + wins)), n)


def compare_distances(
    distance: Callable[[Tensor, Tensor], Tensor | float],
    real_features: Float[Tensor, "m d"],
    first_features: Float[Tensor, "n d"],
    second_features: Float[Tensor, "n d"],
    *,
    draws: int = 200,
    level: float = LEVEL,
    seed: int = 0,
) -> Comparison:
    """The difference of two runs' distances to the same real clips, `distance(real, fake)`.

    Row i of both runs is for caption i. Jackknife over captions and over real clips; the permutation test swaps the
    runs' clips of random captions, which no difference between the runs would survive. ValueError for unequal runs.
    """
    first, second = to_double(first_features), to_double(second_features)
    if first.shape != second.shape:
        raise ValueError(
            f"the runs have features {tuple(first.shape)} and {tuple(second.shape)}: use the same captions"
        )
    real, both = to_double(real_features), torch.stack([first, second], dim=1)

    def difference(real: Tensor, pairs: Tensor) -> float:
        return float(distance(real, pairs[:, 1])) - float(distance(real, pairs[:, 0]))

    found = jackknife_interval(difference, real, both, level=level, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    extreme = 0
    for _ in range(draws):
        swapped = (torch.rand(len(both), generator=generator) < 0.5).to(both.device)
        mixed = torch.where(swapped[:, None, None], both.flip(1), both)
        extreme += abs(difference(real, mixed)) >= _bar(abs(found.value))
    return Comparison(found.value, found.low, found.high, (1 + extreme) / (1 + draws), len(both))


def _bar(observed: float) -> float:
    """What counts as equal to the observed sum, whatever the order in which it was rounded."""
    return observed * (1 - 1e-9)


def _signs(n: int, draws: int, generator: torch.Generator) -> Iterator[Float[Tensor, "k n"]]:
    if n <= EXACT:
        bits = torch.arange(2**n)[:, None] >> torch.arange(n) & 1
        yield bits.double() * 2 - 1
        return
    for first in range(0, draws, AT_ONCE):
        shape = min(AT_ONCE, draws - first), n
        yield torch.randint(2, shape, generator=generator).double() * 2 - 1


def _rows(n: int, draws: int, generator: torch.Generator) -> Iterator[Tensor]:
    for first in range(0, draws, AT_ONCE):
        yield torch.randint(n, (min(AT_ONCE, draws - first), n), generator=generator)


def _check(one: Tensor, two: Tensor) -> None:
    if one.ndim != 1 or one.shape != two.shape or len(one) < 2:
        shapes = f"{tuple(one.shape)} and {tuple(two.shape)}"
        raise ValueError(f"a paired comparison needs one value per caption from both runs, 2 or more, not {shapes}")
    if not bool(torch.isfinite(one).all() and torch.isfinite(two).all()):
        raise ValueError(
            "a paired comparison needs a finite value for every caption of both runs; leave out the others"
        )
