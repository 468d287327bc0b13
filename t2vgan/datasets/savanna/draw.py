"""Draws a story at any size and instants: polygons by Pillow at four times the size, then averaged 4 x 4.

The same story gives the same pixels on every run. About 9 ms for 16 frames of 64 x 64.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from t2vgan.datasets.savanna.anatomy import Drawing
from t2vgan.datasets.savanna.animals import ANIMALS, hare
from t2vgan.datasets.savanna.geometry import ellipse, point
from t2vgan.datasets.savanna.landscape import Shape, background
from t2vgan.datasets.savanna.motion import pose
from t2vgan.datasets.savanna.palette import GROUNDS, column, inks, lit, mix
from t2vgan.datasets.savanna.scene import Scene, Story

SUPERSAMPLING = 4
FADE = 0.2  # length of a fade as a share of the clip
_SHADOW = {"lion": 0.2, "elephant": 0.21, "giraffe": 0.15, "zebra": 0.18, "gazelle": 0.14, "ostrich": 0.13}


def draw_story(story: Story, *, size: int, times: np.ndarray) -> np.ndarray:
    """The frames uint8 `(t, size, size, 3)` at `times` (seconds)."""
    first = story.takes[0]
    if story.transition == "none":
        return _draw_take(first, size, times)
    width = FADE * first.duration_s if story.transition == "fade" else 1e-6
    share = np.clip((times - story.turn_s) / width + 0.5, 0, 1)
    frames = np.empty((len(times), size, size, 3), np.uint8)
    for take, seen in ((first, share < 1), (story.takes[1], share == 1)):
        if seen.any():
            frames[seen] = _draw_take(take, size, times[seen])
    both = (share > 0) & (share < 1)
    if both.any():
        weight = share[both][:, None, None, None]
        blend = frames[both] * (1 - weight) + _draw_take(story.takes[1], size, times[both]) * weight
        frames[both] = np.rint(blend).astype(np.uint8)
    return frames


def _draw_take(scene: Scene, size: int, times: np.ndarray) -> np.ndarray:
    world = scene.landscape
    behind, before = background(world, scene.actor.y)
    shapes = [*behind, *_actor(scene, times), *before]
    way, zoom = scene.camera.path(times, scene.duration_s)
    points, ends = _project(shapes, way, zoom, size * SUPERSAMPLING)
    return _raster(shapes, points, ends, _backdrops(scene, zoom, size * SUPERSAMPLING), size)


def _project(shapes: list[Shape], way: np.ndarray, zoom: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """All outlines as whole subpixels `(t, points, 2)`, and where each outline ends in them."""
    counts = [shape.points.shape[1] for shape in shapes]
    still = np.repeat([len(shape.points) == 1 for shape in shapes], counts)
    points = np.empty((len(way), sum(counts), 2))
    points[:, still] = np.concatenate([s.points for s in shapes if len(s.points) == 1], axis=1)
    if not still.all():
        points[:, ~still] = np.concatenate([s.points for s in shapes if len(s.points) > 1], axis=1)
    points[..., 0] -= np.repeat([shape.parallax for shape in shapes], counts) * way[:, None]
    points = ((points - 0.5) * zoom[:, None, None] + 0.5) * pixels
    return np.rint(points).astype(np.int32), np.cumsum(counts)


def _backdrops(scene: Scene, zoom: np.ndarray, pixels: int) -> list[Image.Image]:
    """Sky and bare ground of each frame; one picture for all where the camera does not zoom."""
    world = scene.landscape
    factors = zoom[:1] if np.ptp(zoom) == 0 else zoom
    y = ((np.arange(pixels) + 0.5) / pixels - 0.5) / factors[:, None] + 0.5
    colours = np.rint(column(world.time, world.place, world.horizon, y)).astype(np.uint8)
    pictures = [Image.fromarray(c[:, None]).resize((pixels, pixels), Image.Resampling.NEAREST) for c in colours]
    return pictures * (len(zoom) // len(pictures))


def _raster(
    shapes: list[Shape], points: np.ndarray, ends: np.ndarray, backdrops: list[Image.Image], size: int
) -> np.ndarray:
    starts = np.concatenate([[0], ends[:-1]])
    pixels = size * SUPERSAMPLING
    low, high = np.minimum.reduceat(points, starts, axis=1), np.maximum.reduceat(points, starts, axis=1)
    seen = np.all((high > 0) & (low < pixels) & (high > low), axis=-1)
    colours = [tuple(round(c) for c in s.colour) + ((round(255 * s.alpha),) if s.alpha < 1 else ()) for s in shapes]
    spans = list(zip((2 * starts).tolist(), (2 * ends).tolist(), colours, strict=True))
    frames = np.empty((len(points), size, size, 3), np.uint8)
    for t, flat in enumerate(points.reshape(len(points), -1).tolist()):
        picture = backdrops[t].copy()
        solid, glassy = ImageDraw.Draw(picture), ImageDraw.Draw(picture, "RGBA")
        for i in np.flatnonzero(seen[t]).tolist():
            start, end, colour = spans[i]
            (solid if len(colour) == 3 else glassy).polygon(flat[start:end], fill=colour)
        frames[t] = np.asarray(picture.reduce(SUPERSAMPLING))
    return frames


def _actor(scene: Scene, times: np.ndarray) -> list[Shape]:
    """The animal with its shadow, and the hare ahead of it."""
    actor = scene.actor
    body = pose(actor.action, times, scene.duration_s, actor.stance)
    x = actor.x + actor.facing * body.advance
    palette = inks(actor.coat, scene.landscape.time)
    feet = point(x, actor.y - body.hop)
    animal = _put(ANIMALS[actor.subject](body), palette, feet, actor.facing, actor.scale)
    return [_shadow(scene, feet), *_hare(scene, x, times, palette), *animal]


def _put(drawing: Drawing, palette: dict, place: np.ndarray, facing: int, scale: float) -> list[Shape]:
    factors = np.array((facing * scale, -scale))
    return [Shape(points * factors + place[:, None], palette[ink]) for ink, points in drawing]


def _shadow(scene: Scene, feet: np.ndarray) -> Shape:
    """Lies under the feet wherever they are: a shadow left behind on the ground would give a leap away."""
    actor, world = scene.actor, scene.landscape
    dark = mix(lit(GROUNDS[world.place].near, world.time), (12, 8, 30), 0.55)
    points = ellipse(np.array([[0.0, 0.0]]), _SHADOW[actor.subject] * actor.scale, 0.022 * actor.scale, n=16)
    return Shape(points + feet[:, None], dark, alpha=0.5)


def _hare(scene: Scene, x: np.ndarray, times: np.ndarray, palette: dict) -> list[Shape]:
    actor, hare_ = scene.actor, scene.hare
    place = point(x + actor.facing * hare_.ahead, hare_.y)
    return _put(hare(np.sin(9 * times + 2 * np.pi * hare_.phase)), palette, place, actor.facing, 1.05)
