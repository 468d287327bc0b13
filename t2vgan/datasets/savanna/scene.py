"""What a clip shows, before it is drawn: plain numbers, sampled from a clip's attributes by its own generator.

Lengths are in frame heights (x to the right, y downwards, the frame is the unit square), times in seconds, so that a
scene can be drawn at every size and frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from t2vgan.datasets.savanna.motion import DISTANCE, Stance
from t2vgan.datasets.savanna.palette import COATS, LIGHTS, RGB

Attributes = dict[str, str]

VALUES: dict[str, tuple[str, ...]] = {
    "subject": ("lion", "elephant", "giraffe", "zebra", "gazelle", "ostrich"),
    "appearance": ("young", "plain", "huge"),
    "action": ("stalks", "walks", "runs", "leaps", "rests"),
    "direction": ("left", "right"),
    "place": ("savanna", "desert", "forest", "snow"),
    "time": ("dawn", "noon", "sunset", "night"),
    "camera": ("static", "pans left", "pans right", "zooms in", "zooms out"),
}
TRANSITIONS = ("cut", "fade")
PAN = 0.18  # frame widths that the ground under the animal moves in a pan
ZOOM = 1.4  # from one end of a zoom to the other
SCALE = {"young": 0.62, "plain": 1.0, "huge": 1.55}
_TALL = {"giraffe": 0.95, "elephant": 0.92, "ostrich": 1.02, "lion": 1.08, "zebra": 1.08, "gazelle": 1.12}


@dataclass
class Thing:
    """Something that stands or lies in the landscape; `variant` in 0..1 tells it from its like."""

    x: float
    y: float
    size: float
    variant: float


@dataclass
class Landscape:
    place: str
    time: str
    horizon: float
    disc: tuple[float, float]  # sun or moon
    clouds: list[Thing]
    stars: list[Thing]
    ridges: np.ndarray  # (2, 14) heights of the far and the nearer ridge above the horizon, -0.6..1.6 along x
    props: list[Thing]  # trees and cacti, from far to near
    marks: list[Thing]  # texture of the ground, from far to near


@dataclass
class Actor:
    subject: str
    action: str
    facing: int  # +1 right, -1 left
    scale: float
    coat: tuple[RGB, RGB, RGB]
    x: float  # where it is at half time
    y: float  # the lowest line on which its feet can be
    stance: Stance


@dataclass
class Hare:
    """Runs ahead of the actor at the actor's pace, in every clip: only who stalks makes it a prey."""

    ahead: float  # of the actor, in frame widths
    y: float
    phase: float


@dataclass
class Camera:
    move: str
    zoom: float  # factor at half time

    def path(self, times: np.ndarray, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the camera is, in frame widths, and its zoom factor, `(t,)` each."""
        share = times / duration_s - 0.5
        zoom = {"zooms in": 1.0, "zooms out": -1.0}.get(self.move, 0.0)
        return self.pan * share, self.zoom * ZOOM ** (zoom * share)

    @property
    def pan(self) -> float:
        """Frame widths that the camera moves to the right in a clip."""
        return {"pans left": -PAN, "pans right": PAN}.get(self.move, 0.0)


@dataclass
class Scene:
    """One take: a landscape, an actor with its hare, and a camera. A sound would be a further field."""

    landscape: Landscape
    actor: Actor
    hare: Hare
    camera: Camera
    duration_s: float


@dataclass
class Story:
    """What a clip shows: one take, or two that are joined by a cut or a fade in the middle."""

    attributes: Attributes
    takes: list[Scene] = field(default_factory=list)
    transition: str = "none"
    turn_s: float = 0.0  # when the second take begins (a fade is centred on it)


def sample_story(attributes: Attributes, rng: np.random.Generator, *, duration_s: float) -> Story:
    """The story of a clip with these attributes; all that they leave open is drawn from `rng`."""
    camera = _camera(attributes, rng)
    actor = _actor(attributes, camera, rng)
    hare = Hare(0.16 + 0.24 * actor.scale, rng.uniform(0.76, 0.9), rng.uniform())
    takes = [Scene(_landscape(attributes["place"], attributes["time"], rng), actor, hare, camera, duration_s)]
    transition = attributes.get("transition", "none")
    if transition == "none":
        return Story(attributes, takes)
    then = _landscape(attributes["then_place"], attributes["then_time"], rng)
    takes.append(Scene(then, actor, hare, camera, duration_s))
    return Story(attributes, takes, transition, duration_s * rng.uniform(0.42, 0.58))


def _actor(attributes: Attributes, camera: Camera, rng: np.random.Generator) -> Actor:
    facing = 1 if attributes["direction"] == "right" else -1
    action, subject = attributes["action"], attributes["subject"]
    scale = SCALE[attributes["appearance"]] * _TALL[subject] * rng.uniform(0.96, 1.04)
    # Who crosses less of the frame begins farther from its middle, so that places say little of the speed.
    crosses = abs(facing * DISTANCE[action] - camera.pan)
    behind = min(0.08 + 0.1 * scale, 0.38 - crosses / 2)  # the middle, to leave room for the hare
    x = 0.5 - facing * behind + rng.uniform(-1, 1) * max(0.01, 0.21 - crosses / 2)
    coat = COATS[rng.integers(len(COATS))]
    tint = rng.uniform(0.93, 1.07, 3) * rng.uniform(0.94, 1.06)
    tinted = tuple(tuple(min(255.0, float(c * k)) for c, k in zip(ink, tint, strict=True)) for ink in coat)
    return Actor(
        subject=subject,
        action=action,
        facing=facing,
        scale=scale,
        coat=tinted,  # type: ignore[arg-type]
        x=x,
        y=rng.uniform(0.84, 0.88),
        stance=Stance(rng.uniform(), rng.uniform(), rng.uniform(), rng.uniform(), rng.uniform(0.93, 1.07)),
    )


def _camera(attributes: Attributes, rng: np.random.Generator) -> Camera:
    move = attributes["camera"]
    # Who does not zoom stands anywhere between the ends of a zoom, so that sizes do not tell.
    return Camera(move, rng.uniform(0.98, 1.02) * (1.0 if move.startswith("zooms") else ZOOM ** rng.uniform(-0.5, 0.5)))


def _landscape(place: str, time: str, rng: np.random.Generator) -> Landscape:
    horizon = rng.uniform(0.56, 0.64)
    low, high = LIGHTS[time].height
    return Landscape(
        place=place,
        time=time,
        horizon=horizon,
        disc=(rng.uniform(0.14, 0.86), horizon * (1 - rng.uniform(low, high))),
        clouds=[
            Thing(
                x + rng.uniform(-0.15, 0.15), horizon * rng.uniform(0.12, 0.6), rng.uniform(0.08, 0.16), rng.uniform()
            )
            for x in (0.0, 0.45, 0.9)
        ],
        stars=[
            Thing(rng.uniform(-0.1, 1.1), horizon * rng.uniform(0.02, 0.75), rng.uniform(0.5, 1.0), rng.uniform())
            for _ in range(16)
        ],
        ridges=rng.uniform(0.0, 1.0, (2, 14)),
        props=_props(place, horizon, rng),
        marks=_marks(horizon, rng),
    )


def _props(place: str, horizon: float, rng: np.random.Generator) -> list[Thing]:
    """Trees or cacti in uneven steps from left to right, drawn from the farthest to the nearest."""
    count, low, high = {
        "savanna": (4, 0.2, 0.3),
        "desert": (4, 0.14, 0.25),
        "forest": (8, 0.3, 0.48),
        "snow": (6, 0.24, 0.38),
    }[place]
    step = 1.7 / count
    shift = rng.uniform(-0.35, -0.35 + step)
    props = [
        Thing(
            shift + step * (i + rng.uniform(-0.3, 0.3)),
            horizon + rng.uniform(0.005, 0.045),
            rng.uniform(low, high),
            rng.uniform(),
        )
        for i in range(count)
    ]
    return sorted(props, key=lambda prop: prop.y)


def _marks(horizon: float, rng: np.random.Generator) -> list[Thing]:
    """Texture, evenly over the ground but at random: rows that grow and thin out towards the camera."""
    marks = []
    for row, (share, count) in enumerate(((0.08, 9), (0.26, 8), (0.46, 7), (0.68, 6), (0.92, 5))):
        for i in range(count):
            x = -0.4 + 1.8 * (i + 0.5 * (row % 2) + rng.uniform(-0.35, 0.35)) / count
            y = horizon + (1.03 - horizon) * min(1.0, share + rng.uniform(-0.07, 0.07))
            marks.append(Thing(x, y, rng.uniform(0.75, 1.25) * (0.35 + share), rng.uniform()))
    return sorted(marks, key=lambda mark: mark.y)
