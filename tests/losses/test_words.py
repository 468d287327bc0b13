"""Words of the right caption go up, those that only the wrong one has go down, all others are left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import softplus

from t2vgan.losses.play import Contrast, Play
from t2vgan.losses.words import Words, mean
from t2vgan.shapes import TextFeatures


@pytest.fixture
def play(make_play: Callable[..., Play], make_text: Callable[..., TextFeatures], reader: object) -> Play:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(2, 4, generator=generator).requires_grad_() for _ in range(2))
    only_right = torch.tensor([[False, True, False], [False, False, True], [True, False, False]])
    only_wrong = torch.tensor([[False, True], [True, False], [False, False]])
    contrast = Contrast(
        torch.tensor([1, 0, 0]),
        make_text([3, 3, 3], dim=4),
        make_text([2, 2, 2], dim=4, seed=1),
        only_right,
        only_wrong,
    )
    content = torch.tensor([[True, False, True], [False, True, False]])
    return make_play(
        torch.zeros(2, 1), torch.zeros(2, 1), critic=reader, real_features=(real,), fake_features=(fake,),
        text=make_text([3, 3], dim=4, seed=2), content=content, contrast=contrast,
    )  # fmt: skip


def test_the_critic_learns_from_what_differs(play: Play):
    assert play.contrast is not None
    real, right, wrong = play.real_features[0], play.contrast.right.words, play.contrast.wrong.words
    ups = [right[0, 1] @ real[1], right[1, 2] @ real[0], right[2, 0] @ real[0]]
    downs = [wrong[0, 1] @ real[1], wrong[1, 0] @ real[0]]
    expected = softplus(-torch.stack(ups)).mean() + softplus(torch.stack(downs)).mean()
    assert torch.allclose(Words().discriminator(play), expected)


def test_the_critic_does_not_learn_from_fakes(play: Play):
    Words().discriminator(play).backward()
    assert play.real_features[0].grad is not None and play.fake_features[0].grad is None


def test_the_generator_is_to_show_the_content_words_of_its_caption(play: Play):
    assert play.text is not None
    fake, words = play.fake_features[0], play.text.words
    scores = torch.stack([words[0, 0] @ fake[0], words[0, 2] @ fake[0], words[1, 1] @ fake[1]])
    loss = Words().generator(play)
    assert torch.allclose(loss, softplus(-scores).mean())
    loss.backward()
    assert fake.grad is not None and play.real_features[0].grad is None


def test_where_every_caption_was_dropped_there_is_nothing_to_learn(play: Play):
    loss = Words().discriminator(dataclasses.replace(play, contrast=None))
    assert loss == 0 and loss.requires_grad == play.real_logits.requires_grad


def test_a_blind_critic_is_a_clear_mistake(make_play: Callable[..., Play]):
    blind = make_play(torch.zeros(2, 1), torch.zeros(2, 1))
    for side in (Words().discriminator, Words().generator):
        with pytest.raises(ValueError, match="words: this critic is blind"):
            side(blind)


def test_shares_of_unequal_numbers_of_words_add_up_to_the_mean_over_all():
    values, among = torch.tensor([1.0, 50.0, 2.0, 3.0, 10.0]), torch.tensor([True, False, True, True, True])
    shares, count = (slice(0, 2), slice(2, 5)), torch.tensor(2.0)
    assert torch.stack([mean(values[s], among[s], count) for s in shares]).mean() == mean(values, among) == 4.0
    assert mean(values, among & False, torch.tensor(0.0)) == mean(values, among & False) == 0.0
