"""The colours of the world: places, times of day with their light, and the coats that all animals share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Channel = int | float  # 0..255
RGB = tuple[Channel, Channel, Channel]


@dataclass(frozen=True)
class Light:
    """A time of day: the sky from top to horizon, its sun or moon, and how it colours everything else."""

    top: RGB
    middle: RGB
    horizon: RGB
    disc: RGB
    glow: RGB
    ambient: RGB  # factors per channel
    body: float  # factor on the animals, which stand against the light
    radius: float  # of the disc, frame heights
    height: tuple[float, float]  # of the disc's centre: above the horizon as a share of the sky


LIGHTS = {
    "dawn": Light((122, 142, 208), (214, 172, 214), (255, 206, 204), (255, 250, 222), (255, 222, 214),
                  (0.88, 0.80, 0.92), 0.9, 0.06, (0.14, 0.3)),
    "noon": Light((38, 116, 226), (96, 168, 244), (190, 226, 252), (255, 250, 214), (170, 212, 250),
                  (1.0, 1.0, 1.0), 0.96, 0.055, (0.74, 0.86)),
    "sunset": Light((96, 40, 100), (226, 84, 52), (255, 176, 58), (255, 232, 120), (255, 140, 50),
                    (1.0, 0.66, 0.46), 0.78, 0.095, (0.1, 0.26)),
    "night": Light((12, 16, 54), (34, 48, 116), (86, 106, 182), (244, 246, 255), (42, 54, 120),
                   (0.47, 0.54, 0.84), 0.74, 0.05, (0.6, 0.82)),
}  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """A place by daylight: the ground from horizon to foreground, what stands on it, and its texture."""

    far: RGB
    near: RGB
    ridge: RGB
    leaf: RGB
    wood: RGB
    mark: RGB
    pale: RGB  # of dust, snow caps and light marks


GROUNDS = {
    "savanna": Ground((238, 204, 124), (222, 170, 74), (196, 168, 112), (96, 118, 48), (98, 70, 46),
                      (176, 124, 44), (246, 222, 150)),
    "desert": Ground((250, 226, 178), (240, 200, 150), (232, 182, 128), (62, 128, 76), (128, 96, 80),
                     (212, 164, 116), (255, 240, 206)),
    "forest": Ground((150, 186, 98), (104, 152, 62), (88, 128, 92), (32, 84, 52), (84, 58, 40),
                     (64, 112, 42), (178, 208, 116)),
    "snow": Ground((236, 244, 252), (218, 232, 248), (188, 208, 232), (44, 82, 92), (88, 74, 72),
                   (176, 200, 230), (255, 255, 255)),
}  # fmt: skip

# (coat, dark, light): every animal may wear every coat, so that colour does not name the animal.
COATS: tuple[tuple[RGB, RGB, RGB], ...] = (
    ((184, 124, 58), (92, 50, 22), (240, 212, 156)),
    ((188, 146, 92), (98, 64, 38), (246, 228, 190)),
    ((166, 88, 48), (78, 36, 22), (234, 194, 152)),
    ((132, 94, 64), (60, 40, 28), (226, 202, 168)),
    ((130, 126, 130), (62, 58, 66), (228, 224, 220)),
    ((104, 108, 126), (46, 48, 62), (212, 216, 226)),
)

BLACK: RGB = (20, 16, 18)
IVORY: RGB = (250, 244, 224)
AMBER: RGB = (226, 150, 60)
PREY: RGB = (146, 116, 94)


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """From a (share 0) to b (share 1)."""
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def lit(colour: RGB, time: str) -> RGB:
    """A daylight colour in the light of a time of day."""
    return tuple(c * k for c, k in zip(colour, LIGHTS[time].ambient, strict=True))  # type: ignore[return-value]


def inks(coat: tuple[RGB, RGB, RGB], time: str) -> dict[str, RGB]:
    """The palette of an animal in a light, by the names that the drawings use."""
    base, dark, light = coat
    black: RGB = (0.0, 0.0, 0.0)
    named = {
        "coat": base,
        "far": mix(base, black, 0.34),
        "dark": dark,
        "light": light,
        "ear": mix(base, dark, 0.5),
        "neck": mix(light, dark, 0.26),
        "shade": mix(light, dark, 0.4),
        "black": BLACK,
        "ivory": IVORY,
        "amber": AMBER,
        "prey": PREY,
    }
    return {name: mix(black, lit(colour, time), LIGHTS[time].body) for name, colour in named.items()}


def column(time: str, place: str, horizon: float, y: np.ndarray) -> np.ndarray:
    """The colours `(..., 3)` of sky and bare ground at heights `y` (0 top of the frame, 1 its bottom)."""
    light, ground = LIGHTS[time], GROUNDS[place]
    far, near = lit(ground.far, time), lit(ground.near, time)
    stops = [0.0, 0.55 * horizon, horizon, horizon + 1e-4, 1.0]
    colours = np.array([light.top, light.middle, light.horizon, far, near])
    return np.stack([np.interp(y, stops, colours[:, c]) for c in range(3)], -1)
