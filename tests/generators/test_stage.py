"""A subject in front of a landscape, and the numbers that move both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from t2vgan.generators.stage import CHANNELS, Stage
from t2vgan.shapes import TextFeatures

SIZE, CANVAS = 16, 20
TIMES = torch.tensor([[0.5, 1.0, 1.5]])
MakeText = Callable[..., TextFeatures]


def stage() -> Stage:
    torch.manual_seed(0)
    return Stage(dim=4, text_dim=3)


def shoot(numbers: list[float], make_text: MakeText, *, mirrored: bool = False, canvas: Tensor | None = None) -> Tensor:
    """A bright spot in the middle of the front layer."""
    made, content, text = stage(), torch.zeros(1, 4), make_text([3], dim=3)
    if canvas is None:
        canvas = torch.full((1, 3, CHANNELS, CANVAS, CANVAS), -1.0)
        canvas[:, :, 3:6, 8:12, 8:12] = 1.0
        canvas[:, :, 6] = 20.0  # in front everywhere
    paths = made.paths(torch.tensor([numbers]), content, text, TIMES, torch.tensor([mirrored]))
    return made.film(canvas, paths, SIZE)


def middle(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Where the bright spot is in each frame, in frame widths from the middle: to the right and downwards."""
    light = frames[0].mean(1) + 1
    at = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    total = light.sum((1, 2))
    return (light.sum(1) * at).sum(1) / total, (light.sum(2) * at).sum(1) / total


def test_only_the_subject_moves_by_its_speed_and_as_it_faces(make_text: MakeText):
    for mirrored, sign in ((False, 1), (True, -1)):
        x, y = middle(shoot([0.0, 0.0, 0.5, 0.0], make_text, mirrored=mirrored))
        way = sign * 0.5 * Stage.reach[2] * (TIMES[0] - 1)
        torch.testing.assert_close(x, way, atol=0.01, rtol=0)
        assert y.abs().max() < 0.01


def test_a_pan_moves_the_subject_against_it(make_text: MakeText):
    x, _ = middle(shoot([0.5, 0.0, 0.0, 0.0], make_text))
    torch.testing.assert_close(x, -0.5 * Stage.reach[0] * (TIMES[0] - 1), atol=0.01, rtol=0)


def test_who_leaps_goes_up_and_down(make_text: MakeText):
    still, leaping = (middle(shoot([0.0, 0.0, 0.0, h], make_text))[1] for h in (0.0, 0.6))
    assert (still.max() - still.min()) < 0.001 < 0.05 < (leaping.max() - leaping.min())


def test_the_landscape_stays_while_the_subject_goes(make_text: MakeText):
    canvas = torch.randn(1, 1, CHANNELS, CANVAS, CANVAS).repeat(1, 3, 1, 1, 1)
    canvas[:, :, 6, :, :10], canvas[:, :, 6, :, 10:] = -50.0, 50.0  # left: landscape, right: subject
    frames = shoot([0.0, 0.0, -0.5, 0.0], make_text, canvas=canvas)[0]
    torch.testing.assert_close(frames[0, ..., :6], frames[2, ..., :6])
    assert (frames[0, ..., 12:] - frames[2, ..., 12:]).abs().mean() > 0.1


def test_landscape_alone_where_no_subject_is_seen(make_text: MakeText):
    canvas = torch.randn(1, 3, CHANNELS, CANVAS, CANVAS)
    canvas[:, :, 6] = -50.0
    torch.testing.assert_close(shoot([0.0] * 4, make_text, canvas=canvas), canvas[:, :, :3, 2:-2, 2:-2])


@pytest.mark.parametrize("weight", [0.0, 1e4])
def test_it_begins_at_rest_and_never_goes_beyond_its_reach(weight: float, make_text: MakeText):
    made = stage()
    torch.nn.init.constant_(made.steer.of_content.weight, weight)
    numbers = made.steering(torch.ones(2, 4), make_text([2, 3], dim=3))
    assert numbers.abs().max() <= 1 and (numbers.abs().min() > 0.9) == (weight > 0)
