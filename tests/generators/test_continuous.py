"""Canvases that are painted once for a clip, and the window before them in which something acts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from t2vgan.generators.continuous import Continuous, MovingCoordinates, before, window_of
from t2vgan.generators.convlstm import ConvLstm
from t2vgan.generators.steering import EXTENTS, HOMES
from t2vgan.shapes import TextFeatures

MakeText = Callable[..., TextFeatures]


def generator_of(*, attend_at: int = 8, **options: bool) -> Continuous:
    """With every weight a little off its start, so that branches which begin at zero take part."""
    torch.manual_seed(0)
    generator = Continuous(text_dim=12, size=32, z_dim=8, dim=32, width=16, attend_at=attend_at, **options)
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


def test_a_content_code_does_not_grow_beyond_its_limit(make_text: MakeText):
    """Nor does what reads it, whatever its weights and the encoder of sentences come to."""
    text, z = make_text([3, 4]), torch.randn(2, 8)
    sizes = {}
    for limit in (0.0, 2.0):
        torch.manual_seed(0)
        generator = generator_of(content_limit=limit)
        for factor in (1.0, 100.0):
            generator.content[2].weight.data *= factor
            louder = TextFeatures(factor * text.sentence, text.words, text.mask)
            sizes[limit, factor] = float(generator.coded(z, louder)[0].detach().square().mean().sqrt())
    assert sizes[0.0, 100.0] > 10 * sizes[0.0, 1.0]
    assert 0.9 * sizes[0.0, 1.0] < sizes[2.0, 1.0] < sizes[0.0, 1.0], "what is small stays as it is"
    assert 1.9 < sizes[2.0, 100.0] < 2.0


def test_what_is_tried_has_company_where_asked(make_text: MakeText):
    text, times, moved = make_text([3] * 4), (torch.arange(3) / 4).repeat(4, 1), {}
    for company in (False, True):
        generator = generator_of(company=company)
        generator.chance = torch.randn(4, generator.chances, generator=torch.Generator().manual_seed(0))
        generator.chance[:, -6:-4] = 2.0  # something low at either side goes along
        generator.still = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            generator(torch.ones(4, 8), text, times)
        assert generator.trial is not None
        moved[company] = generator.trial.moving
    for one, other in zip(moved[False], moved[True], strict=True):
        apart = (one - other).abs().amax((0, 1, 2, 4))
        assert apart[:8].max() < 1e-3 < 0.1 < apart[20:].max(), "only what is low"


def test_words_that_count_steer_where_asked(make_text: MakeText):
    plain, counted = generator_of(words_count=False), generator_of(words_count=True)
    assert plain.steering.steer.hidden == plain.steering.leave.hidden == 0
    assert counted.steering.steer.hidden == counted.steering.leave.hidden == 64
    text, z = make_text([3, 4]), torch.randn(2, 8)
    other = TextFeatures(text.sentence, text.words.flip(0), text.mask)
    one, two = (counted.coded(z, each)[1].held for each in (text, other))
    assert not torch.allclose(one, two)


def test_sizes_that_cannot_be():
    with pytest.raises(ValueError, match=r"generator\.attend_at is 64: take 0 for none, or 4, 8, 16$"):
        Continuous(text_dim=12, size=16, attend_at=64)
    with pytest.raises(ValueError, match=r"generator\.width is 12: it has to be at least 16"):
        ConvLstm(text_dim=12, size=16, width=12)


@pytest.mark.parametrize("taper", [1, 2, 8])
def test_any_taper_of_the_widths(make_text: MakeText, taper: int):
    generator = Continuous(text_dim=12, size=16, z_dim=8, dim=32, width=64, taper=taper)
    assert generator(torch.randn(1, 8), make_text([4]), torch.zeros(1, 1)).shape == (1, 3, 1, 16, 16)
