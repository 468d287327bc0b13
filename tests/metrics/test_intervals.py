"""Closed forms for means, scipy's intervals, and coverage where the plain bootstrap has none."""

import math
from collections.abc import Callable

import pytest
import scipy.stats
import torch

from t2vgan.metrics import frechet_distance, jackknife_interval, kernel_distance, subsampling_interval
from t2vgan.metrics.intervals import t_quantile


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(n: int, d: int, seed: int, shift: float) -> tuple[torch.Tensor, torch.Tensor]:
    return features(n, d, 2 * seed), features(n, d, 2 * seed + 1) + shift


def mean(sample: torch.Tensor) -> torch.Tensor:
    return sample.mean()


def difference(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return one.mean() - two.mean()


def test_quantiles_of_students_t() -> None:
    for level in (0.68, 0.9, 0.95, 0.99):
        for freedom in (3.0, 10.0, 37.5, math.inf):
            expected = scipy.stats.t.ppf((1 + level) / 2, freedom)
            assert t_quantile(level, freedom) == pytest.approx(expected, rel=0.015)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    sample = features(30, 1)[:, 0]
    found = jackknife_interval(mean, sample, blocks=30)
    assert found.error == pytest.approx(sample.std().item() / 30**0.5, rel=1e-9)
    low, high = scipy.stats.t.interval(0.95, 29, loc=sample.mean().item(), scale=found.error)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)


def test_jackknife_of_two_samples_is_welchs_interval() -> None:
    one, two = features(25, 1)[:, 0], 3 * features(40, 1, seed=1)[:, 0] + 1
    found = jackknife_interval(difference, one, two, blocks=100)
    expected = scipy.stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_blocks_of_unequal_size_are_weighted() -> None:
    sample = features(23, 1)[:, 0]
    squares = [jackknife_interval(mean, sample, blocks=5, seed=seed).error ** 2 for seed in range(300)]
    assert sum(squares) / 300 == pytest.approx(sample.var().item() / 23, rel=0.1)


def test_subsampling_a_mean_gives_its_standard_error() -> None:
    sample = features(200, 1)[:, 0]
    for share in (0.3, 0.5, 0.8):
        found = subsampling_interval(mean, sample, share=share, draws=400)
        assert found.error == pytest.approx(sample.std().item() / 200**0.5, rel=0.12)
        assert found.value == sample.mean().item()


def bootstrap_interval(statistic: Callable[..., torch.Tensor], *samples: torch.Tensor) -> tuple[float, float]:
    """The percentile bootstrap that the intervals are there to replace."""
    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(60):
        draws.append(statistic(*(s[torch.randint(len(s), (len(s),), generator=generator)] for s in samples)))
    low, high = torch.stack(draws).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def test_the_bootstrap_of_a_frechet_distance_does_not_contain_its_value() -> None:
    expected = sum(frechet_distance(*draw(80, 16, seed, 0.1)).item() for seed in range(1000, 1200)) / 200
    for seed in range(8):
        sides = draw(80, 16, seed, 0.1)
        value = frechet_distance(*sides).item()
        low, _ = bootstrap_interval(frechet_distance, *sides)
        assert low > 1.2 * max(value, expected)
        found = jackknife_interval(frechet_distance, *sides)
        assert found.value == value and found.low < expected < found.high


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_intervals_cover_the_expected_distance_of_so_many_clips(distance, shift: float) -> None:
    expected = sum(distance(*draw(60, 6, seed, shift)).item() for seed in range(1000, 1400)) / 400
    inside = {jackknife_interval: 0, subsampling_interval: 0}
    for seed in range(40):
        for interval in inside:
            found = interval(distance, *draw(60, 6, seed, shift))
            inside[interval] += found.low <= expected <= found.high
    assert min(inside.values()) >= 34  # of 40


def test_what_cannot_be_answered_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"two rows or more, not \[1\]"):
        jackknife_interval(mean, torch.ones(1))
    with pytest.raises(ValueError, match=r"two rows or more, not \[\]"):
        jackknife_interval(lambda: 1.0)
    with pytest.raises(ValueError, match="the statistic is not finite"):
        jackknife_interval(frechet_distance, features(2, 2), features(9, 2))
    with pytest.raises(ValueError, match=r"level must be between 0 and 1, as 0.95, not 95"):
        subsampling_interval(mean, torch.ones(9), level=95.0)
    with pytest.raises(ValueError, match="blocks must be at least 2, not 1"):
        jackknife_interval(mean, torch.ones(9), blocks=1)
    with pytest.raises(ValueError, match=r"share must be between 0 and 1 .* not 1.0"):
        subsampling_interval(mean, torch.ones(9), share=1.0)
