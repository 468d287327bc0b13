"""The energy score is least for clips that are spread as real ones are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from t2vgan.discriminators.imagenet_eyes import LEVELS
from t2vgan.discriminators.projected import Projected
from t2vgan.losses.energy import Energy, apart
from t2vgan.losses.play import Play

MakePlay = Callable[..., Play]


def score(make_play: MakePlay, fake: Tensor, real: Tensor, twin: Tensor) -> Tensor:
    nothing = torch.zeros(len(fake), 1)
    return Energy().generator(make_play(nothing, nothing, fake=(fake,), real=(real,), twin=(twin,)))


def test_distances_are_of_places_and_levels():
    a = (torch.zeros(1, 4, 1, 2), torch.zeros(1, 2, 1, 1))
    b = (torch.tensor([3.0, 0.0]).expand(1, 4, 1, 2), torch.tensor([1.0, 7.0]).reshape(1, 2, 1, 1))
    assert apart(a, b) == pytest.approx((1.5 + 5.0) / 2, abs=1e-3), "root mean squares of 3, 0 and of (1, 7)"


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 0.1), (0.0, 0.4), (0.0, 2.5), (1.0, 1.0), (-2.0, 0.5)])
def test_it_is_least_for_the_distribution_itself(make_play: MakePlay, mean: float, deviation: float):
    """With half of the second distance, which is the score whose gradient the loss has."""
    g = torch.Generator().manual_seed(0)
    real, one, two = torch.randn(3, 20_000, 1, 1, 1, generator=g).unbind()

    def energy(fake: Tensor, twin: Tensor) -> Tensor:
        return apart((fake,), (real,)) - apart((fake,), (twin,)) / 2

    changed = energy(mean + deviation * one, mean + deviation * two)
    assert changed > energy(one, two) + 0.005


def test_its_descent_finds_mean_and_spread(make_play: MakePlay):
    g = torch.Generator().manual_seed(0)
    place = torch.tensor([2.0, 0.1], requires_grad=True)  # one clip for every noise, and the wrong one
    optim = torch.optim.Adam([place], lr=0.02)
    for _ in range(400):
        real, z, other = torch.randn(3, 512, 2, 1, 1, generator=g).unbind()
        real = 0.7 * real - 1.0
        fake, twin = place[0] + place[1] * z, (place[0] + place[1] * other).detach()
        optim.zero_grad()
        score(make_play, fake, real, twin).backward()
        optim.step()
    assert place[0].item() == pytest.approx(-1.0, abs=0.1) and place[1].abs().item() == pytest.approx(0.7, abs=0.1)


def test_a_generator_that_shows_its_twin_again_still_has_a_slope(make_play: MakePlay):
    fake = torch.zeros(2, 3, 1, 1, requires_grad=True)
    score(make_play, fake, torch.ones(2, 3, 1, 1), torch.zeros(2, 3, 1, 1)).backward()
    assert fake.grad is not None and torch.isfinite(fake.grad).all() and (fake.grad < 0).all()


def test_stills_are_what_the_halves_look_like_whatever_moves(make_play: MakePlay):
    """One level of two frames of two channels, and one of what moves."""
    critic = Projected(text_dim=4, frames=2, see_size=32, channels=2, width=8, match=True)
    seen = (*(torch.rand(3, 4, 8, 8) for _ in LEVELS), torch.rand(3, 5, 8, 8))
    stills = critic.stills(seen)
    assert len(stills) == len(LEVELS) and stills[0].shape == (3, 2, 2, 1)
    expected = (seen[0][:, :2] + seen[0][:, 2:])[:, :, :4].mean((2, 3)) / 2
    torch.testing.assert_close(stills[0][:, :, 0, 0], expected)
    turned = (*(level.flip(-1).roll(2, 1) for level in seen[:-1]), torch.rand(3, 5, 8, 8))
    nothing, other = torch.zeros(3, 1), tuple(torch.rand_like(level) for level in seen)
    both = [
        Energy(stills=True).generator(make_play(nothing, nothing, critic=critic, fake=fake, real=other, twin=other))
        for fake in (seen, turned)
    ]
    torch.testing.assert_close(*both)


def test_a_critic_without_stills_is_a_clear_mistake(make_play: MakePlay):
    one = (torch.zeros(2, 1, 1, 1),)
    play = make_play(torch.zeros(2, 1), torch.zeros(2, 1), critic=object(), fake=one, real=one, twin=one)
    with pytest.raises(ValueError, match="stills: false"):
        Energy(stills=True).generator(play)


def test_without_a_second_clip_it_is_a_clear_mistake(make_play: MakePlay):
    with pytest.raises(ValueError, match="energy: needs a second clip"):
        Energy().generator(make_play(torch.zeros(2, 1), torch.zeros(2, 1)))
