import math

import torch

from t2vgan.generators.camera import Camera, Path

SIZE, CANVAS = 16, 20


def ramp(frames=1, batch=1):
    """A canvas that is brighter to the right and, in its second channel, to the bottom: in frame widths."""
    along = (torch.arange(CANVAS) + 0.5 - CANVAS / 2) / SIZE
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y]).expand(batch, frames, 2, CANVAS, CANVAS)


def path(pan=0.0, zoom=0.0, share=1.0, up=0.0):
    return Path(torch.tensor([[pan]]), torch.tensor([[zoom]]), torch.full((1, 8), share), torch.tensor([[up]]))


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


def test_what_goes_up_shows_what_was_below_it():
    shift = Camera(dim=4, text_dim=3).film(ramp(), path(up=0.1), SIZE) - ramp()[..., 2:-2, 2:-2]
    torch.testing.assert_close(shift[0, 0, 1, 4:12], torch.full((8, SIZE), 0.1))
    torch.testing.assert_close(shift[0, 0, 0], torch.zeros(SIZE, SIZE))


def test_near_things_are_low_in_the_frame(make_text):
    shares = Camera(dim=4, text_dim=3).shares(torch.ones(2, 4), make_text([2, 3], dim=3))
    assert (shares.diff(dim=1) > 0).all() and shares.min() > 0 and shares.max() < 1
