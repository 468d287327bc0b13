"""The noise that made a clip is to be found in it again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from t2vgan.losses.latent import Latent
from t2vgan.losses.play import Play


@pytest.fixture
def play(make_play: Callable[..., Play]) -> Play:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 2, generator=generator).requires_grad_()
    critic = SimpleNamespace(latents=2, weight=weight, guess=lambda features: features[0] @ weight)
    fake = torch.randn(3, 5, generator=generator).requires_grad_()
    z = torch.randn(3, 4, generator=generator)
    return make_play(torch.zeros(3, 1), torch.zeros(3, 1), critic=critic, fake_features=(fake,), z=z)


def test_it_is_the_error_of_the_guess(play: Play):
    assert play.z is not None
    error = (play.fake_features[0] @ play.critic.weight - play.z[:, :2]) ** 2
    for side in (Latent().discriminator, Latent().generator):
        assert torch.allclose(side(play), error.sum(1).mean() / 2)


def test_the_critic_learns_to_guess_and_bends_nothing_for_it(play: Play):
    Latent().discriminator(play).backward()
    assert play.critic.weight.grad.abs().sum() > 0 and play.fake_features[0].grad is None


def test_the_generator_is_led_to_show_its_noise(play: Play):
    Latent().generator(play).backward()
    grad = play.fake_features[0].grad
    assert grad is not None and grad.abs().sum() > 0


def test_a_critic_that_guesses_nothing_is_a_clear_mistake(make_play: Callable[..., Play]):
    silent = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=SimpleNamespace(latents=0), z=torch.zeros(2, 4))
    with pytest.raises(ValueError, match="latent: this critic guesses no noise"):
        Latent().generator(silent)
