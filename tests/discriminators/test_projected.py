"""The projected critic's fixed parts, and how it fits to sizes."""

from __future__ import annotations

import pytest
import torch

from t2vgan.discriminators.imagenet_eyes import ImagenetEyes
from t2vgan.discriminators.projected import Projected


def critic(*, frames: int = 2, see_size: int = 32, seed: int = 0) -> Projected:
    return Projected(text_dim=4, frames=frames, see_size=see_size, channels=4, width=8, seed=seed)


def test_the_random_projections_depend_on_their_seed_alone():
    torch.manual_seed(1)
    one = critic()
    torch.manual_seed(2)
    same, other = critic(), critic(seed=1)
    for i in range(3):
        assert torch.equal(getattr(one, f"mix{i}"), getattr(same, f"mix{i}"))
        assert not torch.equal(getattr(one, f"mix{i}"), getattr(other, f"mix{i}"))


def test_the_random_projections_are_saved_and_the_public_features_are_not():
    saved = critic().state_dict()
    assert {"mix0", "mix1", "mix2"} <= saved.keys() and not any(key.startswith("eyes.") for key in saved)


@pytest.mark.parametrize(("see_size", "sizes"), [(32, [8, 4, 2]), (64, [16, 8, 4])])
def test_frames_are_stacked_level_by_level(see_size: int, sizes: list[int]):
    seen = critic(see_size=see_size).see(torch.zeros(3, 3, 2, 16, 16))
    assert [tuple(s.shape) for s in seen] == [(3, 2 * 4, size, size) for size in sizes]


@pytest.mark.parametrize("see_size", [64, 128])
def test_what_moves_is_compared_in_as_many_places_whatever_the_size(see_size: int):
    looker = Projected(text_dim=4, frames=3, see_size=see_size, channels=4, width=8, match=True, numbers=2)
    seen = looker.see(torch.rand(2, 3, 3, see_size, see_size))
    assert seen[-1].shape[-2:] == (16, 16) and seen[0].shape[-1] == see_size // 4
    mean, log_variance = looker.read(seen, torch.tensor([[0.0, 0.5, 1.0]] * 2))
    assert mean.shape == log_variance.shape == (2, 2)


def test_noise_is_for_the_eyes_alone():
    """What they see changes by it, and so does what is compared of it; brightness is compared without it."""
    looker = Projected(text_dim=4, frames=2, see_size=32, channels=4, width=8, match=True)
    frames, grain = torch.rand(2, 3, 2, 16, 16), 0.3 * torch.randn(2, 3, 2, 32, 32)
    plain, noisy = looker.see(frames), looker.see(frames, grain)
    assert all((p - n).abs().max() > 1e-3 for p, n in zip(plain, noisy, strict=True))
    assert looker.match is not None
    features = looker.match.features.displacements
    assert (plain[-1] - noisy[-1])[:, :features].abs().max() > 1e-3
    assert torch.equal(plain[-1][:, features:], noisy[-1][:, features:])
    (clear,) = looker.clear(frames)
    assert torch.equal(clear, plain[-1]), "for what is read off it there is a look without noise"


def test_frames_are_enlarged_to_what_the_eyes_were_trained_for(eyes: ImagenetEyes):
    """At 64 pixels the eyes see more than at 32; where the clip has that size already, it is taken as it is."""
    looker, frames = critic(see_size=32), 2 * torch.rand(1, 3, 2, 32, 32) - 1
    direct = eyes(frames.transpose(1, 2).flatten(0, 1))
    mixed = torch.nn.functional.conv2d(direct[0], looker.mix0).reshape(1, 8, 8, 8)  # type: ignore[arg-type]
    assert torch.allclose(looker.see(frames)[0], mixed, rtol=1e-3, atol=1e-3)  # other memory layout


def test_fakes_and_reals_are_seen_alike():
    """In bfloat16 and in float32, maps are 3 % apart, and a line through their means tells which is which."""
    looker, frames = critic(), 2 * torch.rand(2, 3, 2, 32, 32) - 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fake = looker.see(frames.clone().requires_grad_())
        with torch.no_grad():
            real = looker.see(frames)
    for f, r in zip(fake, real, strict=True):
        assert torch.equal(f, r)
