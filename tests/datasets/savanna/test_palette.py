import itertools

import numpy as np
import pytest

from t2vgan.datasets.savanna.palette import COATS, GROUNDS, LIGHTS, column, inks, lit, mix


def test_mix_goes_from_one_colour_to_the_other():
    assert mix((0, 10, 20), (100, 110, 120), 0.25) == (25, 35, 45)


@pytest.mark.parametrize("place", GROUNDS)
def test_times_of_day_are_far_apart_in_sky_and_ground(place):
    y = np.linspace(0, 1, 32)
    columns = [column(time, place, 0.6, y) for time in LIGHTS]
    for a, b in itertools.combinations(columns, 2):
        assert np.abs(a[:16] - b[:16]).mean() > 25, "sky"
        assert np.abs(a[22:] - b[22:]).mean() > 12, "ground"


@pytest.mark.parametrize("time", LIGHTS)
def test_coats_stand_out_from_the_ground(time):
    for ground, coat in itertools.product(GROUNDS.values(), COATS):
        near = np.array(lit(ground.near, time))
        worn = [np.array(inks(coat, time)[ink]) for ink in ("coat", "dark")]
        assert max(np.abs(near - ink).max() for ink in worn) > 40


def test_the_horizon_parts_sky_and_ground():
    sky, ground = column("noon", "savanna", 0.6, np.array([0.59, 0.61]))
    assert sky[2] > ground[2]
    np.testing.assert_allclose(ground, GROUNDS["savanna"].far, atol=3)
