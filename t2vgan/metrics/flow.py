"""Camera move and motion direction by optical flow: a judge without weights, independent of any trained probe.

Dense flow (DIS, Kroeger et al. 2016) between every second frame. The background's flow is a shift and a growth about
the frame's middle, (u, v) = (a, b) + s (x, y), fitted to textured pixels by least absolute deviations, those near the
frame's edge above all: a large subject fills the middle, and would be taken for the background. The subject is where
the flow departs most from it away from the edge (net motion as in T2V-CompBench: foreground minus background). Flat
backgrounds have no flow: there the camera cannot be judged, and `texture` says so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from t2vgan.metrics.checks import check_clips
from t2vgan.shapes import Video, to_uint8

SIZE = 128  # pixels of the frames that the flow is computed on
STRIDE = 2  # frames from one to the next
GRID = 4  # every so many pixels take part in the fit
EDGE = 4.0  # grey levels per pixel: with a weaker gradient, a pixel has no texture
ROUNDS = 10  # of reweighting
RIM = 0.4  # frame widths from the middle from which a pixel is near the edge, across or down
INSIDE = 0.03  # what a pixel weighs that is not, when the background is fitted
SUBJECT_SHARE = 0.08  # of the pixels, those that depart most from the background; a smaller subject seems slower

PAN = 0.05  # frame widths in a clip from which the camera pans
ZOOM = 0.1  # growth in a clip, as a natural logarithm, from which it zooms
DRIFT = 0.08  # frame widths in a clip from which the subject goes left or right; near things in a pan: less

LEAST_TEXTURE = 0.03  # share of pixels below which a camera may do what it likes before them
STILL = "none"


class ClipMotion(NamedTuple):
    """Of every clip, over its whole length: frame widths, to the right positive; growth as a natural logarithm."""

    camera: list[str]  # static, pans left, pans right, zooms in, zooms out
    direction: list[str]  # left, right, or none
    pan: Float[Tensor, " b"]  # how far the camera turns; what it sees goes the other way
    zoom: Float[Tensor, " b"]
    drift: Float[Tensor, " b"]  # of the subject over the background
    texture: Float[Tensor, " b"]  # share of pixels with texture; judge nothing below LEAST_TEXTURE


def camera_and_subject_motion(
    video: Video, *, pan: float = PAN, zoom: float = ZOOM, drift: float = DRIFT
) -> ClipMotion:
    """Judge clips of any size and of 3 frames or more, on the CPU. ValueError for clips that cannot be read."""
    check_clips(video, reader="optical flow", least_frames=STRIDE + 1)
    found = np.array([_judge(clip) for clip in to_uint8(video).cpu().numpy()]).reshape(-1, 4)
    camera = [_camera(p, z, pan, zoom) for p, z in found[:, :2]]
    direction = [STILL if abs(d) < drift else "right" if d > 0 else "left" for d in found[:, 2]]
    return ClipMotion(camera, direction, *torch.from_numpy(found).float().unbind(1))


def _camera(pan: float, zoom: float, least_pan: float, least_zoom: float) -> str:
    """The stronger of both moves, each measured by its threshold."""
    if max(abs(pan) / least_pan, abs(zoom) / least_zoom) < 1:
        return "static"
    if abs(pan) / least_pan > abs(zoom) / least_zoom:
        return "pans right" if pan > 0 else "pans left"
    return "zooms in" if zoom > 0 else "zooms out"


def _judge(clip: np.ndarray) -> tuple[float, float, float, float]:
    """Pan, zoom, drift and texture of one clip uint8 (c, t, h, w)."""
    grey = _grey(clip)
    frames = grey[::STRIDE]
    flow = _flow(frames)
    textured = _textured(frames[:-1])
    shift, growth = _background(flow[:, ::GRID, ::GRID], textured[:, ::GRID, ::GRID])
    x, y = _coordinates(SIZE)
    rest = flow - shift[:, None, None] - growth[:, None, None, None] * np.stack([x, y], axis=-1)
    whole = (len(grey) - 1) / (STRIDE * len(flow))  # the clip over the part of it that was looked at
    inner = np.maximum(abs(x), abs(y)) < RIM
    drift = sum(_subject(pair, mask & inner) for pair, mask in zip(rest, textured, strict=True))
    return -shift[:, 0].sum() * whole, np.log1p(growth).sum() * whole, drift * whole, textured.mean()


def _grey(clip: np.ndarray) -> np.ndarray:
    import cv2

    frames = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in clip.transpose(1, 2, 3, 0)]
    return np.stack([cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for frame in frames])


def _flow(frames: np.ndarray) -> np.ndarray:
    """Flow (t - 1, h, w, 2) from each frame to the next, in frame widths."""
    import cv2

    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # pyright: ignore[reportAttributeAccessIssue]
    return np.stack([method.calc(a, b, None) for a, b in pairwise(frames)]) / SIZE


def _textured(frames: np.ndarray) -> np.ndarray:
    down, across = np.gradient(frames.astype(np.float32), axis=(1, 2))
    return np.hypot(across, down) > EDGE


def _coordinates(size: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """x and y of pixels, in frame widths from the middle."""
    place = (np.arange(size)[::step] + 0.5) / size - 0.5
    x, y = np.meshgrid(place, place)
    return x, y


def _background(flow: np.ndarray, textured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift (p, 2) and growth (p,) of each pair of frames, by iteratively reweighted least squares."""
    x, y = (side.ravel() for side in _coordinates(SIZE, GRID))
    pairs, weight = flow.reshape(len(flow), -1, 2), textured.reshape(len(flow), -1).astype(float)
    # the least weight: a frame without any texture still has a solution
    base = weight * np.where(np.maximum(abs(x), abs(y)) < RIM, INSIDE, 1) + 1e-6
    weight, shift, growth = base, np.zeros((len(flow), 2)), np.zeros(len(flow))
    for _ in range(ROUNDS):
        share = weight / weight.sum(1, keepdims=True)
        mean = np.einsum("pn,pnk->pk", share, pairs)
        mx, my = share @ x, share @ y
        dx, dy = x - mx[:, None], y - my[:, None]
        across = (share * (dx * (pairs[..., 0] - mean[:, :1]) + dy * (pairs[..., 1] - mean[:, 1:]))).sum(1)
        growth = across / (share * (dx**2 + dy**2)).sum(1)
        shift = mean - growth[:, None] * np.stack([mx, my], axis=1)
        misfit = np.hypot(
            pairs[..., 0] - shift[:, :1] - growth[:, None] * x, pairs[..., 1] - shift[:, 1:] - growth[:, None] * y
        )
        weight = base / (misfit + 1e-3)
    return shift, growth


def _subject(rest: np.ndarray, textured: np.ndarray) -> float:
    """How far to the right the pixels go that depart most from the background; 0 where nothing has texture."""
    moving = rest[textured]
    if not len(moving):
        return 0.0
    count = min(len(moving), round(SUBJECT_SHARE * SIZE * SIZE))
    most = np.argpartition(np.hypot(moving[:, 0], moving[:, 1]), -count)[-count:]
    return float(moving[most, 0].mean())
