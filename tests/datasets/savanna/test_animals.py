import itertools

import numpy as np
import pytest

from t2vgan.datasets.savanna.animals import ANIMALS, hare
from t2vgan.datasets.savanna.motion import pose
from t2vgan.datasets.savanna.palette import COATS, inks
from t2vgan.datasets.savanna.scene import VALUES

TIMES = np.arange(16) / 8


@pytest.mark.parametrize(("subject", "action"), list(itertools.product(VALUES["subject"], VALUES["action"])))
def test_every_animal_in_every_action_is_drawn_in_known_inks_on_the_ground(subject, action):
    drawing = ANIMALS[subject](pose(action, TIMES, 2.0, 0.2, 1.0))
    known = inks(COATS[0], "noon")
    points = np.concatenate([np.broadcast_to(outline, (16, *outline.shape[1:])) for _, outline in drawing], axis=1)
    assert {ink for ink, _ in drawing} <= set(known)
    assert np.isfinite(points).all()
    assert points[..., 1].min() > -0.06, "nothing is drawn below the ground"
    assert 0.25 < np.ptp(points[..., 0], axis=1).max() < 0.85, "its length is a good part of the frame"


def height(subject, action="walks"):
    drawing = ANIMALS[subject](pose(action, TIMES, 2.0, 0.2, 1.0))
    return max(outline[..., 1].max() for _, outline in drawing)


def test_giraffe_and_ostrich_are_tall_and_resting_animals_are_low():
    others = max(height(subject) for subject in ("lion", "elephant", "zebra"))
    assert height("giraffe") > height("ostrich") > 0.4
    assert height("giraffe") > 1.4 * others
    for subject in ANIMALS:
        assert height(subject, "rests") < 0.82 * height(subject), subject


def test_the_hare_is_small():
    points = np.concatenate([outline for _, outline in hare(np.zeros(1), np.zeros(1))], axis=1)
    assert np.ptp(points[0], axis=0).max() < 0.17
