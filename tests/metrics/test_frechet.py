"""Closed forms, an independent matrix square root, torchmetrics' own FID, and what a parent's dtype may do."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from t2vgan.metrics import FrechetVideoDistance, frechet_distance
from t2vgan.metrics.frechet import frechet_distance_from_moments
from t2vgan.metrics.precise import to_double


def features(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Correlated features with a falling spectrum."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator, dtype=dtype) / torch.arange(1, d + 1)
    return torch.randn(n, d, generator=generator, dtype=dtype) @ mix


def scipy_distance(real: torch.Tensor, fake: torch.Tensor) -> float:
    first, second = np.cov(real.numpy(), rowvar=False), np.cov(fake.numpy(), rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    shift = real.numpy().mean(0) - fake.numpy().mean(0)
    return float(shift @ shift + np.trace(first + second - 2 * root))


def test_shift_of_the_mean_is_its_squared_length() -> None:
    real, shift = features(300, 32), torch.linspace(-0.5, 0.5, 32, dtype=torch.float64)
    assert frechet_distance(real, real + shift).item() == pytest.approx(shift.square().sum().item(), abs=1e-10)


def test_scaling_about_the_mean() -> None:
    real = features(300, 32)
    centre, trace = real.mean(0), real.var(0).sum().item()
    assert frechet_distance(real, centre + 1.7 * (real - centre)).item() == pytest.approx(0.49 * trace, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(500, 400), (500, 20), (20, 15)])
def test_agrees_with_moments_whatever_the_rank(n: int, m: int) -> None:
    real, fake = features(n, 32), features(m, 32, seed=1) + 0.2
    moments = [x for side in (real, fake) for x in (side.mean(0), side.T.cov())]
    expected = frechet_distance_from_moments(*moments).item()
    assert frechet_distance(real, fake).item() == pytest.approx(expected, rel=1e-6)


def test_agrees_with_scipy() -> None:
    real, fake = features(400, 48), features(350, 48, seed=1) * 1.2 + 0.1
    assert frechet_distance(real, fake).item() == pytest.approx(scipy_distance(real, fake), rel=1e-8)


def test_identical_rank_deficient_sets_are_at_zero() -> None:
    real = features(20, 64)
    assert frechet_distance(real, real).item() == pytest.approx(0, abs=1e-10)


def test_agrees_with_torchmetrics() -> None:
    class Identity(nn.Module):
        num_features = 24

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    real, fake = features(200, 24), features(180, 24, seed=1) + 0.3
    theirs = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    ours = FrechetVideoDistance(dim=24)
    for side, rows in ((True, real), (False, fake)):
        for batch in rows.split(70):
            theirs.update(batch, real=side)
            ours.update(batch, real=side)
    assert ours.compute().item() == pytest.approx(theirs.compute().item(), rel=1e-6)
    assert ours.compute().item() == pytest.approx(frechet_distance(real, fake).item(), rel=1e-8)


def test_float32_features_with_a_large_mean_keep_their_digits() -> None:
    real, fake = features(300, 16) + 100, features(300, 16, seed=1) + 100
    metric = FrechetVideoDistance(dim=16)
    metric.update(real.float(), real=True)
    metric.update(fake.float(), real=False)
    assert metric.compute().item() == pytest.approx(frechet_distance(real.float(), fake.float()).item(), rel=1e-6)


def test_too_few_or_broken_clips_are_nan() -> None:
    metric = FrechetVideoDistance(dim=4)
    metric.update(features(10, 4), real=True)
    metric.update(features(1, 4), real=False)
    assert metric.compute().isnan()
    assert frechet_distance(features(1, 4), features(9, 4)).isnan()
    broken = features(9, 4).index_fill(0, torch.tensor([3]), float("nan"))
    assert frechet_distance(features(9, 4), broken).isnan()
    metric.update(broken, real=False)
    assert metric.compute().isnan()


def test_reset_keeps_the_real_moments_unless_asked() -> None:
    real, fake = features(50, 4), features(50, 4, seed=1)
    for reset_real in (False, True):
        metric = FrechetVideoDistance(dim=4, reset_real=reset_real)
        metric.update(real, real=True)
        metric.update(fake + 5, real=False)
        metric.reset()
        metric.update(fake, real=False)
        expected = float("nan") if reset_real else frechet_distance(real, fake).item()
        assert metric.compute().item() == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_forward_does_not_count_the_kept_real_clips_twice() -> None:
    real, fake = features(50, 4), features(50, 4, seed=1)
    metric = FrechetVideoDistance(dim=4)
    for batch in real.split(25):
        metric(batch, real=True)
    metric(fake, real=False)
    assert (int(metric.real_n), int(metric.fake_n)) == (50, 50)
    assert metric.compute().item() == pytest.approx(frechet_distance(real, fake).item(), rel=1e-9)


def test_real_moments_travel_in_the_state_dict() -> None:
    metric, copy = FrechetVideoDistance(dim=4), FrechetVideoDistance(dim=4)
    metric.update(features(50, 4), real=True)
    state = metric.state_dict()
    assert set(state) == {"real_n", "real_sum", "real_outer"}
    copy.load_state_dict(state)
    for side in (metric, copy):
        side.update(features(50, 4, seed=1), real=False)
    assert copy.compute() == metric.compute()


@pytest.mark.parametrize("cast", [lambda m: m.to(torch.bfloat16), lambda m: m.half(), lambda m: m.float()])
def test_a_parent_cannot_change_the_dtype_of_the_states(cast) -> None:
    parent = nn.ModuleDict({"metric": FrechetVideoDistance(dim=4), "layer": nn.Linear(2, 2)})
    parent["metric"].update(features(50, 4), real=True)
    before = parent["metric"].real_outer.clone()
    cast(parent)
    assert parent["metric"].real_outer.dtype == torch.float64
    assert torch.equal(parent["metric"].real_outer, before)
    parent["metric"].reset()
    assert parent["metric"].fake_sum.dtype == torch.float64


def test_wrong_width_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="5 columns, the metric was made for dim=4"):
        FrechetVideoDistance(dim=4).update(features(3, 5), real=True)
    with pytest.raises(ValueError, match="one row per clip"):
        to_double(torch.zeros(3, 4, 2))


def test_covariances_over_n_are_those_of_styleganv_and_cdfvd() -> None:
    real, fake = features(30, 8), features(25, 8, seed=1) + 0.3
    first, second = np.cov(real.numpy(), rowvar=False, bias=True), np.cov(fake.numpy(), rowvar=False, bias=True)
    shift = real.numpy().mean(0) - fake.numpy().mean(0)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = float(shift @ shift + np.trace(first + second - 2 * root))
    metric = FrechetVideoDistance(dim=8, unbiased=False)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    for found in (frechet_distance(real, fake, unbiased=False), metric.compute()):
        assert found.item() == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(real, fake).item() > expected * 1.001


def least_seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """CPU time of the fastest of several rounds: what else the machine does must not count."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def test_it_is_no_slower_than_the_matrix_square_root_and_right_where_that_fails() -> None:
    """Fewer clips than dimensions: equal sets have no distance, and the root of a singular product loses that."""
    real = features(100, 200)
    scipys = abs(scipy_distance(real, real))
    assert abs(frechet_distance(real, real).item()) < 1e-10 < scipys
    fake = features(100, 200, seed=1)
    assert least_seconds(lambda: frechet_distance(real, fake)) <= least_seconds(lambda: scipy_distance(real, fake))
