"""Six articulated animals, drawn facing right: x forwards from the middle of the body, y up from the ground.

Each animal is a list of `(ink, outline)` from back to front; an ink is a name in the animal's palette, an outline
`(t, n, 2)` moves with the pose. Telling features are exaggerated, since an animal is often only 14 pixels long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from t2vgan.datasets.savanna.anatomy import Build, Drawing, Trunk, neck_end, tail_of
from t2vgan.datasets.savanna.geometry import Points, ellipse, fixed, path, point, polar, smooth, stroke, turn
from t2vgan.datasets.savanna.grazers import gazelle, giraffe, zebra
from t2vgan.datasets.savanna.motion import Pose

LION = Build(
    hips=0.165,
    length=0.22,
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
    head = neck_end(trunk, (0.55, 0.03), 0.75, 0.095, 0.9)
    tilt = 0.3 * pose.neck
    tail = tail_of(trunk, (-0.66, 0.04), 0.15, 0.1, (0.022, 0.016, 0.014))
    spikes = np.where(np.arange(22) % 2, 1.0, 0.84)[:, None]
    mane = (ellipse(np.zeros((1, 2)), 0.108, 0.116, n=22) * spikes) + (head + point(-0.02, -0.012))[:, None]

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
    head = neck_end(trunk, (0.62, 0.06), 0.45, 0.09, 0.5)
    tail = tail_of(trunk, (-0.72, 0.06), 0.13, 1.0, (0.016, 0.012, 0.018))
    sway = 0.35 * pose.swing
    raised = pose.trunk
    brow = head + point(0.04, -0.015)
    middle = brow + polar(-1.05 + raised + 0.3 * sway, 0.085)
    lower = middle + polar(-1.5 + 1.4 * raised + 0.7 * sway, 0.07)
    tip = lower + polar(-0.9 + 2.0 * raised + sway, 0.06)
    flap = 0.2 * pose.swing
    ear = fixed([(0.02, 0.075), (-0.05, 0.105), (-0.13, 0.07), (-0.13, -0.02), (-0.075, -0.105), (-0.015, -0.06)])
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
        ("coat", stroke(path(brow, middle, lower, tip), (0.078, 0.056, 0.044, 0.034))),
        ("ivory", tusk),
        ("coat", ellipse(head, 0.082, 0.085)),
        ("ear", smooth(turn(ear, flap) + head[:, None])),
        ("black", ellipse(head + point(0.042, 0.022), 0.011, 0.012, n=8)),
    ]


OSTRICH = Build(
    hips=0.225,
    length=0.08,
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
    # Two legs in turn: what is "hind" for a quadruped is its near leg, "far hind" its far leg, both below the middle.
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
        ("far", legs.leg(2)),
        ("light", legs.leg(0)),
        ("dark", trunk.body()),
        ("coat", smooth(trunk.outline(wing))),
        ("light", stroke(path(trunk.at(-0.9, -0.03), trunk.at(-1.5, -0.02)), (0.04, 0.03))),
        ("neck", stroke(path(root, middle, head), (0.046, 0.03, 0.028))),
        ("neck", ellipse(head, 0.034, 0.03, n=10)),
        ("amber", beak),
        ("black", ellipse(head + point(0.01, 0.008), 0.009, 0.01, n=8)),
    ]


def hare(swing: np.ndarray) -> Drawing:
    """A small hare, its ears twitching: the prey of who stalks."""
    feet = point(0.0, 0.0 * swing)
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
