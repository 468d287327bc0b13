"""What differs between draws: shown by pixels that say where and when they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2vgan.datasets import sampling
from t2vgan.datasets.clip_files import ClipFiles
from t2vgan.datasets.sampling import CaptionedClip, View, shown_at
from t2vgan.datasets.vary import NO_CAPTION, Vary, vary
from t2vgan.shapes import Sample

FPS, COUNT = 8, 32


WALK, OTHER = "A lion walks to the left", "A bird"
TRUTH = {"direction": "left", "subject": "lion"}


class Ruler(ClipFiles):
    """Frame i of every clip: red tells the column, green the frame, blue the row. No file is needed."""

    def __init__(self, captions: list[str], *, count: int = COUNT, size: int = 8, **view: Any) -> None:
        options = {"size": size, "frames": 8, "duration_s": 1.0, "decoder": "auto", "short": "hold"} | view
        options["vary"] = vary(options.get("vary"))
        self.count = count
        clips = [
            CaptionedClip("/", f"{i}.mp4", (text,), f"clip{i}", attributes=TRUTH if text == WALK else {})
            for i, text in enumerate(captions)
        ]
        place = Path("/nonexistent")
        super().__init__(of_split=clips, everything=clips, view=View(**options), home=place, where=place, limit=None)

    def frames(self, index: int, numbers: np.ndarray | None = None) -> np.ndarray:
        side = self.view.stored_size
        numbers = np.arange(self.count) if numbers is None else numbers
        video = np.zeros((len(numbers), side, side, 3), np.uint8)
        video[..., 0], video[..., 2] = np.arange(side)[None, None], np.arange(side)[None, :, None]
        video[..., 1] = numbers[:, None, None]
        return video

    def frame_edges(self, index: int) -> np.ndarray:
        return np.arange(self.count + 1) / FPS


def draws(data: Ruler, count: int = 200) -> list[Sample]:
    first = [data.key(i) for i in range(len(data))].index("clip0")
    return [data.draw(first, np.random.default_rng(seed)) for seed in range(count)]


def times_of(sample: Sample) -> np.ndarray:
    return sample.video[:, 0, 0, 1].astype(int)


def test_a_flip_takes_caption_and_truth_along() -> None:
    samples = draws(Ruler([WALK, OTHER], vary={"flip": True}))
    flipped = [s for s in samples if s.video[0, 0, 0, 0] > s.video[0, 0, -1, 0]]
    assert 70 < len(flipped) < 130
    for sample in samples:
        turned = bool(sample.video[0, 0, 0, 0] > sample.video[0, 0, -1, 0])
        assert sample.caption == ("A lion walks to the right" if turned else WALK)
        assert sample.attributes == {"direction": "right" if turned else "left", "subject": "lion"}
        assert sample.wrong_caption == OTHER and sample.contrasts == ((sample.caption, OTHER),)
        assert len({frame[0, 0, 0] for frame in sample.video}) == 1, "every frame alike"


def test_no_flip_where_the_caption_cannot_be_mirrored() -> None:
    for sample in draws(Ruler(["the man has left the room", OTHER], vary={"flip": True}), 60):
        assert sample.video[0, 0, 0, 0] == 0 and sample.caption == "the man has left the room"


def test_the_other_side_of_a_clip_is_no_wrong_caption_for_it() -> None:
    data = Ruler([WALK, "A lion walks to the right", OTHER], vary={"flip": True})
    assert {sample.wrong_caption for sample in draws(data, 100)} == {OTHER}
    assert data.captions() == sorted([WALK, "A lion walks to the right", OTHER])
    assert Ruler([WALK, OTHER], vary={"flip": True}).shown_captions() == sorted(data.captions())
    assert Ruler([WALK, OTHER]).shown_captions() == sorted([WALK, OTHER])


def test_backwards_only_when_asked_and_where_no_order_is_told() -> None:
    assert all((np.diff(times_of(sample)) == 1).all() for sample in draws(Ruler([OTHER, WALK]), 40))
    backwards = [bool((np.diff(times_of(s)) == -1).all()) for s in draws(Ruler([OTHER, WALK], vary={"reverse": 0.5}))]
    assert 70 < sum(backwards) < 130
    class_of = ["A door opens, then it closes", "A ball falls down", WALK]
    for caption in class_of:
        data = Ruler([caption, "something"], vary={"reverse": 1.0})
        assert all((np.diff(times_of(sample)) == 1).all() for sample in draws(data, 20)), caption


def test_speed_stays_within_what_is_asked_and_never_contradicts_the_caption() -> None:
    spans = [np.ptp(times_of(s)) / 7 for s in draws(Ruler([OTHER, WALK], count=64, vary={"speed": 0.5}))]
    assert 1 / 1.5 - 0.15 <= min(spans) < 0.8 and 1.3 < max(spans) <= 1.5 + 0.15
    slow = draws(Ruler(["A lion walks slowly", OTHER], count=64, vary={"speed": 0.5}), 40)
    assert all(np.ptp(times_of(sample)) == 7 for sample in slow)


def test_a_margin_moves_the_same_window_over_every_frame() -> None:
    data = Ruler([OTHER, WALK], vary={"margin": 0.5})
    assert data.view.stored_size == 12 and data.frames(0, np.array([0])).shape == (1, 12, 12, 3)
    corners = set()
    for sample in draws(data):
        assert sample.video.shape == (8, 8, 8, 3)
        first = sample.video[:, 0, 0][:, [0, 2]]
        assert (first == first[0]).all()
        corners.add(tuple(first[0].tolist()))
    assert corners == {(x, y) for x in range(5) for y in range(5)}
    assert data[0].video[0, 0, 0].tolist() == [2, 0, 2], "the fixed view is the middle"


def test_captions_are_dropped_for_guidance() -> None:
    data = Ruler([WALK, OTHER], vary={"caption_dropout": 0.25})
    samples = draws(data, 400)
    dropped = [sample for sample in samples if sample.caption == NO_CAPTION]
    assert 70 < len(dropped) < 130 and all(s.contrasts == () and s.named == () for s in dropped)
    assert NO_CAPTION in data.captions() and data[0].caption == WALK, "never in the fixed view"


def test_a_draw_depends_on_its_own_numbers_alone() -> None:
    everything = {"flip": True, "reverse": 0.3, "speed": 0.3, "margin": 0.3, "caption_dropout": 0.2}
    one, two = (draws(Ruler([WALK, OTHER], vary=everything), 30) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.video, b.video) and a.caption == b.caption
    assert not Vary().active and vary(everything).active


def test_without_variation_draws_are_what_they_were() -> None:
    """The order of random numbers is part of every run's result."""
    rng, again = np.random.default_rng(3), np.random.default_rng(3)
    sample = Ruler([WALK, OTHER, "x", "y"]).draw(0, rng)
    start_s, _, wrong = again.uniform(0.0, 3.0), again.integers(1), again.integers(4)
    assert times_of(sample)[0] == int(start_s * FPS)
    pool = sorted([WALK, OTHER, "x", "y"])
    assert sample.wrong_caption == next(c for c in pool[int(wrong) :] + pool if c != WALK)


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("hold", [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]),
        ("loop", [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]),
        ("pingpong", [0, 1, 2, 2, 1, 0, 0, 1, 2, 2]),
    ],
)
def test_short_clips(short: str, expected: list[int]) -> None:
    edges = np.arange(4) / FPS
    assert shown_at(np.arange(10) / FPS, edges, short).tolist() == expected
    assert shown_at(np.arange(10) / FPS + 0.3 / FPS, edges, short).tolist()[:3] == [0, 1, 2]
    with pytest.warns(UserWarning, match=sampling.SHORT[short]):
        sample = Ruler([WALK, OTHER], count=3, frames=10, duration_s=10 / FPS, short=short)[0]
    assert times_of(sample).tolist() == expected


def test_short_clips_with_uneven_frames_keep_their_times() -> None:
    edges = np.array([0.0, 0.1, 0.5])
    assert shown_at(np.array([0.05, 0.3, 0.55, 0.65, 0.95, 1.05]), edges, "loop").tolist() == [0, 1, 0, 1, 1, 0]
    assert shown_at(np.array([0.05, 0.3, 0.55, 0.85, 0.95, 1.05]), edges, "pingpong").tolist() == [0, 1, 1, 1, 0, 0]


def test_options_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="vary has no 'flipp', did you mean 'flip'\\?"):
        vary({"flipp": True})
    with pytest.raises(ValueError, match=r"vary\.reverse is a share from 0 to 1, not 2"):
        vary({"reverse": 2})
    with pytest.raises(ValueError, match=r"vary\.flip is true or false, not 0\.5"):
        vary({"flip": 0.5})
    with pytest.raises(ValueError, match="vary is a section such as"):
        vary("flip")  # type: ignore[arg-type]


def test_a_fast_draw_makes_no_clip_too_short() -> None:
    """8 frames of a second each eighth: the last is asked for at 0.875 s, of clips that last 0.9 s to a second."""
    for count in (8, 9):
        data = Ruler([OTHER, WALK], count=count, short="skip", vary={"speed": 1.0})
        for sample in draws(data, 50):
            shown = sample.video[:, 0, 0, 1]
            assert shown[-1] <= count - 1 and (np.diff(shown.astype(int)) >= 0).all()


def test_clips_that_are_too_short_at_their_own_speed_are_still_left_out() -> None:
    data = Ruler([OTHER, WALK], count=6, short="skip", vary={"speed": 1.0})
    with pytest.raises(ValueError, match="shorter than a clip"):
        draws(data, 1)
