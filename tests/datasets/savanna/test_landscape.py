import numpy as np
import pytest

from t2vgan.datasets.savanna.landscape import background
from t2vgan.datasets.savanna.scene import VALUES, sample_story

ATTRIBUTES = {name: values[0] for name, values in VALUES.items()}


def world(**changes):
    return sample_story({**ATTRIBUTES, **changes}, np.random.default_rng(3), duration_s=2.0).takes[0].landscape


@pytest.mark.parametrize("place", VALUES["place"])
@pytest.mark.parametrize("time", VALUES["time"])
def test_everything_has_a_colour_and_parallax_grows_towards_the_camera(place, time):
    behind, front = background(world(place=place, time=time), 0.85)
    shapes = [*behind, *front]
    assert all(np.isfinite(shape.points).all() for shape in shapes)
    assert all(0 <= channel <= 255 for shape in shapes for channel in shape.colour)
    assert len({round(shape.parallax, 2) for shape in shapes}) > 10
    assert max(shape.parallax for shape in behind) < 1.05 < max(shape.parallax for shape in front)
    assert min(shape.parallax for shape in behind) < 0.1, "the sky hardly moves"


def test_places_have_props_of_their_own():
    trees = {place: len(world(place=place).props) for place in VALUES["place"]}
    assert trees["forest"] > trees["snow"] > trees["savanna"]


def test_props_and_marks_cover_what_a_pan_or_zoom_shows():
    for place in VALUES["place"]:
        seen = world(place=place)
        for things in (seen.props, seen.marks):
            assert min(thing.x for thing in things) < 0.05
            assert max(thing.x for thing in things) > 0.95
