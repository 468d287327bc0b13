import hashlib
import subprocess
import sys

import numpy as np
import pytest

from t2vgan.datasets.savanna.draw import draw_story
from t2vgan.datasets.savanna.motion import DISTANCE
from t2vgan.datasets.savanna.scene import PAN, VALUES, sample_story

LION = {"subject": "lion", "appearance": "plain", "action": "runs", "direction": "right", "place": "savanna",
        "time": "noon", "camera": "static"}  # fmt: skip
TIMES = np.arange(16) / 8


def clip(seed=0, size=64, times=TIMES, **changes):
    story = sample_story({**LION, **changes}, np.random.default_rng(seed), duration_s=2.0)
    return draw_story(story, size=size, times=times)


def shift(a, b, rows, reach=16):
    """By how many pixels b's rows are shifted to the right against a's."""
    width = a.shape[1]
    errors = {}
    for s in range(-reach, reach + 1):
        left, right = a[rows, max(0, -s) : width - max(0, s)], b[rows, max(0, s) : width - max(0, -s)]
        errors[s] = np.abs(left.astype(int) - right).mean()
    return min(errors, key=lambda s: errors[s])


def test_a_clip_is_drawn_at_any_size_and_is_the_same_picture():
    small, large = clip(size=32), clip(size=128)
    assert small.shape == (16, 32, 32, 3)
    assert small.dtype == np.uint8
    shrunk = large.reshape(16, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 3


def test_times_are_seconds_so_frame_rates_agree():
    dense = clip(times=np.arange(64) / 32)
    np.testing.assert_array_equal(dense[::4], clip())


def test_pixels_are_the_same_in_another_process():
    here = hashlib.sha256(clip().tobytes()).hexdigest()
    code = (
        "import hashlib, numpy as np\n"
        "from t2vgan.datasets.savanna.draw import draw_story\n"
        "from t2vgan.datasets.savanna.scene import sample_story\n"
        f"story = sample_story({LION!r}, np.random.default_rng(0), duration_s=2.0)\n"
        "frames = draw_story(story, size=64, times=np.arange(16) / 8)\n"
        "print(hashlib.sha256(frames.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@pytest.mark.parametrize(("camera", "way"), [("static", 0), ("pans left", 1), ("pans right", -1)])
def test_the_ground_moves_against_a_pan_and_stands_still_else(camera, way):
    frames = clip(camera=camera, action="rests", appearance="young", size=64)
    moved = shift(frames[2], frames[6], slice(58, 64))
    assert np.sign(moved) == way
    if way:
        assert abs(moved) == pytest.approx(0.25 * PAN * 64 * 1.1, abs=2)


def test_the_animal_moves_where_it_faces():
    for direction, way in (("left", -1), ("right", 1)):
        frames = clip(direction=direction).astype(int)
        empty = np.median(frames, axis=0)
        different = [np.abs(frame - empty).sum(-1) > 60 for frame in (frames[1], frames[14])]
        first, last = (np.nonzero(mask)[1].mean() for mask in different)
        assert way * (last - first) > 10


@pytest.mark.parametrize("subject", VALUES["subject"])
def test_a_subject_stays_in_view_however_the_camera_pans(subject):
    for seed, (camera, appearance) in enumerate((c, a) for c in VALUES["camera"] for a in VALUES["appearance"]):
        story = sample_story({**LION, "subject": subject, "camera": camera, "appearance": appearance},
                             np.random.default_rng(seed), duration_s=2.0)  # fmt: skip
        way, zoom = story.takes[0].camera.path(TIMES, 2.0)
        x = story.takes[0].actor.x + DISTANCE["runs"] * (TIMES / 2 - 0.5) - way
        on_screen = (x - 0.5) * zoom + 0.5
        assert ((on_screen > 0.03) & (on_screen < 0.97)).all()


def test_cut_and_fade_join_two_places():
    plain, cut = clip(transition="none"), clip(transition="cut", then_place="snow", then_time="night")
    fade = clip(transition="fade", then_place="snow", then_time="night")
    np.testing.assert_array_equal(plain[:6], cut[:6])
    np.testing.assert_array_equal(cut[-5:], fade[-5:])
    steps = np.abs(np.diff(cut.astype(int), axis=0)).mean(axis=(1, 2, 3))
    soft = np.abs(np.diff(fade.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert (steps > 40).sum() == 1
    assert soft.max() < 0.8 * steps.max()
