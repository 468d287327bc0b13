"""Six articulated animals, drawn facing right: x forwards from the middle of the body, y up from the ground.

Each animal is a list of `(ink, outline)` from back to front; an ink is a name in the animal's palette, an outline
`(t, n, 2)` moves with the pose. Telling features are exaggerated, since an animal is often only 14 pixels long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from t2vgan.datasets.savanna.geometry import (
    Points,
    bend,
    ellipse,
    fixed,
    path,
    point,
    polar,
    smooth,
    stroke,
    turn,
)
from t2vgan.datasets.savanna.motion import Pose, foot

Drawing = list[tuple[str, Points]]


@dataclass(frozen=True)
class Build:
    """The measures of a trunk and its legs, in frame heights of an animal of plain size."""

    hips: float  # height of the joints above the ground, standing
    length: float  # from hip to shoulder
    lying: float  # height of the joints, lying down
    legs: tuple[float, float, float]  # widths at joint, knee and foot
    outline: tuple[tuple[float, float], ...]  # of the trunk: x as a share of the length, y from the joints
    knees: tuple[float, float] = (-1, 1)  # which way hind and fore knees bend: +1 forwards


class Trunk:
    """The trunk of an animal in a pose: a frame that turns and stretches, to which the parts are fixed."""

    def __init__(self, build: Build, pose: Pose) -> None:
        self.build, self.pose = build, pose
        self.lies = pose.action == "rests"
        self.height = build.lying + 0 * pose.height if self.lies else build.hips * pose.height

    def at(self, x: float, y: float) -> np.ndarray:
        """The place `(t, 2)` of a point of the trunk: x as a share of its length, y from the joints."""
        return self.outline(((x, y),))[:, 0]

    def outline(self, points: tuple[tuple[float, float], ...]) -> Points:
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
        if self.lies:
            base = joint[:, 0]
            knee = point(base + (0.3 if fore else 0.22) * length, self.build.legs[1] / 2 + (0.0 if fore else 0.025))
            toe = point(base + (0.58 if fore else 0.48) * length, self.build.legs[2] / 2)
        else:
            forwards, up = foot(self.pose, leg, length)
            toe = point(joint[:, 0] + forwards, up + self.build.legs[2] / 3)
            knee = bend(joint, toe, 0.5 * length, 0.55 * length, self.build.knees[fore])
        return stroke(path(joint, knee, toe), self.build.legs)


def _tail(trunk: Trunk, root: tuple[float, float], lengths: float, droop: float, widths: tuple[float, ...]) -> Points:
    """A tail that hangs by the angle `droop` (radians below straight back) and swings."""
    start = trunk.at(*root)
    angle = np.pi + droop + 0.3 * trunk.pose.swing - 0.5 * (trunk.pose.action == "runs") + trunk.pose.pitch
    middle = start + polar(angle, lengths * 0.55)
    return stroke(path(start, middle, middle + polar(angle - 0.5 * trunk.pose.swing - 0.4, lengths * 0.5)), widths)


def _neck(trunk: Trunk, root: tuple[float, float], angle: float, length: float, lower: float = 1.0) -> np.ndarray:
    """Where the neck ends `(t, 2)`; `lower` says how much of the pose's lowering of the head it follows."""
    return trunk.at(*root) + polar(angle + lower * trunk.pose.neck + 0.5 * trunk.pose.pitch, length)


LION = Build(
    hips=0.165,
    length=0.22,
    lying=0.06,
    legs=(0.062, 0.036, 0.034),
    outline=(
        (-0.72, 0.02),
        (-0.62, 0.06),
        (-0.2, 0.052),
        (0.3, 0.07),
        (0.66, 0.05),
        (0.68, -0.03),
        (0.35, -0.062),
        (-0.15, -0.04),
        (-0.6, -0.05),
    ),
)


def lion(pose: Pose) -> Drawing:
    trunk = Trunk(LION, pose)
    head = _neck(trunk, (0.55, 0.03), 0.75, 0.095, 0.9)
    tilt = 0.3 * pose.neck
    tail = _tail(trunk, (-0.66, 0.04), 0.15, 0.1, (0.022, 0.016, 0.014))
    spikes = np.where(np.arange(22) % 2, 1.0, 0.84)[:, None]
    mane = (ellipse(np.zeros((1, 2)), 0.1, 0.108, n=22) * spikes) + (head + point(-0.02, -0.012))[:, None]

    def face(points: list[tuple[float, float]]) -> Points:
        return turn(fixed(points), tilt) + head[:, None]

    muzzle = smooth(face([(0.03, 0.02), (0.075, 0.005), (0.085, -0.022), (0.06, -0.04), (0.02, -0.035)]))
    return [
        ("coat", tail),
        ("dark", ellipse(tail[:, 3], 0.027, 0.02, n=10)),
        ("far", trunk.leg(2)),
        ("far", trunk.leg(3)),
        ("coat", trunk.body()),
        ("coat", trunk.leg(0)),
        ("coat", trunk.leg(1)),
        ("dark", mane),
        ("coat", ellipse(head + point(0.018, 0.0), 0.054, 0.056)),
        ("coat", ellipse(head + point(-0.022, 0.06), 0.02, 0.02, n=8)),
        ("light", muzzle),
        ("black", face([(0.07, 0.008), (0.092, 0.0), (0.08, -0.016)])),
        ("black", ellipse(head + polar(tilt + 0.5, 0.04), 0.01, 0.012, n=8)),
    ]


ELEPHANT = Build(
    hips=0.2,
    length=0.21,
    lying=0.1,
    legs=(0.085, 0.068, 0.066),
    outline=(
        (-0.78, 0.02),
        (-0.66, 0.11),
        (-0.2, 0.15),
        (0.3, 0.145),
        (0.68, 0.1),
        (0.74, 0.0),
        (0.4, -0.075),
        (-0.2, -0.085),
        (-0.66, -0.06),
    ),
    knees=(1, -1),
)


def elephant(pose: Pose) -> Drawing:
    trunk = Trunk(ELEPHANT, pose)
    head = _neck(trunk, (0.62, 0.06), 0.45, 0.09, 0.5)
    tail = _tail(trunk, (-0.72, 0.06), 0.13, 1.0, (0.016, 0.012, 0.018))
    sway = 0.35 * pose.swing
    raised = {"runs": 0.9, "leaps": 1.0, "stalks": -0.1}.get(pose.action, 0.0)
    brow = head + point(0.04, -0.015)
    middle = brow + polar(-1.05 + raised + 0.3 * sway, 0.085)
    lower = middle + polar(-1.5 + 1.4 * raised + 0.7 * sway, 0.07)
    tip = lower + polar(-0.9 + 2.0 * raised + sway, 0.06)
    flap = 0.2 * pose.swing
    ear = fixed([(0.02, 0.07), (-0.05, 0.095), (-0.115, 0.06), (-0.115, -0.02), (-0.07, -0.09), (-0.02, -0.06)])
    tusk = np.stack(
        [head + point(x, y) for x, y in ((0.03, -0.045), (0.115, -0.072), (0.125, -0.05), (0.05, -0.025))], 1
    )
    return [
        ("dark", tail),
        ("far", trunk.leg(2)),
        ("far", trunk.leg(3)),
        ("coat", trunk.body()),
        ("coat", trunk.leg(0)),
        ("coat", trunk.leg(1)),
        ("coat", stroke(path(brow, middle, lower, tip), (0.072, 0.048, 0.036, 0.026))),
        ("ivory", tusk),
        ("coat", ellipse(head, 0.082, 0.085)),
        ("ear", smooth(turn(ear, flap) + head[:, None])),
        ("black", ellipse(head + point(0.042, 0.022), 0.011, 0.012, n=8)),
    ]


GIRAFFE = Build(
    hips=0.245,
    length=0.15,
    lying=0.065,
    legs=(0.05, 0.028, 0.024),
    outline=(
        (-0.76, -0.01),
        (-0.66, 0.04),
        (-0.1, 0.06),
        (0.5, 0.1),
        (0.78, 0.06),
        (0.72, -0.02),
        (0.4, -0.06),
        (-0.3, -0.045),
        (-0.66, -0.05),
    ),
)
_GIRAFFE_SPOTS = (
    (-0.5, 0.0),
    (-0.2, 0.02),
    (0.12, 0.035),
    (0.44, 0.045),
    (-0.36, -0.025),
    (0.0, -0.02),
    (0.36, -0.012),
)


def giraffe(pose: Pose) -> Drawing:
    trunk = Trunk(GIRAFFE, pose)
    root = trunk.at(0.55, 0.05)
    angle = 1.15 + 0.85 * pose.neck + 0.5 * pose.pitch
    head = root + polar(angle, 0.27)
    nod = -0.42 + 0.35 * pose.neck
    muzzle = [(-0.03, 0.02), (0.0, 0.03), (0.07, 0.012), (0.09, -0.01), (0.07, -0.024), (0.0, -0.024), (-0.03, -0.01)]
    tail = _tail(trunk, (-0.7, 0.03), 0.13, 1.1, (0.014, 0.012, 0.022))
    spots = [("dark", trunk.outline(_spot(x, y, 0.12, 0.018))) for x, y in _GIRAFFE_SPOTS]
    bars = [
        ("dark", ellipse(root + polar(angle, 0.27 * share), 0.017, 0.5 * width, angle, n=6))
        for share, width in ((0.2, 0.05), (0.38, 0.042), (0.56, 0.035), (0.74, 0.03))
    ]
    horns = [
        ("dark", stroke(path(head + polar(nod + 1.7, 0.02), head + polar(nod + turned, 0.065)), (0.014, 0.02)))
        for turned in (1.55, 2.0)
    ]
    return [
        ("dark", tail),
        ("far", trunk.leg(2)),
        ("far", trunk.leg(3)),
        ("coat", trunk.body()),
        ("coat", trunk.leg(0)),
        ("coat", trunk.leg(1)),
        *spots,
        ("dark", stroke(path(root + polar(angle + 1.57, 0.026), head + polar(angle + 1.57, 0.012)), (0.03, 0.022))),
        ("coat", stroke(path(root, root + polar(angle, 0.14), head), (0.088, 0.052, 0.042))),
        *bars,
        *horns,
        ("coat", smooth(turn(fixed(muzzle), nod) + head[:, None])),
        ("light", ellipse(head + polar(nod - 0.05, 0.072), 0.02, 0.017, n=8)),
        ("black", ellipse(head + polar(nod + 0.6, 0.02), 0.008, 0.009, n=8)),
    ]


def _spot(x: float, y: float, rx: float, ry: float) -> tuple[tuple[float, float], ...]:
    return ((x - rx, y), (x - 0.4 * rx, y + ry), (x + 0.7 * rx, y + 0.8 * ry), (x + rx, y - 0.3 * ry), (x, y - ry))


ZEBRA = Build(
    hips=0.185,
    length=0.2,
    lying=0.07,
    legs=(0.06, 0.03, 0.026),
    outline=(
        (-0.74, 0.0),
        (-0.66, 0.06),
        (-0.2, 0.06),
        (0.3, 0.062),
        (0.66, 0.08),
        (0.72, 0.0),
        (0.4, -0.06),
        (-0.2, -0.065),
        (-0.64, -0.05),
    ),
)
_ZEBRA_STRIPES = (
    (-0.55, 0.052, -0.045),
    (-0.27, 0.058, -0.055),
    (0.0, 0.06, -0.062),
    (0.27, 0.062, -0.06),
    (0.52, 0.066, -0.04),
)


def zebra(pose: Pose) -> Drawing:
    trunk = Trunk(ZEBRA, pose)
    root = trunk.at(0.52, 0.03)
    angle = 0.92 + pose.neck + 0.5 * pose.pitch
    head = root + polar(angle, 0.145)
    nod = -0.75 + 0.5 * pose.neck
    snout = [(-0.045, 0.025), (0.0, 0.04), (0.09, 0.02), (0.115, -0.01), (0.09, -0.03), (0.0, -0.04), (-0.04, -0.02)]
    face = turn(fixed(snout), nod) + head[:, None]
    tail = _tail(trunk, (-0.7, 0.04), 0.14, 1.1, (0.016, 0.014, 0.03))
    stripes = [
        ("dark", trunk.outline(((x - 0.065, top), (x + 0.065, top), (x + 0.02, low), (x - 0.02, low))))
        for x, top, low in _ZEBRA_STRIPES
    ]
    bars = [
        ("dark", ellipse(root + polar(angle, 0.145 * share), 0.012, width, angle, n=6))
        for share, width in ((0.35, 0.047), (0.66, 0.038))
    ]
    side = angle + 1.57
    mane = stroke(path(root + polar(side, 0.04), root + polar(angle, 0.08) + polar(side, 0.046), head + polar(side, 0.03)),
                  (0.03, 0.04, 0.03))  # fmt: skip
    return [
        ("dark", tail),
        ("shade", trunk.leg(2)),
        ("shade", trunk.leg(3)),
        ("dark", mane),
        ("light", trunk.body()),
        ("light", trunk.leg(0)),
        ("light", trunk.leg(1)),
        *stripes,
        ("light", stroke(path(root, root + polar(angle, 0.08), head), (0.1, 0.078, 0.062))),
        *bars,
        ("light", smooth(face)),
        ("dark", ellipse(head + polar(nod, 0.095), 0.026, 0.026, n=10)),
        ("dark", stroke(path(head + polar(nod + 1.9, 0.03), head + polar(nod + 2.0, 0.085)), (0.026, 0.012))),
        ("black", ellipse(head + polar(nod + 0.4, 0.025), 0.01, 0.011, n=8)),
    ]


GAZELLE = Build(
    hips=0.195,
    length=0.165,
    lying=0.055,
    legs=(0.044, 0.02, 0.018),
    outline=(
        (-0.76, 0.02),
        (-0.6, 0.045),
        (-0.1, 0.035),
        (0.35, 0.04),
        (0.7, 0.05),
        (0.74, 0.0),
        (0.4, -0.045),
        (-0.1, -0.035),
        (-0.64, -0.03),
    ),
)


def gazelle(pose: Pose) -> Drawing:
    trunk = Trunk(GAZELLE, pose)
    root = trunk.at(0.55, 0.025)
    angle = 1.1 + 0.9 * pose.neck + 0.5 * pose.pitch
    head = root + polar(angle, 0.135)
    nod = -0.45 + 0.5 * pose.neck
    snout = [(-0.035, 0.018), (0.0, 0.032), (0.07, 0.008), (0.082, -0.01), (0.06, -0.022), (-0.02, -0.026)]
    horn = [(0.0, 0.025), (-0.035, 0.075), (-0.03, 0.125), (-0.05, 0.18)]
    horns = []
    for shift, lean in ((0.0, 0.25), (0.03, -0.12)):
        line = turn(fixed(horn), nod + 0.3 + lean) + (head + point(shift, 0.0))[:, None]
        horns.append(("dark", stroke(np.broadcast_to(line, (len(head), 4, 2)), (0.024, 0.022, 0.017, 0.01))))
    band = ((-0.62, -0.012), (0.5, 0.0), (0.62, 0.02), (0.5, -0.026), (-0.62, -0.03))
    belly = ((-0.55, -0.024), (0.45, -0.022), (0.4, -0.047), (-0.1, -0.038))
    return [
        ("dark", _tail(trunk, (-0.7, 0.03), 0.07, 0.9, (0.026, 0.022, 0.012))),
        ("far", trunk.leg(2)),
        ("far", trunk.leg(3)),
        horns[1],
        ("coat", trunk.body()),
        ("light", trunk.outline(belly)),
        ("dark", trunk.outline(band)),
        ("coat", trunk.leg(0)),
        ("coat", trunk.leg(1)),
        ("light", ellipse(trunk.at(-0.68, 0.005), 0.02, 0.028, n=8)),
        ("coat", stroke(path(root, root + polar(angle, 0.07), head), (0.062, 0.042, 0.036))),
        ("coat", smooth(turn(fixed(snout), nod) + head[:, None])),
        horns[0],
        ("coat", stroke(path(head + polar(nod + 2.4, 0.02), head + polar(nod + 2.9, 0.075)), (0.022, 0.01))),
        ("black", ellipse(head + polar(nod + 0.5, 0.022), 0.009, 0.01, n=8)),
    ]


OSTRICH = Build(
    hips=0.225,
    length=0.08,
    lying=0.06,
    legs=(0.05, 0.028, 0.022),
    outline=(
        (-1.5, 0.04),
        (-1.0, 0.1),
        (0.0, 0.115),
        (1.0, 0.08),
        (1.3, 0.02),
        (0.8, -0.05),
        (-0.2, -0.07),
        (-1.0, -0.04),
    ),
)


def ostrich(pose: Pose) -> Drawing:
    # Two legs in turn: what is "hind" for a quadruped is its near leg, "far fore" its far leg, both below the middle.
    trunk = Trunk(OSTRICH, pose)
    legs = Trunk(replace(OSTRICH, length=0.0), pose)
    root = trunk.at(1.0, 0.05)
    middle = root + polar(1.25 + 0.7 * pose.neck, 0.11)
    head = middle + polar(1.5 + 0.9 * pose.neck, 0.115)
    wave = 0.25 * pose.swing
    plumes = [
        (
            "light",
            stroke(path(trunk.at(-1.2, 0.05), trunk.at(-1.3, 0.05) + polar(np.pi - lift + wave, 0.11)), (0.05, 0.035)),
        )
        for lift in (0.75, 0.25, -0.25)
    ]
    wing = ((-1.0, 0.04), (-0.3, 0.085), (0.7, 0.06), (0.5, -0.005), (-0.3, -0.045), (-1.2, -0.035))
    beak = np.stack([head + point(x, y) for x, y in ((0.015, 0.018), (0.085, -0.008), (0.015, -0.016))], 1)
    return [
        *plumes,
        ("far", legs.leg(3 if pose.action in ("walks", "stalks") else 2)),
        ("light", legs.leg(0)),
        ("dark", trunk.body()),
        ("coat", smooth(trunk.outline(wing))),
        ("light", stroke(path(trunk.at(-0.9, -0.03), trunk.at(-1.5, -0.02)), (0.04, 0.03))),
        ("neck", stroke(path(root, middle, head), (0.046, 0.03, 0.028))),
        ("neck", ellipse(head, 0.034, 0.03, n=10)),
        ("amber", beak),
        ("black", ellipse(head + point(0.01, 0.008), 0.009, 0.01, n=8)),
    ]


def hare(swing: np.ndarray, hop: np.ndarray) -> Drawing:
    """The prey: a small hare that sits up, its ears twitching."""
    feet = point(0.0, hop)
    ears = [
        (
            "prey",
            stroke(path(feet + point(0.03, 0.075), feet + point(0.03, 0.075) + polar(lean + 0.15 * swing, 0.065)), w),
        )
        for lean, w in ((1.9, (0.02, 0.016)), (1.5, (0.02, 0.016)))
    ]
    return [
        ("ivory", ellipse(feet + point(-0.055, 0.03), 0.02, 0.018, n=8)),
        ("prey", ellipse(feet + point(-0.01, 0.036), 0.05, 0.036, n=12)),
        ("prey", ellipse(feet + point(0.034, 0.068), 0.028, 0.024, n=10)),
        *ears,
        ("black", ellipse(feet + point(0.042, 0.072), 0.007, 0.008, n=6)),
    ]


ANIMALS: dict[str, Callable[[Pose], Drawing]] = {
    "lion": lion,
    "elephant": elephant,
    "giraffe": giraffe,
    "zebra": zebra,
    "gazelle": gazelle,
    "ostrich": ostrich,
}
