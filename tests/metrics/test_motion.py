"""Clips whose motion is known."""

import pytest
import torch

from t2vgan.metrics.motion import diversity, flicker, is_static, motion_energy


def ramp(rate: float, frames: int = 8) -> torch.Tensor:
    """A clip that brightens by `rate` per frame."""
    return (torch.arange(frames) * rate - 1).reshape(1, 1, frames, 1, 1).expand(1, 3, frames, 8, 8)


def moving_square() -> torch.Tensor:
    video = -torch.ones(1, 3, 8, 16, 16)
    for t in range(8):
        video[:, :, t, 4:8, t : t + 4] = 1.0
    return video


def test_motion_energy_of_a_ramp_is_its_rate() -> None:
    assert motion_energy(torch.cat([ramp(0.1), ramp(0.0)])).tolist() == pytest.approx([0.1, 0.0], abs=1e-6)


def test_static_clips() -> None:
    noise = torch.zeros(1, 3, 8, 16, 16).uniform_(-0.01, 0.01, generator=torch.Generator().manual_seed(0))
    blinking_pixel = -torch.ones(1, 3, 8, 16, 16)
    blinking_pixel[:, :, ::2, 0, 0] = 1.0
    clips = torch.cat([moving_square(), noise, blinking_pixel])
    assert is_static(clips).tolist() == [False, True, True]


def test_flicker() -> None:
    alternating = torch.ones(1, 3, 8, 8, 8)
    alternating[:, :, ::2] = -1
    values = flicker(torch.cat([ramp(0.1), alternating, torch.zeros(1, 3, 8, 8, 8)]))
    assert values[:2].tolist() == pytest.approx([0.0, 1.0], abs=1e-5)
    assert values[2].isnan()


def test_diversity() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(20, 1, 16, generator=generator)
    noise = torch.randn(20, 4, 16, generator=generator)
    assert diversity(noise).item() == pytest.approx(1, abs=0.05)
    assert diversity(centres.expand(20, 4, 16)).item() == pytest.approx(0, abs=1e-9)
    assert 0.05 < diversity(centres + noise).item() < 0.2
    with pytest.raises(ValueError, match="at least 2 captions of 2 clips"):
        diversity(noise[:1])
