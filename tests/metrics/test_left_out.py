"""Leaving blocks out gives what computing each distance anew gives, and the intervals hold what they promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from t2vgan.metrics import extrapolated_frechet_distance, frechet_distance, kernel_distance, mind_distance
from t2vgan.metrics.intervals import jackknife_interval, jackknifed
from t2vgan.metrics.kernel import jedi_kernel_distance
from t2vgan.metrics.left_out import (
    ExtrapolatedWithout,
    FrechetWithout,
    KernelWithout,
    LeavesOut,
    MongeWithout,
    NeighboursWithout,
)
from t2vgan.metrics.near import neighbours
from t2vgan.metrics.prdc import precision_recall


def sides(n: int = 90, m: int = 70, d: int = 6, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99))
    real, fake = (torch.randn(rows, d, generator=generator) @ mix for rows in (n, m))
    return real, 1.3 * fake + 0.4


def jedi_without(real: torch.Tensor, fake: torch.Tensor) -> KernelWithout:
    return KernelWithout(real, fake, degree=2, coef0=0.0, unbiased=False, factor=100.0)


@pytest.mark.parametrize(
    ("distance", "without", "rel"),
    [
        (frechet_distance, FrechetWithout, 1e-6),
        (lambda r, f: frechet_distance(r, f, unbiased=False), lambda r, f: FrechetWithout(r, f, unbiased=False), 1e-6),
        (kernel_distance, KernelWithout, 1e-9),
        (jedi_kernel_distance, jedi_without, 1e-9),
    ],
    ids=["fd", "fd over n", "kid", "jedi form"],
)
def test_the_interval_is_that_of_the_distance_computed_anew(
    distance: Callable[..., Any], without: Callable[..., LeavesOut], rel: float
) -> None:
    real, fake = sides()
    expected = jackknife_interval(distance, real, fake)
    found = jackknifed([expected.value], without(real, fake).without, (90, 70))[0]
    assert found == pytest.approx(expected, rel=rel)


def test_all_four_of_the_neighbours_are_those_computed_anew() -> None:
    real, fake = sides()
    without = NeighboursWithout(real, fake)
    assert without.whole() == precision_recall(real, fake)
    rows = torch.tensor([3, 0, 41, 66])
    for side in (0, 1):
        kept = [torch.ones(n, dtype=torch.bool) for n in (90, 70)]
        kept[side][rows] = False
        expected = precision_recall(real[kept[0]], fake[kept[1]])
        assert without.without(side, rows).tolist() == pytest.approx(expected, abs=1e-12)


def test_equal_sides_without_as_many_rows_are_sorted_as_they_are() -> None:
    real, fake = sides(40, 36)
    rows = torch.tensor([1, 5, 20, 39])
    kept = torch.ones(40, dtype=torch.bool)
    kept[rows] = False
    found = MongeWithout(real, fake, directions=50).without(0, rows).item()
    assert found == pytest.approx(mind_distance(real[kept], fake, directions=50).item(), rel=1e-9)


def test_unequal_sides_are_compared_by_quantiles() -> None:
    one = torch.tensor([[0.0], [1.0]])
    two = torch.tensor([[0.0], [1.0], [1.0], [9.0]])
    found = MongeWithout(one, two, directions=1).without(1, torch.tensor([3])).item()
    # values 0, 1 beside 0, 1, 1: they differ from a third to a half of the way, by 1
    assert found == pytest.approx(3 * (1 / 2 - 1 / 3), rel=1e-9)


def test_the_extrapolation_is_a_line_through_parts_of_one_order() -> None:
    real, fake = sides(60, 50, 3)
    without = ExtrapolatedWithout(real, fake)
    orders = [places.argsort() for places in without.places]
    gone = torch.tensor([2, 30, 31])
    inverse, distances = [], []
    for size in without.sizes:
        left = [row for row in orders[0][:size].tolist() if row not in gone.tolist()]
        distances.append(float(frechet_distance(real[left], fake[orders[1][:size]])))
        inverse.append((1 / len(left) + 1 / size) / 2)
    assert (without.sizes[0], without.sizes[-1]) == (25, 50)
    assert without.without(0, gone).item() == pytest.approx(np.polyfit(inverse, distances, 1)[1], rel=1e-6)


def reported_neighbours(real: torch.Tensor, fake: torch.Tensor) -> list[tuple[float, float, float]]:
    return [(f["value"], f["low"], f["high"]) for f in neighbours(real, real, fake).values()]


def reported(statistic: Callable[..., Any], without: Callable[..., LeavesOut], blocks: int) -> Callable[..., Any]:
    def found(real: torch.Tensor, fake: torch.Tensor) -> list[tuple[float, float, float]]:
        value = float(statistic(real, fake))
        interval = jackknifed([value], without(real, fake).without, (len(real), len(fake)), blocks=blocks)[0]
        return [(interval.value, interval.low, interval.high)]

    return found


def monge(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return mind_distance(real, fake, directions=50)


@pytest.mark.parametrize(
    "report",
    [
        reported_neighbours,
        reported(jedi_kernel_distance, jedi_without, 20),
        reported(monge, lambda r, f: MongeWithout(r, f, directions=50), 20),
        reported(lambda r, f: extrapolated_frechet_distance(r, f).value, ExtrapolatedWithout, 10),
    ],
    ids=["neighbours", "jedi form", "mind", "fd infinite"],
)
def test_intervals_cover_the_expected_value_of_so_many_clips(report: Callable[..., Any]) -> None:
    """95 % are promised; of 20 intervals at most 3 may miss, which intervals of 95 % do once in 60 times."""
    drawn = [[value for value, _, _ in report(*sides(100, 100, 8, seed=1_000 + seed))] for seed in range(40)]
    expected = torch.tensor(drawn, dtype=torch.float64).mean(0).tolist()
    missed = [0] * len(expected)
    for seed in range(20):
        for i, (_, low, high) in enumerate(report(*sides(100, 100, 8, seed=seed))):
            missed[i] += not low <= expected[i] <= high
    assert max(missed) <= 3, missed
