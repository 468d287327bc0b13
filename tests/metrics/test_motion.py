"""Clips whose motion is known."""

import pytest
import torch

from t2vgan.metrics.motion import (
    diversity,
    flicker,
    is_static,
    motion_energy,
    motion_spectrum,
    spectrum_gap,
    temporal_consistency,
)


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


def wave(cycles: float, *, frames: int = 9, height: float = 0.1) -> torch.Tensor:
    """Brightness that goes up and down `cycles` times in the frames - 1 steps of a clip."""
    phase = 2 * torch.pi * cycles * torch.arange(frames) / (frames - 1)
    return (height * torch.sin(phase)).reshape(1, 1, frames, 1, 1).expand(1, 3, frames, 4, 4)


@pytest.mark.parametrize("frames", [8, 9])
def test_the_spectrum_sums_up_to_the_mean_square_difference(frames: int) -> None:
    video = torch.rand(2, 3, frames, 5, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = (video[:, :, 1:] - video[:, :, :-1]).square().mean(dim=(1, 2, 3, 4))
    assert motion_spectrum(video).sum(1).tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_spectrum_says_how_fast_things_change() -> None:
    steady = motion_spectrum(ramp(0.1, frames=9))[0]
    assert steady[0].item() == pytest.approx(0.01, rel=1e-4) and steady[1:].max() < 1e-6
    for cycles in (1, 2, 3):
        spectrum = motion_spectrum(wave(cycles))[0]
        assert spectrum.argmax() == cycles and spectrum[cycles] > 0.99 * spectrum.sum()
    back_and_forth = torch.ones(1, 3, 9, 4, 4)
    back_and_forth[:, :, ::2] = -1
    assert motion_spectrum(back_and_forth)[0].tolist() == pytest.approx([0, 0, 0, 0, 4], abs=1e-6)


def test_the_gap_of_spectra_in_decibels() -> None:
    noise = torch.rand(6, 3, 9, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5
    real = motion_spectrum(noise)
    assert spectrum_gap(real, real).item() == 0
    assert spectrum_gap(real, motion_spectrum(noise / 10**0.5)).item() == pytest.approx(10, abs=0.05)
    still = spectrum_gap(real, motion_spectrum(noise[:, :, :1].expand(-1, -1, 9, -1, -1)))
    assert still.isfinite() and still > 30
    with pytest.raises(ValueError, match=r"clips of equal length, one or more on each side, not \(6, 5\) and \(0, 5\)"):
        spectrum_gap(real, real[:0])


def test_temporal_consistency_is_the_cosine_of_neighbouring_frames() -> None:
    turns = torch.tensor([0.0, 0.25, 0.5]) * torch.pi
    turning = torch.stack([turns.cos(), turns.sin()], dim=1) * torch.tensor([1.0, 5.0, 0.2])[:, None]
    still = torch.ones(3, 2)
    found = temporal_consistency(torch.stack([turning, still]))
    assert found.tolist() == pytest.approx([0.5**0.5, 1.0])
    with pytest.raises(ValueError, match="2 frames or more, not 1"):
        temporal_consistency(torch.ones(4, 1, 3))
