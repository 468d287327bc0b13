import math

import pytest
import torch

from t2vgan.generators.camera import Camera

SIZE, CANVAS = 16, 20


def ramp(frames=1, batch=1):
    """A canvas that is brighter to the right and, in its second channel, to the bottom: in frame widths."""
    along = (torch.arange(CANVAS) + 0.5 - CANVAS / 2) / SIZE
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y]).expand(batch, frames, 2, CANVAS, CANVAS)


def path(pan=0.0, zoom=0.0, share=1.0):
    return torch.tensor([[pan]]), torch.tensor([[zoom]]), torch.full((1, 8), share)


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


@pytest.mark.parametrize("weight", [0.0, 1e4])
def test_it_begins_at_rest_and_never_goes_faster_than_its_reach(weight, make_text):
    camera = Camera(dim=4, text_dim=3)
    torch.nn.init.constant_(camera.pace.of_content.weight, weight)
    pan, zoom, shares = camera.path(torch.ones(2, 4), make_text([2, 3], dim=3), torch.tensor([[0.0, 1.0, 2.0]] * 2))
    for track, reach in zip((pan, zoom), camera.reach, strict=True):
        assert track.abs().max() <= reach + 1e-6
        assert (track.abs().max() > 0.9 * reach) == (weight > 0)
        torch.testing.assert_close(track[:, 1], torch.zeros(2))
    assert (shares.diff(dim=1) > 0).all(), "near things are low in the frame"


def test_gradients_reach_pace_and_canvas(make_text):
    camera, canvas = Camera(dim=4, text_dim=3), ramp(frames=2).clone().requires_grad_()
    content = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    film = camera.film(canvas, camera.path(content, make_text([3], dim=3), torch.tensor([[0.0, 2.0]])), SIZE)
    (film[0, 1] - film[0, 0]).sum().backward()
    for linear in (camera.pace.of_content, camera.pace.of_word):
        assert linear.weight.grad is not None and linear.weight.grad.abs().sum() > 0
    assert canvas.grad is not None and canvas.grad.abs().sum() > 0
