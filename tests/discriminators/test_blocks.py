"""Layers of the critics against their equations."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from t2vgan.discriminators.blocks import SpectralConv2d, TextProjection, TimeEmbedding


def conv() -> SpectralConv2d:
    torch.manual_seed(0)
    return SpectralConv2d(5, 7, 3, 1, 1)


def largest_singular_value(weight: torch.Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight.flatten(1), ord=2).detach())


def test_spectral_normalisation_brings_the_largest_singular_value_to_one():
    layer, x = conv(), torch.randn(2, 5, 8, 8)
    layer.weight.data *= 3
    for _ in range(30):
        layer(x)
    assert largest_singular_value(layer.normalised_weight()) == pytest.approx(1.0, abs=0.02)
    expected = torch.nn.functional.conv2d(
        x, layer.weight.detach() / largest_singular_value(layer.weight), layer.bias, padding=1
    )
    assert torch.allclose(layer(x), expected, atol=0.02 * float(expected.abs().max().detach()))


def test_each_call_is_one_power_iteration_in_training_only():
    layer, x = conv(), torch.randn(2, 5, 8, 8)
    states = [layer.u.clone()]
    for training, frozen in ((True, False), (True, True), (False, False), (True, False)):
        layer.train(training)
        layer.frozen = frozen
        layer(x)
        states.append(layer.u.clone())
    same = [torch.equal(a, b) for a, b in pairwise(states)]
    assert same == [False, True, True, False]
    v = torch.nn.functional.normalize(layer.weight.flatten(1).T @ states[0], dim=0)
    assert torch.allclose(states[1], torch.nn.functional.normalize(layer.weight.flatten(1) @ v, dim=0), atol=1e-6)


def test_the_gradient_knows_of_the_normalisation():
    """A function of W / sigma(W) does not change along W, so its gradient has no share in that direction."""
    layer = conv().double()
    for _ in range(200):
        layer.normalised_weight()
    direction = torch.randn(layer.weight.shape, dtype=torch.float64)
    (slope,) = torch.autograd.grad((layer.normalised_weight() * direction).sum(), [layer.weight])
    assert float((slope * layer.weight.detach()).sum()) == pytest.approx(0.0, abs=1e-8) and slope.abs().sum() > 0


def test_the_iterations_stay_in_float32_under_autocast():
    layer, x = conv(), torch.randn(2, 5, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x)
        assert layer.normalised_weight().dtype == layer.u.dtype == torch.float32


def test_projection_is_realism_and_agreement():
    torch.manual_seed(0)
    head, features, sentence = TextProjection(channels=6, text_dim=4), torch.randn(2, 6, 3, 3), torch.randn(2, 4)
    logits = head(features, sentence)
    assert logits.shape == (2, 9)
    for clip in range(2):
        for place in range(9):
            f = features[clip].flatten(1)[:, place]
            realism = f @ head.realism.weight[0] + head.realism.bias[0]
            agreement = f @ head.sentence(sentence[clip]) / math.sqrt(6)
            assert torch.allclose(logits[clip, place], realism + agreement, atol=1e-5)
            assert torch.allclose(head(features, None)[clip, place], realism, atol=1e-5)


def test_places_may_lie_in_space_and_time():
    head = TextProjection(channels=6, text_dim=4)
    assert head(torch.randn(2, 6, 2, 3, 4), torch.randn(2, 4)).shape == (2, 24)


def test_instants_a_frame_apart_are_told_apart():
    torch.manual_seed(0)
    embed = TimeEmbedding(frames=3, dim=8)
    times = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.5, 1.0625], [0.125, 0.625, 1.125]])  # one later frame; all later
    rows = embed(times)
    assert rows.shape == (3, 8) and torch.equal(rows, embed(times))
    assert (rows[0] - rows[1]).abs().max() > 1e-3 and (rows[0] - rows[2]).abs().max() > 1e-3
