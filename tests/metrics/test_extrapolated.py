"""The floor of the distance must be gone, a true difference must stay, and too few clips must be said."""

import pytest
import torch

from t2vgan.metrics import extrapolated_frechet_distance, frechet_distance

SCALES = torch.arange(1, 17, dtype=torch.float64).rsqrt()


def features(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * SCALES


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_floor_is_gone_and_a_difference_stays() -> None:
    pairs = [(features(160, 2 * s), features(160, 2 * s + 1)) for s in range(12)]
    floor = mean([frechet_distance(*pair).item() for pair in pairs])
    assert floor > 0.1
    assert abs(mean([extrapolated_frechet_distance(*pair).value for pair in pairs])) < floor / 5
    shifted = [(real, fake + 0.25) for real, fake in pairs]
    found = mean([extrapolated_frechet_distance(*pair).value for pair in shifted])
    assert found == pytest.approx(mean([frechet_distance(*pair).item() for pair in shifted]) - floor, abs=floor / 3)
    assert found == pytest.approx(1, abs=0.15)


def test_with_fixed_real_clips_their_part_of_the_floor_stays() -> None:
    pairs = [(features(160, 2 * s), features(160, 2 * s + 1)) for s in range(12)]
    both = mean([extrapolated_frechet_distance(*pair).value for pair in pairs])
    fixed = mean([extrapolated_frechet_distance(*pair, fixed_real=True).value for pair in pairs])
    floor = mean([frechet_distance(*pair).item() for pair in pairs])
    assert both + floor / 5 < fixed < floor


def test_the_line_goes_from_half_of_the_clips_to_all() -> None:
    real, fake = features(100, 0), features(120, 1)
    found = extrapolated_frechet_distance(real, fake[:100])
    assert (found.sizes[0], found.sizes[-1], len(found.sizes)) == (50, 100, 15)
    assert found.distances[-1] == pytest.approx(frechet_distance(real, fake[:100]).item(), rel=1e-9)
    assert found.slope > 0 and found.reliable
    assert found == extrapolated_frechet_distance(real, fake[:100])
    assert extrapolated_frechet_distance(real, fake).sizes[-1] == 100
    assert extrapolated_frechet_distance(real, fake, fixed_real=True).sizes[-1] == 120


def test_too_few_clips_for_their_width_are_said() -> None:
    assert not extrapolated_frechet_distance(features(39, 0), features(39, 1)).reliable
    assert extrapolated_frechet_distance(features(40, 0), features(40, 1)).reliable
    with pytest.raises(ValueError, match="at least 20 clips are needed on each side, not 19"):
        extrapolated_frechet_distance(features(19, 0), features(19, 1))
