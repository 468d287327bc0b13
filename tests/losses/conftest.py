"""Rounds of the game whose logits, features and critics a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from t2vgan.losses.play import Play
from t2vgan.shapes import TextFeatures


@pytest.fixture
def make_play() -> Callable[..., Play]:
    """`make_play(real_logits, fake_logits, **what else differs from nothing)`."""

    def make(real_logits: Tensor, fake_logits: Tensor, **others: Any) -> Play:
        nothing: dict[str, Any] = {
            "critic": None, "times": torch.zeros(len(real_logits), 1), "real": (), "fake": (), "real_features": (),
            "fake_features": (),
            "text": None, "wrong_text": None,
        }  # fmt: skip
        return Play(**{**nothing, **others}, real_logits=real_logits, fake_logits=fake_logits)

    return make


class Reader:
    """The score of a word is its product with the first level of the features."""

    def word_scores(self, features: tuple[Tensor, ...], text: TextFeatures) -> Tensor:
        return torch.einsum("bld,bd->bl", text.words, features[0])


@pytest.fixture
def reader() -> Reader:
    """A critic of words."""
    return Reader()
