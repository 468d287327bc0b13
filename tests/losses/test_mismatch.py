"""The wrong caption is the third kind of input: its score goes down, on the features that are there already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from t2vgan.losses import LOSSES
from t2vgan.losses.mismatch import Mismatch
from t2vgan.losses.play import Play
from t2vgan.shapes import TextFeatures

MakePlay = Callable[..., Play]


class Judge:
    """Scores features by their product with the sentence; it never looks at a clip again."""

    def judge(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
        return features[0] @ text.sentence.T

    def features(self, *args: Any) -> Tensor:
        raise AssertionError("the features of the real clips are in the play")


@pytest.fixture
def play(make_play: MakePlay, make_text: Callable[..., TextFeatures]) -> Play:
    generator = torch.Generator().manual_seed(0)
    features, real, fake = (torch.randn(3, n, generator=generator) for n in (4, 3, 3))
    return make_play(
        real, fake, critic=Judge(), real_features=(features.requires_grad_(),), text=make_text([2, 2, 2], dim=4),
        wrong_text=make_text([2, 3, 1], dim=4, seed=1),
    )  # fmt: skip


def wrong_logits(play: Play) -> Tensor:
    assert play.wrong_text is not None
    return (play.real_features[0] @ play.wrong_text.sentence.T).double()


def test_hinge(play: Play):
    expected = (1 + wrong_logits(play)).clamp(min=0).mean()
    assert torch.allclose(Mismatch(form="hinge").discriminator(play).double(), expected)
    assert torch.equal(Mismatch().discriminator(play), Mismatch(form="hinge").discriminator(play))


def test_logistic(play: Play):
    """The wrong pair counts as fake: -E[log(1 - D)]."""
    expected = -torch.log(1 - torch.sigmoid(wrong_logits(play))).mean()
    assert torch.allclose(Mismatch(form="logistic").discriminator(play).double(), expected)


def test_relativistic(play: Play):
    expected = -torch.log(torch.sigmoid(play.real_logits.double() - wrong_logits(play))).mean()
    assert torch.allclose(Mismatch(form="relativistic").discriminator(play).double(), expected)


@pytest.mark.parametrize("form", ["hinge", "logistic", "relativistic"])
def test_it_teaches_the_features(play: Play, form: str):
    (slope,) = torch.autograd.grad(Mismatch(form=form).discriminator(play), [play.real_features[0]])
    assert slope.abs().sum() > 0


def test_a_blind_critic_cannot_tell_captions_apart(make_play: MakePlay):
    with pytest.raises(ValueError, match=r"this critic is blind to captions; .* blind: false"):
        Mismatch().discriminator(make_play(torch.zeros(2, 2), torch.zeros(2, 2)))


def test_a_form_that_does_not_exist():
    with pytest.raises(ValueError, match="form 'minimax' is not one of hinge, logistic, relativistic"):
        Mismatch(form="minimax")


def test_the_generator_has_no_such_term():
    assert not hasattr(LOSSES["mismatch"], "generator")
