"""Outlines that move: all take and give points `(t, n, 2)`, one outline per instant, and are vectorised over time."""

from __future__ import annotations

from functools import cache

import numpy as np

Points = np.ndarray  # float (t, n, 2)
Number = int | float
Moving = int | float | np.ndarray  # a number, or one per instant: (t,)


@cache
def _catmull_rom(n: int, steps: int) -> np.ndarray:
    """Weights `(n * steps, n)` of a closed Catmull-Rom spline (Catmull & Rom 1974) through n points."""
    u = np.arange(steps) / steps
    basis = 0.5 * np.stack([-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, -(u**2) + u**3])
    weights = np.zeros((n * steps, n))
    for i in range(n):
        for k in range(4):
            weights[i * steps : (i + 1) * steps, (i + k - 1) % n] += basis[k]
    return weights


def smooth(points: Points, steps: int = 3) -> Points:
    """The closed smooth outline through `points`, with `steps` points per given one."""
    return _catmull_rom(points.shape[-2], steps) @ points


def fixed(points: list[tuple[Number, Number]]) -> Points:
    """An outline that does not change: `(1, n, 2)`."""
    return np.asarray(points, dtype=float)[None]


def path(*points: np.ndarray) -> Points:
    """Joins points `(t, 2)` or `(2,)` into a path `(t, n, 2)`."""
    return np.stack(np.broadcast_arrays(*(np.atleast_2d(p) for p in points)), axis=1)


def point(x: Moving, y: Moving) -> np.ndarray:
    """A moving point `(t, 2)` from coordinates that are numbers or `(t,)`."""
    x, y = np.broadcast_arrays(np.atleast_1d(x), np.atleast_1d(y))
    return np.stack([x, y], axis=-1)


def polar(angle: Moving, length: Moving) -> np.ndarray:
    """The vector `(t, 2)` of that length at that angle (radians, anticlockwise from forwards)."""
    return point(length * np.cos(angle), length * np.sin(angle))


def stroke(points: Points, widths: tuple[Number, ...]) -> Points:
    """A tapering band along a path, one width per point of the path, with blunt round ends."""
    along = np.gradient(points, axis=1)
    along /= np.sqrt((along**2).sum(-1, keepdims=True)) + 1e-9
    half = np.asarray(widths)[:, None] / 2
    across = np.stack([-along[..., 1], along[..., 0]], -1) * half
    tip = points[:, -1:] + along[:, -1:] * half[-1]
    tail = points[:, :1] - along[:, :1] * half[0]
    return np.concatenate([points + across, tip, (points - across)[:, ::-1], tail], axis=1)


@cache
def _circle(n: int) -> np.ndarray:
    angle = np.arange(n) * 2 * np.pi / n
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def ellipse(centre: np.ndarray, rx: Number, ry: Number, angle: Moving = 0.0, n: int = 14) -> Points:
    """An ellipse about a moving centre `(t, 2)`, turned by `angle`."""
    return turn(fixed([(0, 0)]) + _circle(n) * (rx, ry), angle) + np.atleast_2d(centre)[:, None]


def turn(points: Points, angle: Moving) -> Points:
    """Turns outlines about the origin by angles that are a number or `(t,)`."""
    cos, sin = np.cos(np.atleast_1d(angle))[:, None], np.sin(np.atleast_1d(angle))[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], -1)


def bend(root: np.ndarray, foot: np.ndarray, upper: float, lower: float, side: int) -> np.ndarray:
    """The knee `(t, 2)` of a two-bone leg from root to foot `(t, 2)`; `side` +1 bends forwards, -1 backwards.

    A foot that is out of reach is reached for with the leg stretched out.
    """
    line = foot - root
    reach = np.sqrt((line**2).sum(-1, keepdims=True)) + 1e-9
    span = np.clip(reach, abs(upper - lower) + 1e-4, upper + lower - 1e-4)
    along = (upper**2 - lower**2 + span**2) / (2 * span)
    height = np.sqrt(np.maximum(upper**2 - along**2, 0))
    unit = line / reach
    return root + unit * along + side * np.stack([-unit[:, 1], unit[:, 0]], -1) * height
