"""How an animal moves: from an action and the times to the pose of its body and the places of its feet.

Lengths are in frame heights of an animal of plain size, angles in radians, times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# How far an animal gets in a clip, in frame widths over the ground, and steps per second.
DISTANCE = {"stalks": 0.08, "walks": 0.2, "runs": 0.46, "leaps": 0.3, "rests": 0.0}
CADENCE = {"stalks": 0.5, "walks": 0.95, "runs": 2.1, "leaps": 1.0, "rests": 0.4}

# When the four feet (near hind, near fore, far hind, far fore) come down, as shares of the gait cycle.
FOOTFALL = {
    "stalks": (0.0, 0.25, 0.5, 0.75),
    "walks": (0.0, 0.25, 0.5, 0.75),
    "runs": (0.0, 0.5, 0.12, 0.62),
    "leaps": (0.0, 0.5, 0.05, 0.55),
    "rests": (0.0, 0.0, 0.0, 0.0),
}
_STRIDE = {"stalks": 0.5, "walks": 0.75, "runs": 1.25, "leaps": 1.0, "rests": 0.0}  # in leg lengths
_LIFT = {"stalks": 0.1, "walks": 0.16, "runs": 0.34, "leaps": 0.3, "rests": 0.0}
_DUTY = {"stalks": 0.7, "walks": 0.6, "runs": 0.35, "leaps": 0.3, "rests": 1.0}  # share of the cycle on the ground
_GROUND = 0.24  # share of a leap that is spent on the ground


@dataclass
class Pose:
    """The body at each instant; arrays `(t,)`."""

    action: str
    phase: np.ndarray  # gait cycles, fractional part = where in the cycle
    advance: np.ndarray  # frame widths since the start of the clip
    hop: np.ndarray  # height of the feet's ground line above the ground
    height: np.ndarray  # of the hips, as a share of the standing height
    pitch: np.ndarray  # of the trunk, nose up is positive
    stretch: float  # of the trunk
    neck: np.ndarray  # added to the neck's angle; negative lowers the head
    swing: np.ndarray  # of tail, ears and the like, -1..1


def pose(action: str, times: np.ndarray, duration_s: float, phase0: float, tempo: float) -> Pose:
    """The pose at `times`; `phase0` is where in its cycle the gait begins, `tempo` scales the cadence."""
    phase = phase0 + CADENCE[action] * tempo * times
    wave = 2 * np.pi * phase
    zero = np.zeros_like(times)
    still = Pose(
        action,
        phase,
        DISTANCE[action] * times / duration_s,
        zero,
        1 + zero,
        zero,
        1.0,
        zero,
        np.sin(2 * np.pi * (phase0 + 0.7 * times)),
    )
    match action:
        case "stalks":
            still.height, still.neck, still.stretch = 0.7 + 0.015 * np.sin(2 * wave), zero - 0.75, 1.06
        case "walks":
            still.height, still.neck = 1 + 0.02 * np.sin(2 * wave), 0.06 * np.sin(2 * wave)
        case "runs":
            still.height, still.pitch = 0.93 + 0.05 * np.sin(wave), 0.13 * np.sin(wave + 0.8)
            still.neck, still.stretch = -0.38 + 0.1 * np.sin(wave), 1.14
        case "leaps":
            _leap(still)
        case "rests":
            still.height, still.neck = zero, 0.12 * np.sin(wave)
    return still


def _leap(pose: Pose) -> None:
    cycle = pose.phase % 1
    air = np.clip((cycle - _GROUND) / (1 - _GROUND), 0, 1)
    ground = np.clip(cycle / _GROUND, 0, 1)
    pose.hop = 0.2 * 4 * air * (1 - air)
    pose.height = np.where(air > 0, 1.0, 1 - 0.22 * np.sin(np.pi * ground))
    pose.pitch = np.where(air > 0, 0.42 * (1 - 2 * air), 0.42 * (2 * ground - 1))
    pose.neck = 0.1 - 0.5 * pose.pitch
    pose.stretch = 1.06


def foot(pose: Pose, leg: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a foot is relative to the ground below its joint: forwards and up, `(t,)` each.

    leg: 0 near hind, 1 near fore, 2 far hind, 3 far fore; length of the leg.
    """
    action = pose.action
    if action == "leaps":
        return _leaping_foot(pose, leg, length)
    cycle = (pose.phase - FOOTFALL[action][leg]) % 1
    duty, stride = _DUTY[action], _STRIDE[action] * length
    swing = np.clip((cycle - duty) / max(1 - duty, 1e-6), 0, 1)
    ease = swing * swing * (3 - 2 * swing)
    forwards = np.where(cycle < duty, stride * (0.5 - cycle / duty), stride * (ease - 0.5))
    return forwards, _LIFT[action] * length * np.sin(np.pi * swing)


def _leaping_foot(pose: Pose, leg: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    air = np.clip((pose.phase % 1 - _GROUND) / (1 - _GROUND), 0, 1)
    reach = np.sin(np.pi * air)
    fore = leg % 2 == 1
    forwards = (0.75 if fore else -0.8) * length * reach + (0.06 * length if leg > 1 else 0)
    return forwards, (0.42 if fore else 0.3) * length * reach
