"""Arjovsky et al. 2017, eq. 3, on logits worked out by hand."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
import torch

from t2vgan.losses.play import Play
from t2vgan.losses.wasserstein import Wasserstein


def test_the_formula():
    play = Mock(spec=Play, real_logits=torch.tensor([[1.0, 3.0]]), fake_logits=torch.tensor([[0.5, -1.5]]))
    assert float(Wasserstein().discriminator(play)) == pytest.approx(-0.5 - 2.0)
    assert float(Wasserstein().generator(play)) == pytest.approx(0.5)
