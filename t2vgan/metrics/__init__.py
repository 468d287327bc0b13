"""How good are the clips, how much do they move, and do they show what their captions say?

`METRICS` are the distances between real and generated features; the name of the features completes theirs: `fd_probe`.
"""

from __future__ import annotations

from t2vgan.metrics.arrow import arrow_of_time
from t2vgan.metrics.attributes import AttributeAccuracy
from t2vgan.metrics.comparison import compare_accuracies, compare_distances, compare_values
from t2vgan.metrics.dual_encoder import DualEncoder
from t2vgan.metrics.extrapolated import ExtrapolatedFrechetVideoDistance, extrapolated_frechet_distance
from t2vgan.metrics.features import load_features
from t2vgan.metrics.flow import camera_and_subject_motion
from t2vgan.metrics.frechet import FrechetVideoDistance, frechet_distance
from t2vgan.metrics.intervals import jackknife_interval, subsampling_interval
from t2vgan.metrics.kernel import JediFormVideoDistance, KernelVideoDistance, jedi_kernel_distance, kernel_distance
from t2vgan.metrics.mind import MongeVideoDistance, mind_distance
from t2vgan.metrics.nearest import memorisation
from t2vgan.metrics.prdc import PrecisionRecall, precision_recall
from t2vgan.metrics.probe import Probe
from t2vgan.metrics.retrieval import r_precision, retrieval_precision
from t2vgan.metrics.swap import caption_swap, changed_captions

METRICS = {
    "fd": FrechetVideoDistance,
    "kid": KernelVideoDistance,
}

__all__ = [
    "METRICS",
    "AttributeAccuracy",
    "DualEncoder",
    "ExtrapolatedFrechetVideoDistance",
    "FrechetVideoDistance",
    "JediFormVideoDistance",
    "KernelVideoDistance",
    "MongeVideoDistance",
    "PrecisionRecall",
    "Probe",
    "arrow_of_time",
    "camera_and_subject_motion",
    "caption_swap",
    "changed_captions",
    "compare_accuracies",
    "compare_distances",
    "compare_values",
    "extrapolated_frechet_distance",
    "frechet_distance",
    "jackknife_interval",
    "jedi_kernel_distance",
    "kernel_distance",
    "load_features",
    "memorisation",
    "mind_distance",
    "precision_recall",
    "r_precision",
    "retrieval_precision",
    "subsampling_interval",
]
