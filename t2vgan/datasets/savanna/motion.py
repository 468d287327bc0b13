"""How an animal moves: from an action and the times to the pose of its body and the places of its feet.

An action is told by how fast things go, never by how they look at one instant: whatever an animal does, its stance,
where it is in its step and how high it is come from the same distributions. So one frame says nothing of the action.

Lengths are in frame heights of an animal of plain size, angles in radians, times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# How far an animal gets in a clip, in frame widths over the ground; steps per second; leaps per second.
DISTANCE = {"stalks": 0.12, "walks": 0.26, "runs": 0.48, "leaps": 0.25, "rests": 0.0}
CADENCE = {"stalks": 0.6, "walks": 1.1, "runs": 1.9, "leaps": 1.0, "rests": 0.0}
LEAPS = {"leaps": 1.0}
HOP = 0.15  # the height of a leap, in frame heights

FOOTFALL = (0.0, 0.25, 0.5, 0.75)  # when near hind, near fore, far hind, far fore come down: shares of the gait cycle
_STRIDE, _LIFT = 0.85, 0.2  # in leg lengths
_DUTY = 0.55  # share of the cycle that a foot is on the ground
_GROUND = 0.2  # share of a leap that is spent on the ground


@dataclass(frozen=True)
class Stance:
    """How an animal carries itself through a clip; shares in 0..1. Drawn alike for every action."""

    step: float  # where in its step it begins
    leap: float  # where in a leap it begins; who does not leap stays at that height, as if it stood farther away
    crouch: float
    trunk: float  # how far an elephant has raised its trunk
    tempo: float  # factor on the cadence


@dataclass
class Pose:
    """The body at each instant; arrays `(t,)`."""

    phase: np.ndarray  # gait cycles, fractional part = where in the cycle
    advance: np.ndarray  # frame widths since the middle of the clip
    hop: np.ndarray  # frame heights by which the feet are above the lowest line on which they can be
    height: np.ndarray  # of the hips, as a share of the standing height
    pitch: np.ndarray  # of the body, nose up is positive
    stretch: float  # of the body
    neck: np.ndarray  # added to the neck's angle; negative lowers the head
    swing: np.ndarray  # of tail, ears and the like, -1..1
    trunk: float


def pose(action: str, times: np.ndarray, duration_s: float, stance: Stance) -> Pose:
    """The pose at `times`."""
    phase = stance.step + CADENCE[action] * stance.tempo * times
    wave = 2 * np.pi * phase
    air = np.clip(((stance.leap + LEAPS.get(action, 0.0) * stance.tempo * times) % 1 - _GROUND) / (1 - _GROUND), 0, 1)
    sway = np.sin(2 * np.pi * (stance.step + 0.7 * times))
    return Pose(
        phase=phase,
        advance=DISTANCE[action] * (times / duration_s - 0.5),
        hop=HOP * 4 * air * (1 - air),
        height=1 - 0.28 * stance.crouch + 0.025 * np.sin(2 * wave),
        pitch=0.07 * np.sin(wave + 0.8),
        stretch=1 + 0.08 * stance.crouch,
        neck=0.08 - 0.7 * stance.crouch + 0.08 * sway,
        swing=sway,
        trunk=stance.trunk,
    )


def foot(pose: Pose, leg: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a foot is relative to the ground below its joint: forwards and up, `(t,)` each.

    leg: 0 near hind, 1 near fore, 2 far hind, 3 far fore; length of the leg.
    """
    cycle = (pose.phase - FOOTFALL[leg]) % 1
    stride = _STRIDE * length
    swing = np.clip((cycle - _DUTY) / (1 - _DUTY), 0, 1)
    ease = swing * swing * (3 - 2 * swing)
    forwards = np.where(cycle < _DUTY, stride * (0.5 - cycle / _DUTY), stride * (ease - 0.5))
    return forwards, _LIFT * length * np.sin(np.pi * swing)
