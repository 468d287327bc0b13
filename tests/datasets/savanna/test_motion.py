import itertools

import numpy as np
import pytest

from t2vgan.datasets.savanna.motion import DISTANCE, foot, pose
from t2vgan.datasets.savanna.scene import VALUES

TIMES = np.arange(64) / 32


@pytest.mark.parametrize("action", VALUES["action"])
def test_an_animal_advances_as_far_as_its_action_says(action):
    advance = pose(action, np.array([0.0, 2.0]), 2.0, 0.3, 1.0).advance
    assert advance[1] - advance[0] == pytest.approx(DISTANCE[action])


def test_speeds_are_well_apart():
    slow_to_fast = [DISTANCE[action] for action in ("rests", "stalks", "walks", "runs")]
    assert slow_to_fast[0] == 0
    assert all(fast > 2 * slow for slow, fast in itertools.pairwise(slow_to_fast))


@pytest.mark.parametrize("action", VALUES["action"])
def test_feet_never_sink_into_the_ground_and_only_leaps_leave_it(action):
    body = pose(action, TIMES, 2.0, 0.1, 1.0)
    heights = np.stack([foot(body, leg, 0.2)[1] for leg in range(4)])
    assert heights.min() > -1e-9
    assert (body.hop >= 0).all()
    if action == "leaps":
        assert body.hop.max() > 0.15
        assert (body.hop < 1e-6).any(), "it lands between two leaps"
    else:
        assert body.hop.max() == 0
        assert (heights.min(axis=0) < 0.02).mean() > 0.5, "some foot is on the ground most of the time"


def test_feet_on_the_ground_move_backwards_under_a_walking_body():
    body = pose("walks", TIMES, 2.0, 0.0, 1.0)
    forwards, up = foot(body, 0, 0.2)
    standing = (up[1:] < 1e-9) & (up[:-1] < 1e-9)
    assert standing.sum() > 20
    assert (np.diff(forwards)[standing] < 0).all()


def test_a_stalking_body_is_low_and_a_running_one_long():
    walk, stalk, run = (pose(action, TIMES, 2.0, 0.0, 1.0) for action in ("walks", "stalks", "runs"))
    assert stalk.height.max() < 0.8 < walk.height.min()
    assert run.stretch > walk.stretch
