"""Canvases that are painted once for a clip, and the window before them in which something acts."""

from __future__ import annotations

from collections.abc import Callable

import torch

from t2vgan.generators.continuous import Continuous, MovingCoordinates, before, window_of
from t2vgan.generators.steering import EXTENTS, HOMES
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]


def generator_of(*, attend_at: int) -> Continuous:
    """With every weight a little off its start, so that branches which begin at zero take part."""
    torch.manual_seed(0)
    generator = Continuous(text_dim=12, size=32, z_dim=8, dim=32, width=16, attend_at=attend_at)
    for p in generator.parameters():
        p.data += 0.02 * torch.randn_like(p)
    return generator


def test_what_is_behind_the_subject_is_painted_once(make_text: MakeText):
    """Canvases of all instants agree outside of the subject's surroundings, and differ within them."""
    generator = generator_of(attend_at=8)
    text, times = make_text([3, 4]), (torch.arange(6) / 8).repeat(2, 1)
    _, _, canvas, maps = generator.paint(torch.randn(2, 8), text, times)
    changes = canvas.diff(dim=1).abs().amax((0, 1, 2))
    rows, columns = window_of(canvas.shape[-1])
    assert (rows, columns) == (slice(12, 36), slice(0, 28))  # of 40
    around = torch.ones_like(changes, dtype=torch.bool)
    around[rows, columns] = False
    assert changes[around].max() == 0 < changes[~around].mean()
    at_home = changes[20:25, 14:20]
    assert at_home.mean() > 10 * changes[rows.start, columns].mean(), "it fades out towards the edge of its window"
    torch.testing.assert_close(maps.sum(2), torch.ones_like(maps.sum(2)))


def test_what_acts_is_painted_in_its_window_as_on_a_whole_canvas():
    """In its middle; near the edges convolutions see no further."""
    generator = generator_of(attend_at=0)
    coarse, fine = list(generator.blocks[: generator.coarse]), list(generator.blocks[generator.coarse :])
    style, spots = torch.randn(2, 32), torch.randn(2, 4, 3)
    start = generator.constant.expand(2, -1, -1, -1)
    x, rgb, _ = generator.painted(coarse, start, None, style, spots)
    everywhere = generator.painted(fine, x, rgb, style, spots)[1]
    window = window_of(10)
    alone = generator.painted(fine, x[..., *window], rgb[..., *window], style, spots, cut=True)[1]
    assert everywhere.shape[-2:] == (40, 40) and alone.shape[-2:] == (24, 28)
    inside = (..., slice(9, -9), slice(9, -9))
    torch.testing.assert_close(alone[inside], everywhere[..., *window_of(40)][inside], atol=1e-4, rtol=1e-4)

    whole = MovingCoordinates(groups=2, features=3, size=16, highest=4.0)
    places = torch.randn(5, 2, 3)
    assert torch.equal(whole(places)[..., *window_of(20)], whole(places, cut=True))
    assert generator.coarse == 2, "blocks of 4 and 8 pixels see all of a canvas"
    ground, actor = torch.zeros(1, 1, 3, 20, 20), torch.ones(1, 2, 3, *whole(places, cut=True).shape[-2:])
    shown = before(ground, actor, torch.tensor(HOMES[-1]), torch.tensor(EXTENTS[-1]))
    assert shown[..., 11, 8].min() > 0.95 and shown[..., 0, :].max() == 0
