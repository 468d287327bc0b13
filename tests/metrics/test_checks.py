"""Every bad clip gets its own reason."""

import pytest
import torch

from t2vgan.metrics.checks import check_clips
from t2vgan.metrics.probe import Probe

GOOD = torch.zeros(4, 3, 12, 8, 8)


def spoiled(value: float) -> torch.Tensor:
    video = GOOD.clone()
    video[2, 1, 3, 4, 5] = value
    return video


def test_good_clips_pass() -> None:
    check_clips(GOOD, reader="i3d", least_frames=12, most_frames=12)
    check_clips(spoiled(1.2), reader="i3d")  # overshoot of a generator without tanh
    check_clips(GOOD[:0], reader="i3d")
    check_clips(GOOD.bfloat16(), reader="i3d")


def test_a_judge_refuses_what_it_would_misread(probe: Probe) -> None:
    with pytest.raises(ValueError, match=r"probe reads pixels in \[-1, 1\]"):
        probe.features(spoiled(255.0))
    with pytest.raises(ValueError, match="these clips are grey"):
        probe.features(GOOD[:, :1])
    assert torch.isnan(probe.features(spoiled(float("nan")))).any(), "which is what a diverged generator shows"


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (GOOD[0], r"i3d reads clips \(b, c, t, h, w\), not \(3, 12, 8, 8\)"),
        (GOOD.to(torch.uint8), r"not torch.uint8: convert with t2vgan.shapes.to_float"),
        (GOOD[:, :1], r"these clips are grey"),
        (GOOD[:, :2], r"2 channels"),
        (GOOD.transpose(1, 2), r"12 channels: is the axis order \(b, c, t, h, w\)"),
        (GOOD[:, :, :9], r"i3d needs 10 frames or more, these clips have 9"),
        (GOOD.repeat(1, 1, 2, 1, 1), r"i3d reads 16 frames, these clips have 24"),
        (spoiled(float("nan")), r"NaN or infinite pixels in 1 of 4 clips, first in clip 2"),
        (spoiled(float("-inf")), r"NaN or infinite pixels in 1 of 4 clips, first in clip 2"),
        (spoiled(255.0), r"from 0 to 255: 0..255 given as floats\? convert with t2vgan.shapes.to_float"),
        (spoiled(-1.8), r"in \[-1, 1\], these go from -1.8 to 0"),
    ],
)
def test_bad_clips_are_a_clear_error(video: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_clips(video, reader="i3d", least_frames=10, most_frames=16)
