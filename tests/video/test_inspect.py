"""What a look at a whole video says of it, for every kind of file and against what a player shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from t2vgan.video.decode import probe_video
from t2vgan.video.inspect import fingerprint_of, look_through

CODECS = {"av1": "av1", "vp9": "vp9", "hevc": "hevc", "mpeg2": "mpeg2video", "png_alpha": "png"}


def test_every_kind_of_file_is_whole(studio: SimpleNamespace, kind: str) -> None:
    path = studio.kind(kind)
    look, info = look_through(path, [0.3, 1.0]), probe_video(path)
    assert (look.frames, look.damage, look.audio_damage) == (60, "", "")
    assert (look.width, look.height, look.duration_s) == (info.width, info.height, info.duration_s)
    np.testing.assert_array_equal(look.times, info.times)
    assert (np.diff(look.times) > 0).all()
    assert look.claimed_frames <= 61, "no file is said to miss frames"
    assert look.codec == CODECS.get(kind, look.codec)
    assert sorted(look.pictures) == [0.3, 1.0]
    assert (look.audio_s is not None) == ("sound" in kind) and look.interlaced == (kind == "interlaced")


def test_what_an_edit_list_hides_is_not_claimed(studio: SimpleNamespace, tmp_path: Path) -> None:
    path = studio.write_trimmed(studio.kind("h264_b_frames"), tmp_path / "trimmed.mp4", start=19)
    look = look_through(path)
    assert look.frames == 41 and abs(look.claimed_frames - 41) <= 1 and look.times[0] == 0


@pytest.mark.parametrize(("x", "alike"), [(8, True), (48, False)])
def test_prints_of_flat_pictures_tell_where_something_is(x: int, alike: bool) -> None:
    """A flat ground has no bits of its own: the colours of the areas have to tell."""
    one, other = (np.full((60, 80, 3), 100, np.uint8) for _ in range(2))
    one[20:32, 8:20], other[20:32, x : x + 12] = (200, 0, 0), (200, 0, 0)
    noisy = other + np.random.default_rng(0).integers(0, 6, other.shape).astype(np.uint8)
    pairs = zip(fingerprint_of(one)[1], fingerprint_of(noisy)[1], strict=True)
    assert (max(abs(a - b) for a, b in pairs) <= 12) == alike
