"""The numbers that steer a clip: what they do to the camera and to who is before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from t2vgan.generators.animated import DRAWS, animated
from t2vgan.generators.camera import Path
from t2vgan.generators.continuous import Continuous
from t2vgan.generators.steering import STRIDE, SWING, Steering, to_the_right
from t2vgan.shapes import TextFeatures

TIMES = torch.tensor([[0.5, 1.0, 1.5]])
MakeText = Callable[..., TextFeatures]


def steering() -> Steering:
    torch.manual_seed(0)
    return Steering(z_dim=2, dim=4, text_dim=3)


def path(numbers: list[float], make_text: MakeText, *, times: Tensor = TIMES, mirrored: bool = False) -> Path:
    given = (torch.tensor([numbers]), torch.zeros(1, 4), make_text([3], dim=3), times, torch.tensor([mirrored]))
    return steering().path(*given)


def test_a_pan_and_a_zoom_go_on_evenly_and_are_nothing_in_the_middle(make_text: MakeText):
    made = path([0.5, -0.5, 0.0, -1.0], make_text)
    torch.testing.assert_close(made.pan, 0.5 * Steering.reach[0] * torch.tensor([[-0.5, 0.0, 0.5]]))
    torch.testing.assert_close(made.zoom, -0.5 * Steering.reach[1] * torch.tensor([[-0.5, 0.0, 0.5]]))
    assert made.way.abs().max() == 0


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_subject_goes_by_its_speed_from_a_home_that_leaves_room_ahead(mirrored: bool, make_text: MakeText):
    made = path([0.9, 0.9, 0.5, -1.0], make_text, mirrored=mirrored)
    torch.testing.assert_close(made.way[..., 0], 0.5 * Steering.reach[2] * torch.tensor([[-0.5, 0.0, 0.5]]))
    assert made.way[..., 1].abs().max() == 0 and (made.home[0, 0] > 0) == mirrored


def test_who_leaps_goes_up_and_down(make_text: MakeText):
    way = path([0.0, 0.0, 0.0, 0.5], make_text, times=torch.linspace(0, 2, 41)[None]).way
    height = 0.75 * Steering.reach[3]
    assert way[..., 0].abs().max() == 0 and -0.5 * height - 1e-4 <= way[..., 1].min() < -0.4 * height
    assert 0.4 * height < way[..., 1].max() <= 0.5 * height + 1e-4


@pytest.mark.parametrize("weight", [0.0, 1e4])
def test_a_camera_begins_nearly_at_rest_and_nothing_goes_beyond_its_reach(weight: float, make_text: MakeText):
    made = steering()
    torch.nn.init.constant_(made.steer.of_content.weight, weight)
    numbers, held, _ = made(torch.ones(2, 2), torch.ones(2, 4), make_text([2, 3], dim=3))
    assert numbers.abs().max() <= 1
    if weight:
        assert numbers[:, :2].abs().min() > 0.9
    else:
        assert numbers[:, :2].abs().max() < 0.3 and numbers[:, 3].max() < -0.9, "hardly a pan, a zoom, a leap"
        assert held[:, :2].abs().max() == 0
    assert numbers[:, 2].min() > 0, "a speed can be learned from its square"


def test_noise_moves_a_camera_that_no_word_speaks_of(make_text: MakeText):
    """And no subject; a word that takes its leave away holds it still."""
    made, z, text = steering(), torch.randn(64, 2), make_text([1] * 64, dim=3)
    numbers, held, _ = made(z, torch.zeros(64, 4), text)
    assert numbers[:, :2].std(0).min() > 0.01 and numbers[:, 2:].std(0).max() == held.std(0).max() == 0
    text.words[:] = 1.0
    with torch.no_grad():
        made.leave.of_word.weight.fill_(-20.0)
    assert made(z, torch.zeros(64, 4), text).numbers[:, :2].abs().max() < 1e-3


def test_right_is_ahead_unless_the_picture_is_mirrored():
    numbers = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).expand(2, -1)
    turned = to_the_right(numbers, torch.tensor([False, True]))
    assert turned.tolist() == [pytest.approx([0.1, 0.2, 0.3, 0.4]), pytest.approx([0.1, 0.2, -0.3, 0.4])]


def test_a_gait_goes_on_as_the_way_does(make_text: MakeText):
    steering, times, text = (
        Steering(z_dim=2, dim=4, text_dim=3),
        (torch.arange(5) / 8).repeat(2, 1),
        make_text([2, 2], dim=3),
    )
    numbers = torch.tensor([[0.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.5, -1.0]])
    gait = steering.gait(numbers, torch.randn(1, 4).expand(2, -1), text, times)
    assert gait[0].diff().abs().max() == 0, "who rests stands still in some step"
    path = steering.path(numbers, torch.zeros(2, 4), text, times, torch.zeros(2, dtype=torch.bool))
    cycles = gait[1].diff() / path.way[1, :, 0].diff()
    torch.testing.assert_close(cycles, cycles[:1].expand(4))
    assert 1 / 1.25 < cycles[0] * STRIDE < 1.25


@pytest.fixture
def generator() -> Continuous:
    torch.manual_seed(0)
    return Continuous(text_dim=12, size=16, z_dim=8, dim=32, width=16)


def test_a_trial_shows_the_clip_from_its_other_side(generator: Continuous, make_text: MakeText):
    z, text, times = torch.randn(2, 8), make_text([3, 3]), (torch.arange(3) / 4).repeat(2, 1)
    for p in generator.steering.free.parameters():
        nn.init.zeros_(p)  # a camera pans the same way, whichever side of the scene it sees
    with torch.no_grad():
        video = generator(z, text, times)
    assert generator.trial is not None
    torch.testing.assert_close(generator.trial.video, video.flip(-1), atol=1e-4, rtol=1e-4)


def test_a_trial_moves_pictures_by_the_numbers_that_were_drawn(generator: Continuous, make_text: MakeText):
    """A picture of stripes: nothing moves by zeros, all of it by a pan, and by a speed what is before it alone."""
    z, text, times = torch.randn(3, 8), make_text([3] * 3), (torch.arange(3) / 4).repeat(3, 1)
    numbers = torch.tensor([[0, 0, 0, -0.99], [0.9, 0, 0, -0.99], [0, 0, 0.9, -0.99]])
    still = torch.sin(torch.arange(16.0) * 1.5).expand(3, 3, 16, 16)
    shape = torch.zeros(3, DRAWS)
    shape[:, -4:] = 0.9  # parts that begin to sway in one place, and hardly do
    generator.chance = torch.cat([torch.erfinv(numbers) * 2**0.5, torch.zeros(3, 8), shape], 1)
    generator.still = still
    with torch.no_grad():
        generator(z, text, times)
    assert generator.trial is not None and generator.still is None and generator.chance is None
    torch.testing.assert_close(generator.trial.drawn, numbers, atol=1e-5, rtol=1e-5)
    moved = generator.trial.moving.diff(dim=2).abs().mean((1, 2))  # (3, h, w)
    sky = moved[:, :2].mean((1, 2))
    assert sky[1] > 0.02 and max(sky[0], sky[2]) < 0.01, "what is far goes with the camera alone"
    assert moved[2].mean() > 1.5 * moved[0].mean(), "something goes before what rests"


def test_what_goes_before_a_still_goes_by_its_way():
    generator = torch.Generator().manual_seed(0)
    still, draws = torch.rand(2, 3, 40, 40, generator=generator), 2 * torch.rand(2, DRAWS, generator=generator) - 1
    times = torch.tensor([[0.0, 0.5]] * 2)
    way = torch.zeros(2, 2, 2)
    rests = animated(still, way, times, draws)
    assert rests.shape == (2, 2, 3, 40, 40)
    way[:, 1, 0] = 8 * 1.25 / 40  # eight pixels of a canvas of 40, to the right
    goes = animated(still, way, times, draws)
    torch.testing.assert_close(goes[:, 0], rests[:, 0])
    before = (rests - still[:, None]).abs().sum(2) > 0.05
    now = (goes - still[:, None]).abs().sum(2) > 0.05
    shared = (now[:, 1, :, 8:] == before[:, 1, :, :-8]).float().mean()
    assert before.float().mean() > 0.02 and shared > 0.9, "its outline has gone as far"


def test_legs_swing_from_two_fifths_of_a_training_on(make_text: MakeText):
    """Fully from half of it on, and in whatever was trained."""
    made, given = (
        steering(),
        (torch.zeros(1, 4), torch.zeros(1, 4), make_text([3], dim=3), TIMES, torch.tensor([False])),
    )
    assert float(made.path(*given).swing) == pytest.approx(SWING)
    for done, share in ((0.0, 0.0), (0.4, 0.0), (0.45, 0.5), (0.5, 1.0), (0.9, 1.0)):
        made.grow(done)
        assert float(made.path(*given).swing) == pytest.approx(share * SWING)
