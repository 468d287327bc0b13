"""One pass finds what the single metrics find, with floors at equal n."""

import math
from collections.abc import Callable

import pytest
import torch

from t2vgan.metrics import frechet_distance, kernel_distance
from t2vgan.metrics.probe import Probe
from t2vgan.metrics.suite import Suite, half
from t2vgan.shapes import Clips

Squares = Callable[..., Clips]


class MeanColour:
    """The simplest extractor: no attributes."""

    name = "colour"
    dim = 3

    def features(self, video: torch.Tensor) -> torch.Tensor:
        return video.float().mean(dim=(2, 3, 4))


def test_halves_are_even_and_do_not_follow_a_period() -> None:
    for period in (2, 4, 5, 7, 8, 10):  # the sequence leans a little on multiples of three
        for phase in range(period):
            places = range(phase, 960, period)
            assert 0.35 < sum(half(i) for i in places) / len(places) < 0.65
    assert [half(i) for i in range(8)] == [False, True, True, False, True, False, False, True]


def test_distances_compare_halves(squares: Squares) -> None:
    real, fake = squares(24, seed=0), squares(24, seed=0, noise=1)
    suite = Suite(MeanColour())
    for rows in (slice(0, 10), slice(10, 24)):
        suite.update(real.video[rows], fake.video[rows] * 0.8)
    found = suite.compute()
    a = torch.tensor([half(i) for i in range(24)])
    x, y = MeanColour().features(real.video), MeanColour().features(fake.video * 0.8)
    for key, distance in (("fd", frechet_distance), ("kid", kernel_distance)):
        expected = (distance(x[a], y[~a]) + distance(x[~a], y[a])) / 2
        assert found[f"{key}_colour"] == pytest.approx(expected.item(), rel=1e-5)
        assert found[f"{key}_colour_floor"] == pytest.approx(distance(x[a], x[~a]).item(), rel=1e-5)
    assert not any(name.startswith("accuracy") for name in found)
    suite.reset()
    assert math.isnan(suite.compute()["fd_colour"])


def test_obedient_clips_reach_the_ceiling_and_shuffled_ones_the_floor(probe: Probe, squares: Squares) -> None:
    real = squares(48, seed=20)
    obedient, shuffled = Suite(probe), Suite(probe)
    obedient.update(real.video, squares(48, seed=20, noise=1).video, real.attributes, real.named)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    shuffled.update(real.video, real.video[order], real.attributes, real.named)
    good, bad = obedient.compute(), shuffled.compute()
    assert good["accuracy/all"] > 0.9 and good["normalised/all"] > 0.9
    assert abs(bad["normalised/all"]) < 0.3 and good["ceiling/all"] == bad["ceiling/all"]
    assert good["floor/colour"] == pytest.approx(1 / 3, abs=0.06)
    assert good["fd_probe"] < 3 * good["fd_probe_floor"]
    rows = {row.name: row for row in obedient.rows()}
    assert set(rows) == {"colour", "direction", "all"}
    assert rows["colour"].counts.total == 48 and rows["direction"].counts.total < 48
    assert rows["all"].normalised == good["normalised/all"]


def test_where_nothing_says_what_captions_name_all_is_judged(probe: Probe, squares: Squares) -> None:
    real, found = squares(24, seed=20), []
    for named in (None, [()] * 24):
        suite = Suite(probe)
        suite.update(real.video, real.video, real.attributes, named)
        found.append(suite.compute())
    assert found[0]["accuracy/colour"] == found[1]["accuracy/colour"] > 0.9


def test_still_clips_are_noticed(probe: Probe, squares: Squares) -> None:
    real = squares(48, seed=20)
    suite = Suite(probe)
    suite.update(real.video, real.video[:, :, :1].expand_as(real.video), real.attributes, real.named)
    found = suite.compute()
    assert found["motion/static"] == 1 and found["motion/static_real"] == 0
    assert found["motion/energy_ratio"] == 0 and math.isnan(found["motion/flicker"])
    assert found["fd_probe"] > 1.5 * found["fd_probe_floor"]


def test_clips_that_are_not_finite_have_no_figures(probe: Probe, squares: Squares) -> None:
    """Else a judge says the first value of each attribute, and the accuracy of a diverged generator looks like one."""
    real = squares(24, seed=20)
    fake = real.video.clone()
    fake[3] = torch.nan
    suite = Suite(probe)
    suite.update(real.video, fake, real.attributes, real.named)
    found = suite.compute()
    figures = [
        name for name in found if name.startswith(("accuracy/", "normalised/", "motion/")) and "real" not in name
    ]
    assert len(figures) > 6 and all(math.isnan(found[name]) for name in figures)
    assert math.isnan(found["fd_probe"]) and found["ceiling/all"] > 0.9 and found["motion/static_real"] == 0


def test_unequal_batches_are_an_error(squares: Squares) -> None:
    with pytest.raises(ValueError, match="3 generated clips for 4 real ones"):
        Suite(MeanColour()).update(squares(4, seed=0).video, squares(3, seed=0).video)
