"""The games against their equations, computed here another way and in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from t2vgan.losses import LOSSES
from t2vgan.losses.adversarial import Hinge, Minimax, Nonsaturating, Relativistic
from t2vgan.losses.play import Play

MakePlay = Callable[..., Play]
# What both players have a term for, from the logits alone.
APART = ("words", "mirror", "steer", "latent", "energy")  # look at more than logits
GAMES = [name for name, part in LOSSES.items() if hasattr(part, "generator") and name not in APART]


def logits(seed: int) -> Tensor:
    return 2 * torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def play(make_play: MakePlay) -> Play:
    return make_play(logits(0), logits(1))


def test_the_games_are_these():
    assert GAMES == ["minimax", "nonsaturating", "hinge", "relativistic", "wasserstein"]


def test_minimax_is_the_value_of_the_game(play: Play):
    """-L_D = E[log D(V_r)] + E[log(1 - D(G(s, z)))], which D maximises and G minimises."""
    d_real, d_fake = torch.sigmoid(play.real_logits), torch.sigmoid(play.fake_logits)
    value = torch.log(d_real).mean() + torch.log(1 - d_fake).mean()
    assert torch.allclose(-Minimax().discriminator(play), value, atol=1e-12)
    assert torch.allclose(Minimax().generator(play), torch.log(1 - d_fake).mean(), atol=1e-12)


def test_minimax_at_its_equilibrium(make_play: MakePlay):
    """Goodfellow et al. 2014, theorem 1: where D can tell nothing, the value is -log 4."""
    unsure = make_play(torch.zeros(3, 4), torch.zeros(3, 4))
    assert torch.allclose(-Minimax().discriminator(unsure), -torch.log(torch.tensor(4.0)))


def test_nonsaturating(play: Play):
    assert torch.equal(Nonsaturating().discriminator(play), Minimax().discriminator(play))
    expected = -torch.log(torch.sigmoid(play.fake_logits)).mean()
    assert torch.allclose(Nonsaturating().generator(play), expected, atol=1e-12)


def test_hinge_on_numbers_that_can_be_added_by_hand(make_play: MakePlay):
    play = make_play(torch.tensor([[2.0, 0.5], [1.0, -1.0]]), torch.tensor([[-2.0, 0.0], [1.0, -0.5]]))
    assert Hinge().discriminator(play).item() == (0 + 0.5 + 0 + 2) / 4 + (0 + 1 + 2 + 0.5) / 4
    assert Hinge().generator(play).item() == 1.5 / 4


def test_relativistic(play: Play):
    gap = play.real_logits - play.fake_logits
    assert torch.allclose(Relativistic().discriminator(play), -torch.log(torch.sigmoid(gap)).mean(), atol=1e-12)
    assert torch.allclose(Relativistic().generator(play), -torch.log(torch.sigmoid(-gap)).mean(), atol=1e-12)


def test_relativistic_compares_pairs_and_not_averages(play: Play, make_play: MakePlay):
    shuffled = make_play(play.real_logits, play.fake_logits.flip(0))
    assert not torch.allclose(Relativistic().discriminator(play), Relativistic().discriminator(shuffled))
    assert torch.allclose(Hinge().discriminator(play), Hinge().discriminator(shuffled))
    both_up = make_play(play.real_logits + 3, play.fake_logits + 3)
    assert torch.allclose(Relativistic().discriminator(play), Relativistic().discriminator(both_up))


@pytest.mark.parametrize("name", GAMES)
def test_who_pulls_which_way(name: str, make_play: MakePlay):
    """D wants real logits up and fake ones down; G wants fake ones up and cannot touch the real ones' video."""
    real, fake = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    d_real, d_fake = torch.autograd.grad(LOSSES[name]().discriminator(make_play(real, fake)), [real, fake])
    (g_fake,) = torch.autograd.grad(LOSSES[name]().generator(make_play(real.detach(), fake)), [fake])
    assert (d_real < 0).all() and (d_fake > 0).all() and (g_fake < 0).all()


def test_only_minimax_leaves_a_generator_that_is_found_out_without_a_gradient(make_play: MakePlay):
    slopes = {}
    for name in GAMES:
        fake = torch.full((1, 1), -20.0, requires_grad=True)
        (slope,) = torch.autograd.grad(LOSSES[name]().generator(make_play(torch.full((1, 1), 20.0), fake)), [fake])
        slopes[name] = -slope.item()
    assert 0 < slopes.pop("minimax") < 1e-8
    assert all(slope == pytest.approx(1.0) for slope in slopes.values())


@pytest.mark.parametrize("name", GAMES)
def test_a_critic_that_is_very_sure_breaks_nothing(name: str, make_play: MakePlay):
    for real, fake in ((1e4, -1e4), (-1e4, 1e4)):
        logits = [torch.full((2, 2), value, requires_grad=True) for value in (real, fake)]
        loss = LOSSES[name]().discriminator(make_play(*logits)) + LOSSES[name]().generator(make_play(*logits))
        slopes = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and all(slope.isfinite().all() for slope in slopes)
