"""Features that no metric may turn into a number."""

import pytest
import torch

from t2vgan.metrics import (
    FrechetVideoDistance,
    KernelVideoDistance,
    MongeVideoDistance,
    PrecisionRecall,
    frechet_distance,
    kernel_distance,
    mind_distance,
    precision_recall,
)
from t2vgan.metrics.extrapolated import extrapolated_frechet_distance
from t2vgan.metrics.precise import MetricWarning, to_double_pair

BROKEN = torch.ones(30, 4).index_fill(0, torch.tensor([3, 7]), float("nan"))


def test_features_become_float64_without_gradient() -> None:
    real, fake = to_double_pair(torch.ones(3, 4, requires_grad=True), torch.ones(2, 4, dtype=torch.bfloat16))
    assert (real.dtype, fake.dtype, real.requires_grad) == (torch.float64, torch.float64, False)


@pytest.mark.parametrize("metric", [mind_distance, precision_recall, extrapolated_frechet_distance])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.ones(30, 4), torch.ones(1, 4), r"clips are needed on each side, not 30 real and 1 generated"),
        (torch.ones(0, 4), torch.ones(30, 4), r"clips are needed on each side, not 0 real and 30 generated"),
        (torch.ones(30, 4), torch.ones(30, 5), r"4 columns, generated ones 5: use one extractor"),
        (torch.ones(30, 4), BROKEN, r"2 of 30 generated clips hold NaN or infinity"),
        (BROKEN, torch.ones(30, 4), r"2 of 30 real clips hold NaN or infinity"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_bad_features_are_a_clear_error(metric, real: torch.Tensor, fake: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(real, fake)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (torch.ones(1, 4), "not 30 real and 1 generated"),
        (torch.ones(0, 4), "not 30 real and 0 generated"),
        (BROKEN, "2 of 30 generated clips hold NaN"),
    ],
)
def test_where_there_is_no_number_a_warning_says_why(distance, fake: torch.Tensor, message: str) -> None:
    with pytest.warns(MetricWarning, match=message):
        assert distance(torch.ones(30, 4), fake).isnan()


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.usefixtures("without_shape_checks")
def test_features_of_unequal_width_are_refused(distance) -> None:
    with pytest.raises(ValueError, match="4 columns, generated ones 5"):
        distance(torch.ones(30, 4), torch.ones(30, 5))


@pytest.mark.parametrize(
    "metric", [FrechetVideoDistance, KernelVideoDistance, MongeVideoDistance, PrecisionRecall], ids=lambda m: m.__name__
)
@pytest.mark.parametrize(("fake", "message"), [(torch.ones(1, 4), "30 real and 1 generated"), (BROKEN, "NaN")])
def test_so_do_metrics_with_states(metric, fake: torch.Tensor, message: str) -> None:
    made = metric(dim=4)
    made.update(torch.ones(30, 4), real=True)
    made.update(fake, real=False)
    with pytest.warns(MetricWarning, match=message):
        found = made.compute()
    assert all(value != value for value in (found.values() if isinstance(found, dict) else [float(found)]))


def test_a_frechet_distance_of_few_clips_is_no_silent_number() -> None:
    real, fake = torch.randn(2, 30, 40, generator=torch.Generator().manual_seed(0)).unbind()
    with pytest.warns(MetricWarning, match="only 30 clips for 40 dimensions"):
        assert frechet_distance(real, fake) > 0
    metric = FrechetVideoDistance(dim=40)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    with pytest.warns(MetricWarning, match="only 30 clips for 40 dimensions"):
        assert metric.compute() > 0
