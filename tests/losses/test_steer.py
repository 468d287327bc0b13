"""What steers a clip goes where the critic believes the words of the caption more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from t2vgan.losses.play import Play
from t2vgan.losses.steer import Steer
from t2vgan.shapes import TextFeatures, Trial

SPREAD = 0.3


def trial(numbers: Tensor, nudges: Tensor, turned: Tensor) -> Trial:
    odds = torch.zeros(len(numbers))
    return Trial(torch.zeros(len(numbers), 3, 1, 2, 2), odds, odds > 0, turned, numbers, nudges, SPREAD)


@pytest.fixture
def play(make_play: Callable[..., Play], make_text: Callable[..., TextFeatures], reader: object) -> Play:
    generator = torch.Generator().manual_seed(0)
    shown, tried = (torch.randn(4, 4, generator=generator).requires_grad_() for _ in range(2))
    turned = torch.tensor([False, True, False, False])
    nudges = SPREAD * torch.randn(4, 2, generator=generator) * ~turned[:, None]
    return make_play(
        torch.zeros(4, 1), torch.zeros(4, 1), critic=reader, fake_features=(shown,), trial_features=(tried,),
        content=torch.ones(4, 3).bool(), text=make_text([3] * 4, dim=4),
        trial=trial(torch.zeros(4, 2, requires_grad=True), nudges, turned),
    )  # fmt: skip


def test_each_nudge_counts_by_what_it_changed(play: Play):
    assert play.trial is not None and play.text is not None
    Steer().generator(play).backward()
    losses = []
    for features in (play.trial_features[0], play.fake_features[0]):
        losses.append(softplus(-torch.einsum("bld,bd->bl", play.text.words, features.detach())).sum(1))
    cost = losses[0] - losses[1]
    cost = cost - cost[[0, 2, 3]].mean()
    expected = cost[:, None] * play.trial.nudges / SPREAD**2 / 4
    grad = play.trial.numbers.grad
    assert grad is not None and torch.allclose(grad, expected) and grad[[0, 2, 3]].abs().min() > 0
    assert grad[1].abs().max() == 0, "a clip that was turned over says nothing of its nudge"
    assert play.fake_features[0].grad is None and play.trial_features[0].grad is None


def test_numbers_find_the_best_place(make_play: Callable[..., Play], make_text: Callable[..., TextFeatures]):
    """A critic whose word is believed the more, the nearer the number is to 0.5: far from any slope of a pixel."""

    class Critic:
        def word_scores(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
            return -20 * (features[0] - 0.5).square()

    generator = torch.Generator().manual_seed(0)
    number = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([number], lr=0.02)
    for _ in range(200):
        numbers = number.expand(16, 1)
        nudges = SPREAD * torch.randn(16, 1, generator=generator)
        play = make_play(
            torch.zeros(16, 1), torch.zeros(16, 1), critic=Critic(), text=make_text([1] * 16, dim=4),
            content=torch.ones(16, 1).bool(), fake_features=(numbers.detach(),),
            trial_features=((numbers + nudges).detach(),), trial=trial(numbers, nudges, torch.zeros(16).bool()),
        )  # fmt: skip
        optimizer.zero_grad()
        Steer().generator(play).backward()
        optimizer.step()
    assert abs(number.item() - 0.5) < 0.15


def test_it_says_what_is_missing(make_play: Callable[..., Play]):
    with pytest.raises(ValueError, match="steer"):
        Steer().generator(make_play(torch.zeros(2, 1), torch.zeros(2, 1)))
