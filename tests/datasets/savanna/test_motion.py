import itertools

import numpy as np
import pytest

from t2vgan.datasets.savanna.motion import DISTANCE, HOP, Stance, foot, pose
from t2vgan.datasets.savanna.scene import VALUES

TIMES = np.arange(64) / 32
STANCE = Stance(step=0.1, leap=0.3, crouch=0.4, trunk=0.5, tempo=1.0)


@pytest.mark.parametrize("action", VALUES["action"])
def test_an_animal_advances_as_far_as_its_action_says(action):
    advance = pose(action, np.array([0.0, 1.0, 2.0]), 2.0, STANCE).advance
    assert advance[2] - advance[0] == pytest.approx(DISTANCE[action])
    assert advance[1] == pytest.approx(0)


def test_speeds_are_well_apart():
    slow_to_fast = [DISTANCE[action] for action in ("rests", "stalks", "walks", "runs")]
    assert slow_to_fast[0] == 0
    assert all(fast > 1.7 * slow for slow, fast in itertools.pairwise(slow_to_fast))


@pytest.mark.parametrize("action", VALUES["action"])
def test_feet_never_sink_and_only_who_leaps_goes_up_and_down(action):
    body = pose(action, TIMES, 2.0, STANCE)
    heights = np.stack([foot(body, leg, 0.2)[1] for leg in range(4)])
    assert heights.min() > -1e-9
    assert (heights.min(axis=0) < 0.02).mean() > 0.5, "some foot is at the lowest most of the time"
    if action == "leaps":
        assert body.hop.max() > 0.95 * HOP
        assert (body.hop < 1e-6).any(), "it lands between two leaps"
    else:
        assert np.ptp(body.hop) == 0


def test_who_rests_holds_its_feet_still():
    body = pose("rests", TIMES, 2.0, STANCE)
    assert all(np.ptp(part) < 1e-12 for leg in range(4) for part in foot(body, leg, 0.2))
    assert np.ptp(body.swing) > 1, "its tail still swings"


def test_feet_on_the_ground_move_backwards_under_a_walking_body():
    body = pose("walks", TIMES, 2.0, STANCE)
    forwards, up = foot(body, 0, 0.2)
    standing = (up[1:] < 1e-9) & (up[:-1] < 1e-9)
    assert standing.sum() > 20
    assert (np.diff(forwards)[standing] < 0).all()


def test_one_instant_says_nothing_of_the_action():
    rng = np.random.default_rng(0)
    stances = [Stance(*rng.uniform(size=4), tempo=1.0) for _ in range(4_000)]
    instant = np.array([0.7])
    by_action = {
        action: np.array(
            [
                [body.hop[0], body.height[0], body.neck[0], body.pitch[0], body.stretch, *foot(body, 1, 0.2)[0]]
                for body in (pose(action, instant, 2.0, stance) for stance in stances)
            ]
        )
        for action in VALUES["action"]
    }
    shares = np.linspace(5, 95, 7)
    wanted = np.percentile(by_action["walks"], shares, axis=0)
    span = np.ptp(by_action["walks"], axis=0)
    for action, seen in by_action.items():
        gap = np.abs(np.percentile(seen, shares, axis=0) - wanted) / span
        assert gap.max() < 0.06, (action, gap.max(axis=0))
