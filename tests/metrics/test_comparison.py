"""Exact permutations, scipy's tests on the same pairs, and runs that do not differ."""

import pytest
import scipy.stats
import torch

from t2vgan.metrics import compare_accuracies, compare_distances, compare_values, frechet_distance, kernel_distance


def values(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return values(n * d, seed).reshape(n, d)


def test_a_few_pairs_are_permuted_exactly() -> None:
    found = compare_values([0.0, 1.0, 2.0, 3.0, 4.0], [0.5, 1.25, 2.5, 3.125, 5.0])
    assert found.p_value == 2 / 2**5  # only all signs as they are, or all turned round
    assert found.difference == pytest.approx(0.475) and found.n == 5
    one, two = values(10), values(10, seed=1) + 0.4
    expected = scipy.stats.permutation_test(
        (two, one), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=10_000
    )
    assert compare_values(one, two).p_value == pytest.approx(expected.pvalue)


def test_many_pairs_agree_with_the_paired_t_test() -> None:
    one = values(60)
    two = one + 0.25 + values(60, seed=2)
    found, expected = compare_values(one, two), scipy.stats.ttest_rel(two, one)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.2)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.03)


def test_pairing_sees_what_unpaired_values_hide() -> None:
    hardness = 10 * values(50)
    one, two = hardness + 0.1 * values(50, seed=1), hardness + 0.1 * values(50, seed=2) + 0.1
    assert compare_values(one, two).p_value < 0.01
    assert compare_values(one, two.roll(1)).p_value > 0.1


def test_equal_runs_are_rarely_told_apart() -> None:
    p_values = [compare_values(values(40, 2 * s), values(40, 2 * s + 1), draws=1000).p_value for s in range(60)]
    assert sum(p < 0.05 for p in p_values) <= 8
    assert compare_values([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == (0, 0, 0, 1, 3)


def test_mcnemar_is_a_fair_coin() -> None:
    first = [True] * 40 + [False] * 10 + [True] * 3 + [False] * 12
    second = [True] * 40 + [False] * 10 + [False] * 3 + [True] * 12
    found = compare_accuracies(first, second)
    assert found.p_value == pytest.approx(scipy.stats.binomtest(3, 15).pvalue)
    assert found.difference == pytest.approx(9 / 65) and found.n == 65
    assert 0 < found.low < found.difference < found.high < 0.3
    back = compare_accuracies(second, first)
    assert (back.difference, back.low, back.p_value) == (-found.difference, -found.high, found.p_value)
    assert compare_accuracies(first, first).p_value == 1


def test_intervals_of_accuracies_cover_the_true_difference() -> None:
    inside = 0
    for seed in range(200):
        luck = torch.rand(80, 2, generator=torch.Generator().manual_seed(seed))
        found = compare_accuracies(luck[:, 0] < 0.6, luck[:, 1] < 0.75)
        inside += found.low <= 0.15 <= found.high
    assert inside >= 180


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_of_two_runs(distance) -> None:
    real, one = features(60, 4), features(60, 4, seed=1)
    found = compare_distances(distance, real, one, features(60, 4, seed=2) + 0.8)
    assert found.p_value < 0.01 and 0 < found.low < found.difference < found.high
    expected = distance(real, features(60, 4, seed=2) + 0.8) - distance(real, one)
    assert found.difference == pytest.approx(expected.item())
    equal = compare_distances(distance, real, one, features(60, 4, seed=2))
    assert equal.p_value > 0.05 and equal.low < 0 < equal.high


@pytest.mark.usefixtures("without_shape_checks")
def test_what_cannot_be_paired_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"one value per caption from both runs, 2 or more, not \(3,\) and \(2,\)"):
        compare_values(values(3), values(2))
    with pytest.raises(ValueError, match="2 or more"):
        compare_accuracies([True], [False])
    with pytest.raises(ValueError, match="finite value for every caption"):
        compare_values([1.0, 2.0], [1.0, float("nan")])
    with pytest.raises(ValueError, match="by True and False"):
        compare_accuracies(torch.tensor([0.5, 1.0]), torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"features \(9, 2\) and \(8, 2\)"):
        compare_distances(frechet_distance, features(9, 2), features(9, 2), features(8, 2))
