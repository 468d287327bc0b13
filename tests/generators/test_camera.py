import math

import torch

from t2vgan.generators.camera import FEET, KNOTS, Camera, Path
from t2vgan.generators.steering import EXTENTS, SWING

SIZE, CANVAS = 16, 20


def ramp(frames=1, batch=1):
    """A canvas that is brighter to the right and, in its second channel, to the bottom: in frame widths."""
    along = (torch.arange(CANVAS) + 0.5 - CANVAS / 2) / SIZE
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y]).expand(batch, frames, 2, CANVAS, CANVAS)


def path(pan=0.0, zoom=0.0, share=1.0, way=(0.0, 0.0), home=(0.0, 0.0), phase=0.0, swing=0.0):
    camera = (torch.tensor([[pan]]), torch.tensor([[zoom]]), torch.as_tensor(share).expand(1, KNOTS))
    actor = (torch.tensor([[way]]), torch.tensor([home]), torch.tensor([[phase]]), torch.tensor(swing))
    return Path(*camera, *actor, torch.tensor(EXTENTS[-1:]))


def test_a_camera_that_rests_shows_the_middle_of_the_canvas():
    film = Camera(dim=4, text_dim=3).film(ramp(), path(), SIZE)
    torch.testing.assert_close(film, ramp()[..., 2:-2, 2:-2])


def test_a_pan_to_the_right_shows_what_is_further_right_and_far_things_less_so():
    for share in (1.0, 0.25):
        film = Camera(dim=4, text_dim=3).film(ramp(), path(pan=0.1, share=share), SIZE)
        shift = film - ramp()[..., 2:-2, 2:-2]
        torch.testing.assert_close(shift[0, 0, 0, :, 4:12], torch.full((SIZE, 8), 0.1 * share))
        torch.testing.assert_close(shift[0, 0, 1], torch.zeros(SIZE, SIZE))


def test_zooming_in_makes_things_larger():
    film = Camera(dim=4, text_dim=3).film(ramp(), path(zoom=math.log(1.25)), SIZE)
    torch.testing.assert_close(film, ramp()[..., 2:-2, 2:-2] / 1.25)


def test_beyond_the_edge_the_canvas_goes_on_as_it_ends():
    film = Camera(dim=4, text_dim=3).film(ramp(), path(pan=0.4), SIZE)
    torch.testing.assert_close(film[..., 0, :, -1].max(), ramp().max())


def test_a_subject_goes_its_way_and_what_is_far_from_it_stays():
    """Each pixel of the ramp says where it was on the canvas."""
    way, home = (0.125, -0.0625), (-0.125, 0.0625)
    camera = Camera(dim=4, text_dim=3)
    came_from = camera.film(ramp(), path(way=way, home=home), SIZE)[0, 0] - ramp()[0, 0, :, 2:-2, 2:-2]
    row, column = 8, 8  # of the frame: at home, after the way
    torch.testing.assert_close(came_from[:, row, column], -torch.tensor(way), atol=1e-3, rtol=0)
    assert came_from[:, 0].abs().max() < 0.03 and came_from[:, :, -1].abs().max() < 0.03
    lost = came_from[0].diff(dim=1) * SIZE  # below -1 a place would be looked up twice, and the picture folded
    assert lost.min() > -1


def came_from(**made):
    """Where what is at each place of a frame was on the canvas: frame widths to the right and downwards of there."""
    shown = Camera(dim=4, text_dim=3).film(ramp(), path(**made), SIZE)
    return (shown - ramp()[..., 2:-2, 2:-2])[0, 0]


def test_who_stands_in_a_pan_goes_with_the_ground_at_its_feet():
    """Upright, where what is behind it is nearer to the camera below than above."""
    shares, home = torch.linspace(0, 1, KNOTS), (0.0, 0.0)
    left = -came_from(pan=-0.1, share=shares, home=home)[0]  # of (SIZE, SIZE): by how much what is seen has gone
    rows = (torch.arange(SIZE) + 0.5) / SIZE
    torch.testing.assert_close(left[:, 0], 0.1 * rows, atol=2e-3, rtol=0)  # far from it the ground pans by its rows
    foot = 0.1 * (0.5 + FEET)
    torch.testing.assert_close(left[6:12, 7:9], torch.full((6, 2), foot), atol=2e-3, rtol=0)


def test_a_share_is_read_between_knots():
    made = path(share=torch.linspace(0.2, 0.9, KNOTS))
    torch.testing.assert_close(
        made.share(torch.tensor([[-0.7, -0.5, 0.0, 0.5]])), torch.tensor([[0.2, 0.2, 0.55, 0.9]])
    )


def test_what_is_low_in_a_subject_swings_as_it_steps():
    """By so much to each side, once in a cycle; hind legs and forelegs in turn; what is above its hips stays."""
    home = (-0.125, 0.0625)
    begin, quarter, half, whole = (came_from(home=home, swing=0.08, phase=phase) for phase in (0.0, 0.25, 0.5, 1.0))
    feet, middle = 11, 6  # of the frame: below its home
    assert 0.06 < -quarter[0, feet, middle] < 0.08 and abs(begin[0, feet, middle]) < 0.03
    torch.testing.assert_close(half, -begin, atol=1e-4, rtol=0)
    torch.testing.assert_close(whole, begin, atol=1e-4, rtol=0)
    assert quarter[0, :8].abs().max() < 1e-4 and quarter[1].abs().max() < 1e-4
    legs = came_from(home=home, swing=0.08)[0, feet]
    assert legs[middle - 3] * legs[middle + 3] < 0 and legs.abs()[middle - 3 : middle + 4 : 6].min() > 0.02
    mirrored = came_from(home=(-home[0], home[1]), swing=0.08)[0, feet]
    torch.testing.assert_close(mirrored, -legs.flip(0), atol=1e-4, rtol=0)


def test_legs_at_their_widest_do_not_fold_pictures():
    for phase in torch.linspace(0, 1, 9).tolist():
        moved = came_from(home=(-0.125, 0.0625), swing=SWING, phase=phase)
        assert (moved[0].diff(dim=1) * SIZE).min() > -1


def test_near_things_are_low_in_the_frame(make_text):
    shares = Camera(dim=4, text_dim=3).shares(torch.ones(2, 4), make_text([2, 3], dim=3))
    assert (shares.diff(dim=1) > 0).all() and shares.min() > 0 and shares.max() < 1
