import numpy as np
import pytest

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
            seen = [take.actor.scale * take.camera.zoom for take in takes]
            ranges.append((min(seen), max(seen)))
        assert ranges[0][1] * 1.1 < ranges[1][0], subject
        assert ranges[1][1] * 1.1 < ranges[2][0], subject


def test_a_transition_changes_place_and_time_but_not_the_animal():
    told = story(transition="cut", then_place="snow", then_time="night")
    first, second = told.takes
    assert (second.landscape.place, second.landscape.time) == ("snow", "night")
    assert second.actor is first.actor
    assert 0.7 < told.turn_s < 1.3
    assert len(story().takes) == 1
