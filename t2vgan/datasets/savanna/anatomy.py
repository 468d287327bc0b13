"""What the animals have in common: a trunk in a pose, with legs, a tail and a neck fixed to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from t2vgan.datasets.savanna.geometry import Number, Points, bend, fixed, path, point, polar, smooth, stroke, turn
from t2vgan.datasets.savanna.motion import Pose, foot

Drawing = list[tuple[str, Points]]  # (ink, outline) from back to front


@dataclass(frozen=True)
class Build:
    """The measures of a trunk and its legs, in frame heights of an animal of plain size."""

    hips: float  # height of the joints above the ground, standing
    length: float  # from hip to shoulder
    legs: tuple[float, float, float]  # widths at joint, knee and foot
    outline: tuple[tuple[Number, Number], ...]  # of the trunk: x as a share of the length, y from the joints
    knees: tuple[int, int] = (-1, 1)  # which way hind and fore knees bend: +1 forwards


class Trunk:
    """The trunk of an animal in a pose: a frame that turns and stretches, to which the parts are fixed."""

    def __init__(self, build: Build, pose: Pose) -> None:
        self.build, self.pose = build, pose
        self.height = build.hips * pose.height

    def at(self, x: Number, y: Number) -> np.ndarray:
        """The place `(t, 2)` of a point of the trunk: x as a share of its length, y from the joints."""
        return self.outline(((x, y),))[:, 0]

    def outline(self, points: tuple[tuple[Number, Number], ...]) -> Points:
        scale = (self.build.length * self.pose.stretch, 1.0)
        turned = turn(fixed(list(points)) * scale, self.pose.pitch)
        return turned + point(0.0, self.height)[:, None]

    def body(self) -> Points:
        return smooth(self.outline(self.build.outline))

    def leg(self, leg: int) -> Points:
        """Leg 0 near hind, 1 near fore, 2 far hind, 3 far fore."""
        fore, far = leg % 2, leg > 1
        joint = self.at(0.5 if fore else -0.5, 0.0) + (point(0.018, 0.004) if far else 0.0)
        length = self.build.hips
        forwards, up = foot(self.pose, leg, length)
        toe = point(joint[:, 0] + forwards, up + self.build.legs[2] / 3)
        knee = bend(joint, toe, 0.5 * length, 0.55 * length, self.build.knees[fore])
        return stroke(path(joint, knee, toe), self.build.legs)


def tail_of(trunk: Trunk, root: tuple[float, float], lengths: float, droop: float, widths: tuple[float, ...]) -> Points:
    """A tail that hangs by the angle `droop` (radians below straight back) and swings."""
    start = trunk.at(*root)
    angle = np.pi + droop + 0.3 * trunk.pose.swing + trunk.pose.pitch
    middle = start + polar(angle, lengths * 0.55)
    return stroke(path(start, middle, middle + polar(angle - 0.5 * trunk.pose.swing - 0.4, lengths * 0.5)), widths)


def neck_end(trunk: Trunk, root: tuple[float, float], angle: float, length: float, lower: float = 1.0) -> np.ndarray:
    """Where the neck ends `(t, 2)`; `lower` says how much of the pose's lowering of the head it follows."""
    return trunk.at(*root) + polar(angle + lower * trunk.pose.neck + 0.5 * trunk.pose.pitch, length)
