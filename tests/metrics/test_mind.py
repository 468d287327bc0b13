"""A shift in closed form, optimal transport by scipy, and what order and number of rows may do."""

import numpy as np
import pytest
import scipy.optimize
import torch

from t2vgan.metrics import MongeVideoDistance, mind_distance


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_shift_counts_three_times_its_squared_length() -> None:
    x, shift = features(40, 6), torch.linspace(-0.5, 1, 6, dtype=torch.float64)
    expected = 3 * shift.square().sum().item()
    assert mind_distance(x, x + shift, directions=20_000).item() == pytest.approx(expected, rel=0.03)
    assert mind_distance(x[:, :1], x[:, :1] + 0.7).item() == pytest.approx(3 * 0.49, rel=1e-6)


def test_it_is_the_mean_optimal_transport_along_directions() -> None:
    x, y, generator = features(9, 4), features(9, 4, seed=1) * 2 + 0.3, torch.Generator().manual_seed(5)
    units = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator)).double()
    costs = []
    for unit in units:
        cost = ((x @ unit)[:, None] - (y @ unit)[None]).square().numpy()
        costs.append(cost[scipy.optimize.linear_sum_assignment(cost)].mean())
    found = mind_distance(x, y, directions=30, seed=5)
    assert found.item() == pytest.approx(3 * 4 * np.mean(costs), rel=1e-6)
    assert found.dtype == torch.float64


def test_of_the_larger_set_a_random_part_is_taken() -> None:
    x, y, generator = features(50, 4), features(20, 4, seed=1), torch.Generator().manual_seed(3)
    part = torch.randperm(50, generator=generator)[:20]
    units = torch.nn.functional.normalize(torch.randn(1000, 4, generator=generator)).double()
    gaps = (x[part] @ units.T).sort(dim=0).values - (y @ units.T).sort(dim=0).values
    assert mind_distance(x, y, seed=3).item() == pytest.approx(12 * gaps.square().mean().item(), rel=1e-6)


def test_the_order_of_equally_many_rows_does_not_matter() -> None:
    x, y = features(40, 5), features(40, 5, seed=1)
    assert mind_distance(x, x.flip(0)).item() == pytest.approx(0, abs=1e-20)
    assert mind_distance(x.flip(0), y).item() == pytest.approx(mind_distance(x, y).item(), rel=1e-12)
    assert mind_distance(x, y, seed=1).item() != mind_distance(x, y).item()


def test_metric_collects_batches_and_is_nan_where_there_is_no_number() -> None:
    x, y = features(30, 4).float(), features(30, 4, seed=1).float()
    metric = MongeVideoDistance(dim=4)
    assert metric.compute().isnan()
    for batch in x.split(20):
        metric.update(batch, real=True)
    metric.update(y, real=False)
    assert metric.compute().item() == pytest.approx(mind_distance(x, y).item(), rel=1e-12)
    metric.update(torch.full((1, 4), float("inf")), real=False)
    assert metric.compute().isnan()


def test_no_directions_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        mind_distance(features(5, 2), features(5, 2), directions=0)
