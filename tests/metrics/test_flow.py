"""Textured grounds under a camera whose path is known, with a block that goes its own way."""

import pytest
import torch
from torch.nn import functional as F

from t2vgan.metrics import camera_and_subject_motion

FRAMES = 9


def texture(size: int, seed: int) -> torch.Tensor:
    noise = torch.rand(1, 3, size // 6, size // 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(noise, size=(size, size), mode="bicubic").clamp(-1, 1)


def film(
    *,
    pan: float = 0.0,
    zoom: float = 0.0,
    drift: float = 0.0,
    seed: int = 0,
    size: int = 64,
    flat: bool = False,
    half: float = 0.15,
) -> torch.Tensor:
    """One clip: the camera goes `pan` frame widths to the right and grows things by exp(zoom); so goes the subject.

    half: of the subject's width, in frame widths.
    """
    ground = torch.zeros(1, 3, 128, 128) if flat else texture(128, seed)
    subject = texture(128, seed + 1000).roll(64, 2)
    share = torch.linspace(-0.5, 0.5, FRAMES)
    place = (torch.arange(size) + 0.5) / size - 0.5  # frame widths from the middle
    frames = []
    for s in share.tolist():
        growth = torch.tensor(zoom * s).exp()
        y, x = torch.meshgrid(place / growth, place / growth, indexing="ij")
        at = torch.stack([x + pan * s, y], dim=-1)[None]  # on the ground, which is 2 frame widths wide
        frame = F.grid_sample(ground, at, padding_mode="reflection", align_corners=False)
        own = torch.stack([x + (pan - drift) * s, y], dim=-1)[None]
        inside = (own.abs() < half).all(-1)[:, None]
        if drift:
            frame = torch.where(inside, F.grid_sample(subject, own, align_corners=False), frame)
        frames.append(frame)
    return torch.stack(frames, dim=2)


def test_still_clips() -> None:
    found = camera_and_subject_motion(film())
    assert (found.camera, found.direction) == (["static"], ["none"])
    assert max(found.pan.abs(), found.zoom.abs(), found.drift.abs()) < 1e-3 and found.texture > 0.3


@pytest.mark.parametrize("size", [32, 64, 160])
def test_how_far_the_camera_goes(size: int) -> None:
    clips = [film(pan=0.3, size=size), film(pan=-0.2, size=size), film(zoom=0.4, size=size), film(zoom=-0.3, size=size)]
    found = camera_and_subject_motion(torch.cat(clips))
    assert found.camera == ["pans right", "pans left", "zooms in", "zooms out"]
    assert found.pan[:2].tolist() == pytest.approx([0.3, -0.2], abs=0.03)
    assert found.zoom[2:].tolist() == pytest.approx([0.4, -0.3], abs=0.05)
    assert found.zoom[:2].abs().max() < 0.05 and found.pan[2:].abs().max() < 0.03


@pytest.mark.parametrize("camera", [{}, {"pan": 0.3}, {"pan": -0.3}, {"zoom": 0.4}, {"zoom": -0.4}])
def test_the_subject_is_judged_against_the_ground(camera: dict[str, float]) -> None:
    drifts = [0.2, -0.2, 0.3, -0.3]
    found = camera_and_subject_motion(torch.cat([film(drift=d, seed=i, **camera) for i, d in enumerate(drifts)]))
    assert found.direction == ["right", "left", "right", "left"]
    name = {"pan": ("pans left", "pans right"), "zoom": ("zooms out", "zooms in")}
    expected = {name[key][value > 0] for key, value in camera.items()} or {"static"}
    assert set(found.camera) == expected
    assert found.drift.abs().tolist() == pytest.approx([0.2, 0.2, 0.3, 0.3], rel=0.4)


def test_a_subject_that_fills_the_middle_is_not_the_background() -> None:
    """It covers more than half of the pixels; what is seen at the edge says what the camera does."""
    clips = [film(drift=d, pan=p, seed=i, half=0.38) for i, (d, p) in enumerate([(0.12, 0), (-0.12, 0), (0.12, 0.2)])]
    found = camera_and_subject_motion(torch.cat(clips))
    assert found.direction == ["right", "left", "right"]
    assert found.camera == ["static", "static", "pans right"]


def test_thresholds_are_in_frame_widths_per_clip() -> None:
    assert camera_and_subject_motion(film(pan=0.03)).camera == ["static"]
    assert camera_and_subject_motion(film(pan=0.03), pan=0.02).camera == ["pans right"]
    assert camera_and_subject_motion(film(drift=0.2), drift=0.9).direction == ["none"]


def test_flat_grounds_are_said_to_be_flat() -> None:
    found = camera_and_subject_motion(film(pan=0.3, flat=True))
    assert found.camera == ["static"] and found.texture == 0 and found.drift == 0


def test_clips_that_cannot_be_judged_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="optical flow needs 3 frames or more, these clips have 2"):
        camera_and_subject_motion(film()[:, :, :2])
    with pytest.raises(ValueError, match="these clips are grey"):
        camera_and_subject_motion(film()[:, :1])
    assert camera_and_subject_motion(film()[:0]).camera == []
