import itertools
from dataclasses import replace

import numpy as np
import pytest

from t2vgan.datasets.savanna.animals import ANIMALS, hare
from t2vgan.datasets.savanna.motion import Stance, pose
from t2vgan.datasets.savanna.palette import COATS, inks
from t2vgan.datasets.savanna.scene import VALUES

TIMES = np.arange(16) / 8
UPRIGHT = Stance(step=0.2, leap=0.0, crouch=0.0, trunk=0.3, tempo=1.0)


@pytest.mark.parametrize("crouch", [0.0, 1.0])
@pytest.mark.parametrize(("subject", "action"), list(itertools.product(VALUES["subject"], VALUES["action"])))
def test_every_animal_in_every_action_is_drawn_in_known_inks_on_the_ground(subject, action, crouch):
    drawing = ANIMALS[subject](pose(action, TIMES, 2.0, replace(UPRIGHT, crouch=crouch)))
    known = inks(COATS[0], "noon")
    points = np.concatenate([np.broadcast_to(outline, (16, *outline.shape[1:])) for _, outline in drawing], axis=1)
    assert {ink for ink, _ in drawing} <= set(known)
    assert np.isfinite(points).all()
    assert points[..., 1].min() > -0.06, "nothing is drawn below the ground"
    assert 0.25 < np.ptp(points[..., 0], axis=1).max() < 0.85, "its length is a good part of the frame"


def height(subject, crouch=0.0):
    drawing = ANIMALS[subject](pose("walks", TIMES, 2.0, replace(UPRIGHT, crouch=crouch)))
    return max(outline[..., 1].max() for _, outline in drawing)


def test_giraffe_and_ostrich_are_tall_and_crouching_animals_are_low():
    others = max(height(subject) for subject in ("lion", "elephant", "zebra"))
    assert height("giraffe") > height("ostrich") > 0.4
    assert height("giraffe") > 1.4 * others
    for subject in ANIMALS:
        assert height(subject, crouch=1.0) < 0.9 * height(subject), subject


def test_the_hare_is_small():
    points = np.concatenate([outline for _, outline in hare(np.zeros(1))], axis=1)
    assert np.ptp(points[0], axis=0).max() < 0.17
