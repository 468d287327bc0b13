"""Walkers whose facing and velocity agree, so that only the two together say which way time runs."""

import math

import pytest
import torch

from t2vgan.metrics import arrow_of_time


def walkers(n: int, seed: int, *, speed: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of clips and of their reversals: facing, velocity in the direction of facing, and noise."""
    generator = torch.Generator().manual_seed(seed)
    facing = torch.randint(2, (n, 1), generator=generator) * 2.0 - 1
    velocity = facing * speed + 0.5 * torch.randn(n, 1, generator=generator)
    rest = torch.randn(n, 6, generator=generator)
    return torch.cat([facing, velocity, rest], 1), torch.cat([facing, -velocity, rest], 1)


REAL = walkers(200, 0)


def test_clips_like_real_ones_run_forward() -> None:
    found = arrow_of_time(*REAL, *walkers(150, 1))
    assert found.score == pytest.approx(1, abs=0.2) and found.p_value < 0.001
    assert found.forward > 0.8 and found.forward_real > 0.8


def test_clips_that_go_back_and_forth_have_no_arrow() -> None:
    found = arrow_of_time(*REAL, *walkers(150, 1, speed=0.0))
    assert abs(found.score) < 0.2 and found.p_value > 0.01
    assert 0.35 < found.forward < 0.65


def test_clips_that_run_backwards() -> None:
    found = arrow_of_time(*REAL, *walkers(150, 1)[::-1])
    assert found.score == pytest.approx(-1, abs=0.2) and found.forward < 0.2


def test_features_that_do_not_see_time_give_no_score() -> None:
    blind = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    found = arrow_of_time(blind, blind, *[walkers(50, 1)[0][:, :4]] * 2)
    assert math.isnan(found.score) and found.p_value == 1


def test_a_real_clip_is_not_compared_with_itself() -> None:
    """Else real clips of pure noise would seem to have an arrow."""
    generator = torch.Generator().manual_seed(0)
    noise = [5 * torch.randn(60, 30, generator=generator) for _ in range(2)]
    assert 0.3 < arrow_of_time(*noise, *noise).forward_real < 0.7


def test_what_was_made_from_real_clips_is_not_compared_with_them_either() -> None:
    """So that real clips, as a control, are exactly as clearly forwards as real clips."""
    assert arrow_of_time(*REAL, *REAL, paired=True).score == pytest.approx(1, abs=1e-9)
    assert arrow_of_time(*REAL, *REAL[::-1], paired=True).score == pytest.approx(-1, abs=1e-9)
    with pytest.raises(ValueError, match="one from each"):
        arrow_of_time(*REAL, *walkers(150, 1), paired=True)


@pytest.mark.usefixtures("without_shape_checks")
def test_missing_reversals_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="both ways, of equal width"):
        arrow_of_time(*REAL, REAL[0], REAL[1][:50])
