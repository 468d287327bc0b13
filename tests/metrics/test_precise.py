"""Features that no metric may turn into a number."""

import pytest
import torch

from t2vgan.metrics import mind_distance, precision_recall
from t2vgan.metrics.extrapolated import extrapolated_frechet_distance
from t2vgan.metrics.precise import to_double_pair

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
