"""Draws a landscape: sky, ridges, what grows there and the texture of the ground, each at its own parallax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from t2vgan.datasets.savanna.geometry import Points, ellipse, fixed, path, smooth, stroke
from t2vgan.datasets.savanna.palette import GROUNDS, LIGHTS, RGB, Ground, lit, mix
from t2vgan.datasets.savanna.scene import Landscape, Thing

SKY, FAR, NEARER = 0.04, 0.22, 0.38  # parallax: the share of the camera's way by which a layer moves


@dataclass
class Shape:
    """A filled outline; `parallax` 1 moves with the ground under the animal, 0 not at all."""

    points: Points  # (t or 1, n, 2) in frame heights, y downwards
    colour: RGB
    parallax: float = 1.0
    alpha: float = 1.0


def background(world: Landscape, feet: float) -> tuple[list[Shape], list[Shape]]:
    """What is behind the animal and what is before it, whose feet stand at height `feet`."""
    shapes = [*_sky(world), *_ridges(world)]
    for prop in world.props:
        shapes += _PROPS[world.place](prop, _Inks(world, _haze(world, prop.y, feet)), _parallax(world, prop.y, feet))
    front: list[Shape] = []
    inks = _Inks(world, 0.0)
    for mark in world.marks:
        layer = shapes if mark.y < feet else front
        layer += _MARKS[world.place](mark, inks, _parallax(world, mark.y, feet))
    return shapes, front


class _Inks:
    """The colours of a place in its light, dulled by `haze` (0..1) towards the sky at the horizon."""

    def __init__(self, world: Landscape, haze: float) -> None:
        ground: Ground = GROUNDS[world.place]
        sky = LIGHTS[world.time].horizon

        def shown(colour: RGB) -> RGB:
            return mix(lit(colour, world.time), sky, haze)

        self.leaf, self.wood, self.mark, self.pale = map(shown, (ground.leaf, ground.wood, ground.mark, ground.pale))
        self.deep = shown(mix(ground.leaf, (0, 0, 0), 0.28))


def _parallax(world: Landscape, y: float, feet: float) -> float:
    """Of what stands on the ground at height y: grows evenly from the far ridge to 1 under the feet."""
    return NEARER + 0.1 + (0.9 - NEARER) * (y - world.horizon) / (feet - world.horizon)


def _haze(world: Landscape, y: float, feet: float) -> float:
    return 0.26 * (1 - (y - world.horizon) / (feet - world.horizon))


def _at(points: Points, x: float, y: float) -> Points:
    """Outlines with y upwards about the origin, put at a place in the frame with y downwards."""
    return points * (1, -1) + (x, y)


def _sky(world: Landscape) -> list[Shape]:
    light = LIGHTS[world.time]
    centre = np.array([world.disc])
    shapes = []
    if world.time == "night":
        for star in world.stars:
            r = 0.006 * star.size
            shapes.append(
                Shape(ellipse(np.array([[star.x, star.y]]), r, r, n=4), mix(light.middle, light.disc, 0.75), SKY)
            )
    for share, alpha in ((2.3, 0.35), (1.55, 0.5)):
        shapes.append(Shape(ellipse(centre, *[light.radius * share] * 2, n=26), light.glow, SKY, alpha))
    shapes.append(Shape(ellipse(centre, light.radius, light.radius, n=24), light.disc, SKY))
    if world.time == "night":
        bite = np.add(centre, (0.45 * light.radius, -0.2 * light.radius))
        shapes.append(Shape(ellipse(bite, 0.8 * light.radius, 0.8 * light.radius, n=20), light.middle, SKY))
        return shapes
    for cloud in world.clouds:
        pale = mix(light.horizon, (255, 255, 255), 0.55 if world.time == "noon" else 0.15)
        outline = [(-1, 0), (-0.62, 0.2), (-0.3, 0.42), (0.1, 0.36), (0.4, 0.5), (0.7, 0.2), (1, 0)]
        points = _at(fixed(outline) * (cloud.size, 0.6 * cloud.size), cloud.x, cloud.y)
        shapes.append(Shape(points, pale, SKY + 0.05, 0.75))
    return shapes


def _ridges(world: Landscape) -> list[Shape]:
    ground, light = GROUNDS[world.place], LIGHTS[world.time]
    height, steps = {"savanna": ((0.05, 0.03), 6), "desert": ((0.13, 0.09), 4), "forest": ((0.13, 0.1), 26),
                     "snow": ((0.24, 0.09), 9)}[world.place]  # fmt: skip
    shapes = []
    for layer, (parallax, haze) in enumerate(((FAR, 0.55), (NEARER, 0.3))):
        x = np.linspace(-0.6, 1.6, 2 * steps + 1)
        random = np.interp(np.linspace(0, 13, len(x)), np.arange(14), world.ridges[layer])
        y = _profile(world.place, random, np.arange(len(x)) % 2, layer) * height[layer]
        top = np.stack([x, world.horizon - y], -1)
        if world.place in ("savanna", "desert"):
            top = smooth(top[None], 4)[0][: 8 * steps - 3]
        outline = np.concatenate([top, [(1.6, world.horizon + 0.004), (-0.6, world.horizon + 0.004)]])[None]
        tone = mix(ground.ridge, ground.pale, 0.4) if world.place == "snow" and layer == 0 else ground.ridge
        colour = mix(lit(tone, world.time), light.horizon, haze)
        shapes.append(Shape(outline, colour, parallax))
        shapes += _slopes(world, top, colour, parallax, layer)
    return shapes


def _profile(place: str, random: np.ndarray, odd: np.ndarray, layer: int) -> np.ndarray:
    """Heights of a ridge, 0..1: mesas, dunes, treetops or peaks."""
    match place:
        case "savanna":
            return 0.25 + 0.75 * np.clip(3 * random - 1, 0, 1)
        case "forest":
            return 0.5 + 0.3 * random + 0.25 * odd
        case "snow" if layer:
            return 0.4 + 0.6 * random
    return np.where(odd == 1, 0.55 + 0.45 * random, 0.08 + 0.2 * random)


def _slopes(world: Landscape, top: np.ndarray, colour: RGB, parallax: float, layer: int) -> list[Shape]:
    """The shaded sides of dunes and mountains, away from the sun."""
    if world.place not in ("desert", "snow") or (world.place == "snow" and layer == 1):
        return []
    side = 1 if world.disc[0] < 0.5 else -1
    dark = mix(colour, lit((70, 60, 90), world.time), 0.28)
    shapes = []
    heights = world.horizon - top[:, 1]
    peaks = [i for i in range(1, len(top) - 1) if heights[i] >= heights[i - 1] and heights[i] > heights[i + 1]]
    for i in peaks:
        x, y = top[i]
        lean = 0.9 * heights[i]
        slope = top[i : i + 9] if side > 0 else top[max(0, i - 8) : i + 1][::-1]
        if world.place == "snow":
            slope = slope[:2]
        foot = (slope[-1, 0] - side * 0.0, world.horizon)
        back = (x + side * 0.25 * lean, world.horizon)
        middle = (x - side * 0.05 * lean, y + 0.45 * heights[i])
        shapes.append(Shape(np.concatenate([slope, [foot, back, middle]])[None], dark, parallax))
    return shapes


def _acacia(prop: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    h, lean = prop.size, 0.25 * (prop.variant - 0.5)
    fork = (lean * h, 0.55 * h)
    trunk = stroke(path(np.array((0, 0)), np.array(fork)), (0.075 * h, 0.06 * h))
    left = stroke(path(np.array(fork), np.array((lean * h - 0.3 * h, 0.86 * h))), (0.055 * h, 0.03 * h))
    right = stroke(path(np.array(fork), np.array((lean * h + 0.26 * h, 0.88 * h))), (0.055 * h, 0.03 * h))
    crown = [(-0.66, 0.82), (-0.5, 0.94), (-0.1, 1.02), (0.35, 0.98), (0.66, 0.84), (0.3, 0.8), (-0.2, 0.79)]
    lower = [(-0.66, 0.82), (-0.2, 0.85), (0.3, 0.86), (0.66, 0.84), (0.3, 0.78), (-0.2, 0.77)]
    shapes = [Shape(_at(points, prop.x, prop.y), inks.wood, parallax) for points in (trunk, left, right)]
    for outline, colour in ((crown, inks.leaf), (lower, inks.deep)):
        points = smooth(fixed(outline), 2) * (h * (0.9 + 0.25 * prop.variant), h) + (lean * h, 0)
        shapes.append(Shape(_at(points, prop.x, prop.y), colour, parallax))
    return shapes


def _cactus(prop: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    h, w = prop.size, 0.2 * prop.size
    side = 1 if prop.variant < 0.5 else -1
    arm, low = 0.5 + 0.15 * prop.variant, 0.3 + 0.15 * prop.variant
    lines = (
        [(0, 0), (0, 0.5 * h), (0, 0.92 * h)],
        [(0, low * h), (side * 0.3 * h, low * h), (side * 0.3 * h, (low + 0.32) * h)],
        [(0, arm * h), (-side * 0.26 * h, arm * h), (-side * 0.26 * h, (arm + 0.24) * h)],
    )
    widths = ((w, w, 0.85 * w), (0.6 * w, 0.7 * w, 0.6 * w), (0.55 * w, 0.65 * w, 0.55 * w))
    shapes = [
        Shape(_at(stroke(fixed(line), width), prop.x, prop.y), inks.leaf, parallax)
        for line, width in zip(lines, widths, strict=True)
    ]
    shade = stroke(fixed([(0.3 * w, 0), (0.3 * w, 0.9 * h)]), (0.3 * w, 0.25 * w))
    return [*shapes, Shape(_at(shade, prop.x, prop.y), inks.deep, parallax)]


_FIR = ((-0.3, 0.12), (0.3, 0.12), (0.14, 0.38), (0.23, 0.36), (0.1, 0.66), (0.16, 0.64), (0.0, 1.0),
        (-0.16, 0.64), (-0.1, 0.66), (-0.23, 0.36), (-0.14, 0.38))  # fmt: skip
_CAPS = (
    ((0.0, 1.0), (0.16, 0.64), (0.06, 0.74), (-0.02, 0.66), (-0.09, 0.73), (-0.16, 0.64)),
    ((-0.12, 0.6), (0.12, 0.6), (0.23, 0.36), (0.1, 0.46), (0.0, 0.38), (-0.1, 0.46), (-0.23, 0.36)),
    ((-0.17, 0.32), (0.17, 0.32), (0.3, 0.12), (0.14, 0.22), (0.0, 0.12), (-0.14, 0.22), (-0.3, 0.12)),
)


def _conifer(prop: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    h = prop.size
    trunk = fixed([(-0.04 * h, 0), (0.04 * h, 0), (0.03 * h, 0.2 * h), (-0.03 * h, 0.2 * h)])
    width = h * (0.85 + 0.3 * prop.variant)
    crown = fixed(list(_FIR)) * (width, h)
    half = fixed([(0.0, 0.12), *_FIR[1:7]]) * (width, h)
    return [
        Shape(_at(trunk, prop.x, prop.y), inks.wood, parallax),
        Shape(_at(crown, prop.x, prop.y), inks.leaf, parallax),
        Shape(_at(half, prop.x, prop.y), inks.deep, parallax),
    ]


def _snowy_fir(prop: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    size = (prop.size * (0.85 + 0.3 * prop.variant), prop.size)
    caps = [Shape(_at(fixed(list(cap)) * size, prop.x, prop.y), inks.pale, parallax) for cap in _CAPS]
    return [*_conifer(prop, inks, parallax)[:2], *caps]


def _tuft(mark: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    h, lean = 0.06 * mark.size, 0.3 * (mark.variant - 0.5)
    blades = [(-0.5, 0), (-0.8 + lean, 0.8), (-0.22, 0.25), (lean, 1.1), (0.2, 0.25), (0.8 + lean, 0.75), (0.5, 0)]
    colour = inks.mark if mark.variant < 0.72 else inks.pale
    return [Shape(_at(fixed(blades) * (0.55 * h, h), mark.x, mark.y), colour, parallax)]


def _ripple(mark: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    w, h = 0.12 * mark.size, 0.012 * mark.size
    if mark.variant > 0.84:  # a stone
        stone = [(-0.3, 0), (-0.24, 1.2), (0.02, 2.2), (0.26, 1.4), (0.32, 0)]
        return [Shape(_at(fixed(stone) * (0.7 * w, 1.3 * h), mark.x, mark.y), inks.wood, parallax)]
    line = [(-1, 0), (-0.4, 0.9), (0.1, 0.4), (0.5, 0.9), (1, 0.2), (0.5, 0.1), (0.1, -0.5), (-0.4, 0.0)]
    colour = inks.mark if mark.variant < 0.6 else inks.pale
    return [Shape(_at(fixed(line) * (w, 1.4 * h), mark.x, mark.y), colour, parallax)]


def _fern(mark: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    if mark.variant > 0.9:  # a mushroom
        h = 0.035 * mark.size
        stalk = fixed([(-0.2 * h, 0), (0.2 * h, 0), (0.15 * h, 0.6 * h), (-0.15 * h, 0.6 * h)])
        cap = fixed([(-0.6 * h, 0.5 * h), (-0.35 * h, h), (0.35 * h, h), (0.6 * h, 0.5 * h)])
        return [
            Shape(_at(stalk, mark.x, mark.y), inks.pale, parallax),
            Shape(_at(cap, mark.x, mark.y), inks.wood, parallax),
        ]
    return _tuft(mark, inks, parallax)


def _drift(mark: Thing, inks: _Inks, parallax: float) -> list[Shape]:
    w, h = 0.1 * mark.size, 0.02 * mark.size
    if mark.variant > 0.86:  # a twig that pokes out of the snow
        twig = [(-0.1, 0), (-0.3, 2.2), (0.0, 0.9), (0.25, 2.6), (0.1, 0)]
        return [Shape(_at(fixed(twig) * (0.35 * w, h), mark.x, mark.y), inks.wood, parallax)]
    hump = [(-1, 0), (-0.5, 0.7), (0.1, 1.0), (0.6, 0.6), (1, 0), (0.3, 0.25), (-0.4, 0.2)]
    return [Shape(_at(fixed(hump) * (w, h), mark.x, mark.y), inks.mark if mark.variant < 0.6 else inks.pale, parallax)]


_PROPS = {"savanna": _acacia, "desert": _cactus, "forest": _conifer, "snow": _snowy_fir}
_MARKS = {"savanna": _tuft, "desert": _ripple, "forest": _fern, "snow": _drift}
