"""The names that others build on, called as they are promised."""

from __future__ import annotations

import inspect

import torch

from t2vgan import metrics
from t2vgan.metrics import FrechetVideoDistance, KernelVideoDistance, frechet_distance


def test_distances_are_called_as_promised() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(40, 5, generator=generator), torch.randn(30, 5, generator=generator) + 1
    found = frechet_distance(real, fake)
    assert found.dtype == torch.float64 and found.ndim == 0
    assert list(inspect.signature(frechet_distance).parameters)[:2] == ["real_features", "fake_features"]
    for distance in (FrechetVideoDistance, KernelVideoDistance):
        metric = distance(dim=5)
        metric.update(real, real=True)
        metric.update(fake, real=False)
        assert metric.compute().dtype == torch.float64 and metric.compute() > 0


def test_all_names_are_there() -> None:
    assert all(hasattr(metrics, name) for name in metrics.__all__)
