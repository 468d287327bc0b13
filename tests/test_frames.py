"""Which frames critics see, and how much these move."""

from __future__ import annotations

import pytest
import torch

from t2vgan.frames import motion_signs, pick, strided


@pytest.mark.parametrize(("n", "k"), [(16, 4), (16, 16), (16, 1), (8, 2), (5, 4), (1, 1)])
def test_frames_are_evenly_spaced_and_within_the_clip(n: int, k: int):
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        frames = strided(n, k, generator)
        assert len(frames) == k and int(frames.min()) >= 0 and int(frames.max()) < n
        assert k < 2 or (len(frames.diff().unique()) == 1 and int(frames.diff()[0]) >= 1)


def test_every_stride_and_every_frame_occurs():
    generator = torch.Generator().manual_seed(0)
    drawn = [strided(16, 4, generator) for _ in range(2000)]
    assert {int(frames[1] - frames[0]) for frames in drawn} == {1, 2, 3, 4, 5}
    assert set(torch.cat(drawn).tolist()) == set(range(16))


def test_pick_takes_each_clips_own_frames():
    video = torch.arange(2 * 3 * 5.0).reshape(2, 1, 3 * 5)[:, :, :5, None, None].expand(2, 3, 5, 4, 4)
    picked = pick(video, torch.tensor([[0, 4], [1, 2]]))
    assert picked.shape == (2, 3, 2, 4, 4)
    assert torch.equal(picked[0], video[0, :, [0, 4]]) and torch.equal(picked[1], video[1, :, [1, 2]])


def test_motion_is_the_mean_change_from_frame_to_frame():
    real = torch.tensor([0.0, 0.5, -0.5])[None, None, :, None, None].expand(2, 3, 3, 4, 4)
    signs = motion_signs(real, torch.zeros(2, 3, 1, 4, 4))
    assert float(signs["motion/real"]) == pytest.approx(0.75) and float(signs["motion/fake"]) == 0
