"""How good are the clips, how much do they move, and do they show what their captions say?

`METRICS` are the distances between real and generated features; the name of the features completes theirs: `fd_probe`.
"""

from __future__ import annotations

from t2vgan.metrics.attributes import AttributeAccuracy
from t2vgan.metrics.frechet import FrechetVideoDistance, frechet_distance
from t2vgan.metrics.kernel import KernelVideoDistance, kernel_distance
from t2vgan.metrics.probe import Probe

METRICS = {
    "fd": FrechetVideoDistance,
    "kid": KernelVideoDistance,
}

__all__ = [
    "METRICS",
    "AttributeAccuracy",
    "FrechetVideoDistance",
    "KernelVideoDistance",
    "Probe",
    "frechet_distance",
    "kernel_distance",
]
