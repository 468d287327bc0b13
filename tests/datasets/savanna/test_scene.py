import numpy as np
import pytest

from t2vgan.datasets.savanna.motion import DISTANCE
from t2vgan.datasets.savanna.scene import PAN, SCALE, VALUES, ZOOM, Camera, sample_story

LION = {"subject": "lion", "appearance": "plain", "action": "walks", "direction": "right", "place": "savanna",
        "time": "sunset", "camera": "static"}  # fmt: skip


def story(seed=0, **changes):
    return sample_story({**LION, **changes}, np.random.default_rng(seed), duration_s=2.0)


def test_the_same_generator_gives_the_same_scene_and_another_gives_another():
    assert story().takes[0].actor == story().takes[0].actor
    assert story().takes[0].landscape.props == story().takes[0].landscape.props
    assert story().takes[0].landscape.props != story(1).takes[0].landscape.props


@pytest.mark.parametrize(("move", "pan", "zoom"), [("static", 0, 1), ("pans left", -PAN, 1), ("pans right", PAN, 1),
                                                   ("zooms in", 0, ZOOM), ("zooms out", 0, 1 / ZOOM)])  # fmt: skip
def test_a_camera_move_is_centred_on_half_time(move, pan, zoom):
    way, factor = Camera(move, 1.0).path(np.array([0.0, 1.0, 2.0]), 2.0)
    assert way[2] - way[0] == pytest.approx(pan)
    assert factor[2] / factor[0] == pytest.approx(zoom)
    assert way[1] == pytest.approx(0)
    assert factor[1] == pytest.approx(1)


def test_sizes_do_not_overlap_whatever_is_drawn():
    for subject in VALUES["subject"]:
        ranges = []
        for appearance in SCALE:
            takes = [story(seed, subject=subject, appearance=appearance).takes[0] for seed in range(60)]
            sizes = [take.actor.scale for take in takes]
            ranges.append((min(sizes), max(sizes)))
        assert ranges[0][1] * ZOOM < ranges[1][0] * 1.05, subject
        assert ranges[1][1] * ZOOM < ranges[2][0] * 1.05, subject


def seen_at(instant, seeds=1500, **changes):
    """Zoom, place and pace of the ground under the animal at one instant of many clips."""
    rows = []
    for seed in range(seeds):
        take = story(seed, direction=("left", "right")[seed % 2], **changes).takes[0]
        way, zoom = take.camera.path(np.array([instant]), 2.0)
        actor = take.actor
        x = actor.x + actor.facing * DISTANCE[actor.action] * (instant / 2 - 0.5) - way[0]
        rows.append((zoom[0], 0.5 - actor.facing * (x - 0.5)))
    return np.array(rows)


@pytest.mark.parametrize(
    "changes", [{"camera": c} for c in VALUES["camera"]] + [{"action": a} for a in VALUES["action"]]
)
def test_zoom_and_place_at_an_unknown_instant_are_nearly_alike_for_all(changes):
    instants = (0.1, 0.6, 1.1, 1.6, 1.9)
    plain = np.concatenate([seen_at(i, seeds=300) for i in instants])
    other = np.concatenate([seen_at(i, seeds=300, **changes) for i in instants])
    for share in (10, 50, 90):
        zoom, place = np.abs(np.percentile(plain, share, axis=0) - np.percentile(other, share, axis=0))
        assert zoom < 0.04
        assert place < 0.14  # who runs crosses half of the frame


@pytest.mark.parametrize("action", VALUES["action"])
def test_every_clip_has_a_hare_ahead_of_the_animal(action):
    for seed in range(40):
        take = story(seed, action=action, appearance=VALUES["appearance"][seed % 3]).takes[0]
        assert 0.3 < take.hare.ahead < 0.62


def test_a_transition_changes_place_and_time_but_not_the_animal():
    told = story(transition="cut", then_place="snow", then_time="night")
    first, second = told.takes
    assert (second.landscape.place, second.landscape.time) == ("snow", "night")
    assert second.actor is first.actor
    assert 0.7 < told.turn_s < 1.3
    assert len(story().takes) == 1
