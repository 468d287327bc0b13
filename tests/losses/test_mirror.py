"""The bit of the generator's mirror goes to the side whose words the critic believes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from t2vgan.losses.mirror import Mirror
from t2vgan.losses.play import Play
from t2vgan.shapes import TextFeatures, Trial

CONTENT = torch.tensor([[True, False, True], [False, True, False]])


def turned(odds: Tensor) -> Trial:
    nothing = torch.zeros(len(odds), 0)
    return Trial(torch.zeros(len(odds), 3, 1, 2, 2), odds, odds > 0, (), *[nothing] * 6)


@pytest.fixture
def play(make_play: Callable[..., Play], make_text: Callable[..., TextFeatures], reader: object) -> Play:
    generator = torch.Generator().manual_seed(0)
    shown, other = (torch.randn(2, 4, generator=generator).requires_grad_() for _ in range(2))
    odds = torch.tensor([0.7, -0.3], requires_grad=True)
    return make_play(
        torch.zeros(2, 1), torch.zeros(2, 1), critic=reader, fake_features=(shown,), content=CONTENT,
        text=make_text([3, 3], dim=4), trial=turned(odds), trial_features=(other,),
    )  # fmt: skip


def of_side(play: Play, features: Tensor, clip: int) -> Tensor:
    assert play.text is not None
    return sum(softplus(-(play.text.words[clip, j] @ features[clip])) for j in CONTENT[clip].nonzero().flatten())  # type: ignore[return-value]


def test_its_gradient_is_that_of_the_expected_loss(play: Play):
    """Of the loss in which the side that is not shown is the better by what it is the worse for the average clip."""
    assert play.trial is not None
    Mirror(calm=0).generator(play).backward()
    odds = play.trial.odds.detach().clone().requires_grad_()
    shown = [of_side(play, play.fake_features[0], clip).detach() for clip in range(2)]
    other = [of_side(play, play.trial_features[0], clip).detach() for clip in range(2)]
    usual = (other[0] - shown[0] + other[1] - shown[1]) / 2
    expected = torch.zeros(())
    for clip in range(2):
        of_other = other[clip] - usual
        turned, as_it_is = (shown[clip], of_other) if play.trial.mirrored[clip] else (of_other, shown[clip])
        p = odds[clip].sigmoid()
        expected = expected + (p * turned + (1 - p) * as_it_is) / 2
    expected.backward()
    assert play.trial.odds.grad is not None and odds.grad is not None
    assert torch.allclose(play.trial.odds.grad, odds.grad) and odds.grad.abs().min() > 0


def test_a_side_that_is_worse_for_all_alike_moves_nothing(make_play, make_text, reader):
    shown, other = torch.ones(2, 4), -torch.ones(2, 4)
    text = make_text([3, 3], dim=4)
    text.words[1] = text.words[0]
    odds = torch.tensor([0.0, 0.0], requires_grad=True)
    play = make_play(
        torch.zeros(2, 1), torch.zeros(2, 1), critic=reader, fake_features=(shown,),
        content=CONTENT[:1].expand(2, -1), text=text, trial=turned(odds), trial_features=(other,),
    )  # fmt: skip
    Mirror().generator(play).backward()
    assert odds.grad is not None and odds.grad.abs().max() < 1e-6


def test_the_odds_are_held_back(play: Play):
    assert play.trial is not None
    calm, free = Mirror(calm=0.5).generator(play), Mirror(calm=0).generator(play)
    assert torch.allclose(calm - free, 0.5 * play.trial.odds.square().mean())


def test_nothing_else_learns_from_it(play: Play):
    assert play.trial is not None
    Mirror().generator(play).backward()
    assert play.fake_features[0].grad is None and play.trial_features[0].grad is None


def test_it_says_what_is_missing(make_play: Callable[..., Play]):
    with pytest.raises(ValueError, match="mirror"):
        Mirror().generator(make_play(torch.zeros(2, 1), torch.zeros(2, 1)))
