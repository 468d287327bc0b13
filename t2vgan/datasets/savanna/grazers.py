"""Giraffe, zebra and gazelle; see `animals`."""

from __future__ import annotations

import numpy as np

from t2vgan.datasets.savanna.anatomy import Build, Drawing, Trunk, tail_of
from t2vgan.datasets.savanna.geometry import ellipse, fixed, path, point, polar, smooth, stroke, turn
from t2vgan.datasets.savanna.motion import Pose

GIRAFFE = Build(
    hips=0.245,
    length=0.15,
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
    head = root + polar(angle, 0.32)
    nod = -0.42 + 0.35 * pose.neck
    muzzle = [(-0.03, 0.02), (0.0, 0.03), (0.07, 0.012), (0.09, -0.01), (0.07, -0.024), (0.0, -0.024), (-0.03, -0.01)]
    tail = tail_of(trunk, (-0.7, 0.03), 0.13, 1.1, (0.014, 0.012, 0.022))
    spots = [("dark", trunk.outline(_spot(x, y, 0.135, 0.021))) for x, y in _GIRAFFE_SPOTS]
    bars = [
        ("dark", ellipse(root + polar(angle, 0.32 * share), 0.02, 0.5 * width, angle, n=6))
        for share, width in ((0.16, 0.062), (0.34, 0.052), (0.52, 0.045), (0.7, 0.04), (0.86, 0.036))
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
        ("dark", stroke(path(root + polar(angle + 1.57, 0.034), head + polar(angle + 1.57, 0.02)), (0.03, 0.022))),
        ("coat", stroke(path(root, root + polar(angle, 0.15), head), (0.1, 0.066, 0.054))),
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
    tail = tail_of(trunk, (-0.7, 0.04), 0.14, 1.1, (0.016, 0.014, 0.03))
    stripes = [
        ("dark", trunk.outline(((x - 0.065, top), (x + 0.065, top), (x + 0.02, low), (x - 0.02, low))))
        for x, top, low in _ZEBRA_STRIPES
    ]
    bars = [
        ("dark", ellipse(root + polar(angle, 0.145 * share), 0.012, width, angle, n=6))
        for share, width in ((0.35, 0.047), (0.66, 0.038))
    ]
    side = angle + 1.57
    crest = (root + polar(side, 0.04), root + polar(angle, 0.08) + polar(side, 0.046), head + polar(side, 0.03))
    mane = stroke(path(*crest), (0.03, 0.04, 0.03))
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
    angle = 0.85 + 0.9 * pose.neck + 0.5 * pose.pitch
    head = root + polar(angle, 0.1)
    nod = -0.45 + 0.5 * pose.neck
    snout = [(-0.035, 0.018), (0.0, 0.032), (0.07, 0.008), (0.082, -0.01), (0.06, -0.022), (-0.02, -0.026)]
    horn = [(0.0, 0.025), (-0.055, 0.075), (-0.095, 0.135), (-0.09, 0.2)]
    horns = []
    for shift, lean in ((0.0, 0.22), (0.03, -0.12)):
        line = turn(fixed(horn), nod + 0.3 + lean) + (head + point(shift, 0.0))[:, None]
        horns.append(("dark", stroke(np.broadcast_to(line, (len(head), 4, 2)), (0.028, 0.026, 0.02, 0.012))))
    band = ((-0.62, -0.012), (0.5, 0.0), (0.62, 0.02), (0.5, -0.026), (-0.62, -0.03))
    belly = ((-0.6, -0.02), (0.5, -0.018), (0.44, -0.05), (-0.1, -0.044), (-0.6, -0.034))
    return [
        ("dark", tail_of(trunk, (-0.7, 0.03), 0.07, 0.9, (0.026, 0.022, 0.012))),
        ("far", trunk.leg(2)),
        ("far", trunk.leg(3)),
        horns[1],
        ("coat", trunk.body()),
        ("light", trunk.outline(belly)),
        ("dark", trunk.outline(band)),
        ("coat", trunk.leg(0)),
        ("coat", trunk.leg(1)),
        ("light", ellipse(trunk.at(-0.68, 0.005), 0.027, 0.034, n=8)),
        ("coat", stroke(path(root, root + polar(angle, 0.05), head), (0.062, 0.046, 0.038))),
        ("coat", smooth(turn(fixed(snout), nod) + head[:, None])),
        horns[0],
        ("coat", stroke(path(head + polar(nod + 2.4, 0.02), head + polar(nod + 2.9, 0.075)), (0.022, 0.01))),
        ("black", ellipse(head + polar(nod + 0.5, 0.022), 0.009, 0.01, n=8)),
    ]
