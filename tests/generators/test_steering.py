"""The numbers that steer a clip: what they do to the camera and to who is before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from t2vgan.generators.animated import BESIDE, DRAWS, PARTS, SHAPE, accompanied, animated
from t2vgan.generators.camera import Path
from t2vgan.generators.continuous import Continuous
from t2vgan.generators.steering import EXTENTS, HOMES, STRIDE, SWING, Steering, to_the_right
from t2vgan.losses.steer import FIRST
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
        assert held[:, :2].abs().min() > 0.9
    else:
        assert numbers[:, :2].abs().max() < 0.3 and numbers[:, 3].max() < -0.9, "hardly a pan, a zoom, a leap"
        assert held[:, :2].abs().max() == 0
        assert numbers[:, 2].tolist() == pytest.approx([FIRST, FIRST], abs=0.01), "where `steer` holds it"


def test_words_by_themselves_tell_how_a_subject_moves_and_in_their_context_how_the_camera_does(make_text: MakeText):
    torch.manual_seed(0)
    made = Steering(z_dim=2, dim=4, text_dim=3, words_count=True, words_alone=True)
    nn.init.normal_(made.steer.of_word[-1].weight, std=0.01)
    z, content, text = torch.zeros(1, 2), torch.zeros(1, 4), make_text([3], dim=3)
    text.alone = text.words.flip(-1)
    camera, subject = slice(0, 2), slice(2, 4)

    def differs(content: Tensor, text: TextFeatures) -> list[bool]:
        apart = (made(z, content, text).held.detach() - before).abs()[0]
        return [float(apart[part].max()) > 1e-5 for part in (camera, subject)]

    before = made(z, content, text).held.detach()
    said = TextFeatures(text.sentence, text.words + 1, text.mask, text.alone)
    assert differs(content, said) == [True, False], "another context"
    assert differs(content, TextFeatures(text.sentence, text.words, text.mask, text.alone + 1)) == [False, True]
    nn.init.normal_(made.steer.of_content.weight, std=0.1)
    assert differs(torch.ones(1, 4), text) == [True, False], "another content code"
    with pytest.raises(ValueError, match="does not say what words are by themselves"):
        made(z, content, TextFeatures(text.sentence, text.words, text.mask))


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
    torch.testing.assert_close(cycles * STRIDE, torch.ones(4))


@pytest.fixture
def generator() -> Continuous:
    torch.manual_seed(0)
    return Continuous(text_dim=12, size=16, z_dim=8, dim=32, width=16)


def test_a_trial_shows_the_clip_from_its_other_side(generator: Continuous, make_text: MakeText):
    z, text, times = torch.randn(2, 8), make_text([3, 3]), (torch.arange(3) / 4).repeat(2, 1)
    for p in generator.steering.free.parameters():
        nn.init.zeros_(p)  # a camera pans the same way, whichever side of the scene it sees
    generator.chance = torch.randn(2, generator.chances)
    with torch.no_grad():
        video = generator(z, text, times)
    assert generator.trial is not None
    torch.testing.assert_close(generator.trial.video, video.flip(-1), atol=1e-4, rtol=1e-4)


def test_nothing_is_tried_where_nobody_asks(generator: Continuous, make_text: MakeText):
    generator(torch.randn(2, 8), make_text([3, 3]), (torch.arange(3) / 4).repeat(2, 1))
    assert generator.training and generator.trial is None


def test_a_trial_moves_pictures_by_the_numbers_that_were_drawn(generator: Continuous, make_text: MakeText):
    """A picture of stripes: nothing moves by zeros, all of it by a pan, and by a speed what is before it alone."""
    z, text, times = torch.randn(3, 8), make_text([3] * 3), (torch.arange(3) / 4).repeat(3, 1)
    numbers = torch.tensor([[0, 0, 0, -0.99], [0.9, 0, 0, -0.99], [0, 0, 0.9, -0.99]])
    still = torch.sin(torch.arange(16.0) * 1.5).expand(3, 3, 16, 16)
    shape = torch.zeros(3, DRAWS)
    shape[:, 0] = -1.0  # nothing is cut out
    shape[:, 9 + 4 * PARTS : 9 + 6 * PARTS] = 0.9  # parts that begin to sway in one place, and hardly do
    generator.chance = torch.cat([torch.erfinv(numbers) * 2**0.5, torch.zeros(3, 8), shape], 1)
    generator.still = still
    with torch.no_grad():
        generator(z, text, times)
    assert generator.trial is not None and generator.still is None and generator.chance is None
    torch.testing.assert_close(generator.trial.drawn, numbers, atol=1e-5, rtol=1e-5)
    moved = generator.trial.moving[0].diff(dim=2).abs().mean((1, 2))  # (3, h, w)
    sky = moved[:, :2].mean((1, 2))
    assert sky[1] > 0.02 and max(sky[0], sky[2]) < 0.01, "what is far goes with the camera alone"
    assert moved[2].mean() > 1.5 * moved[0].mean(), "something goes before what rests"


def test_a_trial_moves_canvases_by_the_numbers_that_were_drawn(generator: Continuous, make_text: MakeText):
    """By those that steer the clips themselves they are the clips, from their other side."""
    z, text, times = torch.randn(3, 8), make_text([3] * 3), (torch.arange(3) / 4).repeat(3, 1)
    generator.small = False  # all of what goes along, as in clips
    apart = []
    for pan in (0.0, 0.3):
        chance = torch.randn(3, generator.chances, generator=torch.Generator().manual_seed(0))
        generator.chance = chance.clone()
        with torch.no_grad():
            generator(z, text, times)
        assert generator.trial is not None
        numbers = to_the_right(generator.trial.numbers, ~generator.trial.mirrored)
        numbers[:, 0] += pan
        chance[:, -BESIDE:] = -3.0  # nothing beside them goes along
        chance[:, :4] = torch.erfinv(numbers) * 2**0.5
        generator.chance = chance
        with torch.no_grad():
            generator(z, text, times)
        apart.append(float((generator.trial.moving[1] - generator.trial.video).abs().max()))
    assert apart[0] < 1e-4 and apart[1] > 0.01


def test_what_goes_in_a_trial_is_small_where_asked(make_text: MakeText):
    z, text, times = torch.randn(4, 8), make_text([3] * 4), (torch.arange(3) / 4).repeat(4, 1)
    torch.manual_seed(0)
    made = Continuous(text_dim=12, size=16, z_dim=8, dim=32, width=16, small=True)
    chance = torch.randn(4, made.chances, generator=torch.Generator().manual_seed(0))
    chance[:, -SHAPE - BESIDE : -BESIDE] = torch.tensor([-3.0, 0.0])
    moved = {}
    for small in (False, True):
        made.small, made.chance = small, chance.clone()
        with torch.no_grad():
            made(z, text, times)
        assert made.trial is not None
        moved[small] = made.trial.moving
    assert all((one - other).abs().max() > 0.01 for one, other in zip(moved[False], moved[True], strict=True))


def before_a_still(make_text: MakeText, draws: Tensor, *, way: float = 0.0, pan: float = 0.0) -> tuple[Tensor, Path]:
    """A still in which only the colour of its own of what goes is seen, at two instants; nothing sways."""
    still, moves = torch.full((len(draws), 3, 80, 80), 0.01), path([0.0, 0.0, 0.0, -1.0], make_text)
    to = torch.tensor([0.0, 1.0]).expand(len(draws), -1)
    moves = moves._replace(pan=pan * to, way=torch.stack([way * to, torch.zeros_like(to)], -1))
    return animated(still, moves, torch.zeros(len(draws), 2), draws)


@pytest.fixture
def draws() -> Tensor:
    drawn = 2 * torch.rand(8, DRAWS - SHAPE - BESIDE, generator=torch.Generator().manual_seed(0)) - 1
    drawn[:, 0], drawn[:, 6:9] = -1.0, 1.0  # nothing is cut out; bright
    return torch.cat([drawn, torch.zeros(8, SHAPE), torch.full((8, BESIDE), -1.0)], 1)  # nothing low goes along


def test_what_goes_before_a_still_goes_by_its_way(make_text: MakeText, draws: Tensor):
    canvas, _ = before_a_still(make_text, draws, way=8 * 1.25 / 80)  # eight pixels of a canvas of 80, to the right
    assert canvas.shape == (8, 2, 3, 80, 80)
    gone = canvas[:, :, 0] > 0.35
    assert gone[:, 0].float().mean() > 0.02, "it covers something"
    same = (gone[:, 1, :, 8:] == gone[:, 0, :, :-8]).float().mean()
    assert same > 0.999, "its outline has gone as far"


def test_what_rests_before_a_still_pans_as_the_ground_at_its_foot_does(make_text: MakeText, draws: Tensor):
    """Seen by a camera that pans it is upright: its outline does not lean as the ground behind it does."""
    canvas, moves = before_a_still(make_text, draws, pan=0.2)
    shape, at = canvas[:, :, 0].clamp(min=0.02) - 0.02, ((torch.arange(80) + 0.5) / 80 - 0.5) * 1.25
    middle = (shape * at).sum(-1) / shape.sum(-1)  # (b, 2, rows) on the canvas
    for b in range(len(draws)):
        rows = [row for row in range(80) if shape[b, 0, row].sum() > 2 and abs(at[row]) < 0.5]
        gone = middle[b, 1, rows] - middle[b, 0, rows] - 0.2 * moves.share(at[rows][None])[b]  # before the camera
        foot = -0.2 * moves.share(0.35 + 0.1 * draws[b : b + 1, 3:4].expand(8, 1))[b]
        assert len(rows) > 5
        torch.testing.assert_close(gone, foot.expand(len(rows)), atol=8e-3, rtol=0)


def test_what_acts_in_a_still_stays_no_sign_of_a_camera_at_rest(make_text: MakeText, draws: Tensor):
    """It is hidden by what is to its sides; or, cut out, it is what goes."""
    still = torch.zeros(8, 3, 80, 80)
    still[:, :, 30:60, 30:50] = 1.0
    moves = path([0.0, 0.0, 0.0, -1.0], make_text)
    moves = moves._replace(pan=torch.zeros(8, 2), way=torch.tensor([0.0, 0.25]).view(1, 2, 1).repeat(8, 1, 2))
    draws[:, 0], draws[4:, 0], draws[:, 6:9] = -1.0, 1.0, 0.0
    draws[4:, 9 + PARTS : -BESIDE] = 0.0
    draws[4:, 9 : 9 + PARTS] = -1.0  # parts are to the left of it
    canvas, _ = animated(still, moves, torch.zeros(8, 2), draws)
    assert canvas[:4, :, 0, 35:55, 35:45].mean() < 0.35, "what goes shows half as bright a picture"
    torch.testing.assert_close(canvas[4:, 0, 0, 40:50, 36:44], still[4:, 0, 40:50, 36:44], atol=0.05, rtol=0)
    torch.testing.assert_close(canvas[4:, 1, 0, 56:66, 52:60], still[4:, 0, 40:50, 36:44], atol=0.05, rtol=0)


def test_what_is_cut_out_and_goes_is_large_or_small_and_stands_on_its_feet(make_text: MakeText, draws: Tensor):
    """How much of what acts in a still goes: all of it is hidden, and that is shown again."""
    still = torch.where(torch.arange(80) % 80 < 24, 0.7, -0.7).expand(8, 3, 80, 80)
    moves = path([0.0, 0.0, 0.0, -1.0], make_text)._replace(pan=torch.zeros(8, 2), way=torch.zeros(8, 2, 2))
    draws[:, 9 : 9 + PARTS] = -1.0  # to the left of it
    draws[:, -SHAPE - BESIDE : -BESIDE] = torch.cartesian_prod(torch.linspace(-1, 1, 4), torch.tensor([-1.0, 1.0]))
    hidden, _ = animated(still, moves, torch.zeros(8, 2), draws)
    draws[:, 0] = 1.0
    shown, _ = animated(still, moves, torch.zeros(8, 2), draws)
    goes = ((shown - hidden) / (still[:, None] - hidden).clamp(max=-0.02))[:, 0, 0, :, 32:40] > 0.5
    at = ((torch.arange(80) + 0.5) / 80 - 0.5) * 1.25
    high = goes.any(2).sum(1)
    lowest = torch.stack([at[rows.any(1)].max() for rows in goes])
    assert (high[::2].diff() > 0).all() and (high[1::2].diff() > 0).all(), "large or small"
    assert (high[::2] > 1.3 * high[1::2]).all(), "slim or not"
    assert lowest.min() > 0.3 and lowest.max() < 0.45, "its feet"
    assert high.max() > 2.5 * high.min()


def test_shares_of_a_pan_are_drawn(make_text: MakeText, draws: Tensor):
    """From little in the sky to all of it at the bottom: parallax is of the place, and no caption tells it."""
    _, moves = before_a_still(make_text, draws)
    assert moves.shares.shape == (8, 8) and moves.shares.diff(dim=1).min() > 0 and moves.shares[:, 0].max() <= 0.3
    torch.testing.assert_close(moves.shares[:, -1], torch.ones(8))
    assert moves.shares[:, 3].std() > 0.05


def test_legs_swing_from_two_fifths_of_a_training_on(make_text: MakeText):
    """Fully from half of it on, and in whatever was trained; and more goes with them."""
    made, given = (
        steering(),
        (torch.zeros(1, 4), torch.zeros(1, 4), make_text([3], dim=3), TIMES, torch.tensor([False])),
    )
    assert float(made.path(*given).swing) == pytest.approx(SWING)
    for done, share in ((0.0, 0.0), (0.4, 0.0), (0.45, 0.5), (0.5, 1.0), (0.9, 1.0)):
        made.grow(done)
        path = made.path(*given)
        assert float(path.swing) == pytest.approx(share * SWING)
        for now, (first, last) in ((path.home[0], HOMES), (path.extent[0], EXTENTS)):
            torch.testing.assert_close(now, torch.lerp(torch.tensor(first), torch.tensor(last), share))


def a_hare(draws: Tensor) -> Tensor:
    """Dark pictures with something small, low and bright at their left; whatever lies there is to go along."""
    draws[:, -BESIDE:] = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    still = torch.zeros(8, 3, 80, 80)
    still[:, :, 64:68, 14:18] = 1.0  # 0.3 frame widths from the middle and 0.325 below it, on a canvas of 1.25
    return still


def test_what_is_small_and_low_goes_along_with_what_acts_in_canvases(make_text: MakeText, draws: Tensor):
    moves, still = path([0.0, 0.0, 0.0, -1.0], make_text), a_hare(draws)
    moves = moves._replace(pan=torch.zeros(8, 2), zoom=torch.zeros(8, 2))
    moves = moves._replace(way=torch.tensor([[0.0, 0.0], [0.125, 0.0]]).expand(8, -1, -1))
    frames = torch.full((8, 2, 3, 64, 64), -1.0)
    seen = accompanied(frames, still, moves, draws)
    bright = seen[:, :, 0] > 0.5
    assert bright[:, 0].sum() > 8 * 4
    torch.testing.assert_close(bright[:, 1, :, 8:], bright[:, 0, :, :-8])
    assert seen[:, :, :, :40].max() < -0.99, "nothing above it"
    draws[:, -BESIDE:] = -1.0
    torch.testing.assert_close(accompanied(frames, still, moves, draws), frames)


def test_what_is_small_and_low_goes_along_before_a_still(make_text: MakeText, draws: Tensor):
    moves, still = path([0.0, 0.0, 0.0, -1.0], make_text), a_hare(draws)
    moves = moves._replace(pan=torch.zeros(8, 2), way=torch.tensor([0.0, 0.125]).view(1, 2, 1).expand(8, -1, 2))
    draws[:, 9 : 9 + PARTS] = 1.0  # the parts are at the right
    canvas, _ = animated(still, moves, torch.zeros(8, 2), draws)
    torch.testing.assert_close(canvas[:, 1, 0, 72:76, 22:26], canvas[:, 0, 0, 64:68, 14:18], atol=0.01, rtol=0)
    assert canvas[:, 1, 0, 72:76, 22:26].min() > 0.9
