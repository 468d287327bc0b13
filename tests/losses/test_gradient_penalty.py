"""Gradient penalties against slopes that are known, and what they do to the critic that they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from t2vgan.discriminators.blocks import SpectralConv2d
from t2vgan.losses.gradient_penalty import R1, R2, exact_penalty, finite_difference_penalty, noise_like
from t2vgan.losses.play import WHOLE, Part, Play

MakePlay = Callable[..., Play]
METHODS = ["exact", "finite"]


class Linear(nn.Module):
    """D(x) = <w, x>, in two equal logits; `softly` bends it by a tanh."""

    def __init__(self, *weight: float, softly: bool = False) -> None:
        super().__init__()
        self.weight, self.softly = nn.Parameter(torch.tensor(weight)), softly

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return seen

    def judge(self, features: tuple[Tensor, ...], text: Any) -> Tensor:
        logit = torch.cat([f.flatten(1) for f in features], 1) @ self.weight
        return (torch.tanh(logit) if self.softly else logit)[:, None].expand(-1, 2)


def play_of(make_play: MakePlay, critic: nn.Module, *seen: Tensor, fake: tuple[Tensor, ...] = ()) -> Play:
    return make_play(torch.zeros(1, 2), torch.zeros(1, 2), critic=critic, real=seen, fake=fake or seen)


def noise(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def test_exact_on_a_linear_critic_is_half_the_squared_slope(make_play: MakePlay):
    play = play_of(make_play, Linear(3.0, -4.0, 1.0), noise(8, 3))
    assert R1().discriminator(play).item() == pytest.approx((9 + 16 + 1) / 2)


def test_exact_adds_up_all_that_the_eyes_saw(make_play: MakePlay):
    """A critic that sees several maps is penalised for the slope towards all of them."""
    play = play_of(make_play, Linear(3.0, -4.0, 1.0, 2.0), noise(8, 3), noise(8, 1))
    assert R1().discriminator(play).item() == pytest.approx((9 + 16 + 1 + 4) / 2)


def test_exact_on_a_bent_critic_is_the_mean_over_clips(make_play: MakePlay):
    critic, x = Linear(1.0, -2.0, softly=True), noise(6, 2)
    steepness = 1 - torch.tanh(x @ critic.weight) ** 2  # of tanh, at each clip
    expected = (steepness**2 * critic.weight.square().sum()).mean() / 2
    assert R1().discriminator(play_of(make_play, critic, x)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_finite_differences_agree_in_expectation(make_play: MakePlay):
    torch.manual_seed(1)
    critic, x = Linear(1.0, -2.0, 0.5, softly=True), 0.3 * noise(20_000, 3)
    exact = R1().discriminator(play_of(make_play, critic, x)).item()
    finite = R1(method="finite", sigma=0.01).discriminator(play_of(make_play, critic, x)).item()
    assert finite == pytest.approx(exact, rel=0.05)


def test_finite_differences_of_a_linear_critic_do_not_depend_on_their_size():
    weight, x = torch.tensor([1.0, 2.0]), noise(50, 2).double()

    def score(seen: tuple[Tensor, ...]) -> Tensor:
        return seen[0] @ weight.double()

    penalties = []
    for sigma in (0.001, 1.0):
        torch.manual_seed(3)
        penalties.append(finite_difference_penalty(score, (x,), sigma=sigma).item())
    torch.manual_seed(3)
    by_hand = (torch.randn_like(x) @ weight.double()).square().mean().item() / 2
    assert penalties == pytest.approx([by_hand, by_hand])


@pytest.mark.parametrize("method", METHODS)
def test_the_penalty_flattens_the_critic(make_play: MakePlay, method: str):
    """It has a gradient with respect to the critic's weights, and steps along it lower the slope."""
    torch.manual_seed(0)
    critic = Linear(3.0, -4.0)
    for _ in range(5):
        loss = R1(method=method).discriminator(play_of(make_play, critic, noise(256, 2)))
        (slope,) = torch.autograd.grad(loss, [critic.weight])
        assert torch.nn.functional.cosine_similarity(slope, critic.weight, dim=0) > 0.9  # exactly w, were it exact
        critic.weight.data -= 0.2 * slope
    assert critic.weight.detach().norm() < 0.6 * 5


def test_the_exact_gradient_is_that_of_numerical_differentiation():
    """The second backward goes through a bent critic of two layers, as through one that trains."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(4, 5), nn.Softplus(), nn.Linear(5, 1)).double(), noise(3, 4).double()
    weight = next(net.parameters())

    def penalty() -> Tensor:
        return exact_penalty(lambda seen: net(seen[0]).squeeze(1), (x,))

    (slope,) = torch.autograd.grad(penalty(), [weight])
    step = 1e-6
    for place in ((0, 0), (2, 3), (4, 1)):
        weight.data[place] += step
        above = penalty().item()
        weight.data[place] -= 2 * step
        below = penalty().item()
        weight.data[place] += step
        assert slope[place].item() == pytest.approx((above - below) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_r1_is_about_real_clips_and_r2_about_fake_ones(make_play: MakePlay, method: str):
    critic = Linear(2.0, softly=True)
    play = play_of(make_play, critic, torch.zeros(64, 1), fake=(torch.full((64, 1), 10.0),))  # steep; flat
    torch.manual_seed(0)
    assert R1(method=method).discriminator(play) > 1 and R2(method=method).discriminator(play) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_the_video_gets_no_gradient(make_play: MakePlay, method: str):
    x = noise(4, 2).requires_grad_()
    R2(method=method).discriminator(play_of(make_play, Linear(1.0, 2.0), x)).backward()
    assert x.grad is None


class Spectral(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = SpectralConv2d(3, 4, 3, 1, 1)

    def features(self, seen: tuple[Tensor, ...], times: Tensor) -> tuple[Tensor, ...]:
        return (self.conv(seen[0]),)

    def judge(self, features: tuple[Tensor, ...], text: Any) -> Tensor:
        return features[0].flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize("method", METHODS)
def test_spectral_norms_rest_meanwhile(make_play: MakePlay, method: str):
    torch.manual_seed(0)
    critic = Spectral().train()
    before = critic.conv.u.clone()
    R1(method=method).discriminator(play_of(make_play, critic, noise(2, 3, 8, 8))).backward()
    assert torch.equal(critic.conv.u, before) and critic.conv.weight.grad is not None
    critic.features((noise(2, 3, 8, 8),), torch.zeros(2, 1))
    assert not torch.equal(critic.conv.u, before), "and go on afterwards"


def test_spectral_norms_go_on_after_an_error(make_play: MakePlay):
    critic = Spectral().train()
    with pytest.raises(RuntimeError):
        R1().discriminator(play_of(make_play, critic, noise(2, 5, 8, 8)))  # five channels, where three belong
    assert not critic.conv.frozen


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_around_it_does_not_reach_it(make_play: MakePlay, method: str):
    play, penalties = play_of(make_play, Linear(1.234, -2.345), noise(64, 2)), []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            penalties.append(R1(method=method).discriminator(play))
    assert penalties[0].dtype == torch.float32 and torch.equal(*penalties)


def test_a_method_that_does_not_exist():
    with pytest.raises(ValueError, match="method 'zero' is not one of exact, finite"):
        R1(method="zero")
    with pytest.raises(ValueError, match="sigma is 0"):
        R1(method="finite", sigma=0.0)


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 4, 5)])
def test_noise_is_drawn_for_the_whole_batch_and_shared_out(shape: tuple[int, ...]):
    seen = torch.zeros(shape)
    if len(shape) == 4:
        seen = seen.to(memory_format=torch.channels_last)

    def drawn(of: torch.Tensor, part: Part) -> torch.Tensor:
        torch.manual_seed(3)
        return noise_like(of, part)

    whole = drawn(seen, WHOLE)
    torch.manual_seed(3)
    assert torch.equal(whole, torch.randn_like(seen))
    for count in (2, 4):
        shares = [drawn(share, Part(i, count)) for i, share in enumerate(seen.chunk(count))]
        assert torch.equal(torch.cat(shares), whole)
