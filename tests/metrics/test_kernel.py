"""Golden values, an explicit double sum, bias, and torchmetrics' own kernel."""

import pytest
import torch
from torch import nn
from torchmetrics.image.kid import poly_mmd

from t2vgan.metrics import KernelVideoDistance, kernel, kernel_distance
from t2vgan.metrics.kernel import jedi_kernel_distance


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


GOLDEN = (
    torch.arange(1.0, 10.0, dtype=torch.float64).reshape(3, 3),
    torch.tensor([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]], dtype=torch.float64),
)


def test_golden_values() -> None:
    assert kernel_distance(*GOLDEN, degree=2, coef0=0.0, unbiased=False).item() * 100 == pytest.approx(
        jedi_kernel_distance(*GOLDEN).item()
    )
    assert jedi_kernel_distance(*GOLDEN).item() == pytest.approx(27072.22, abs=0.01)
    assert kernel_distance(*GOLDEN, unbiased=False).item() == pytest.approx(23088.0833, abs=1e-3)


def test_unbiased_form_is_the_double_sum_without_the_diagonal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "ROWS", 3)
    x, y = features(7, 5), features(4, 5, seed=1) + 0.5

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 5 + 1) ** 3)

    expected = (
        sum(k(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / 42
        + sum(k(y[i], y[j]) for i in range(4) for j in range(4) if i != j) / 12
        - 2 * sum(k(a, b) for a in x for b in y) / 28
    )
    assert kernel_distance(x, y).item() == pytest.approx(expected, rel=1e-12)


def test_agrees_with_torchmetrics() -> None:
    x, y = features(60, 8), features(60, 8, seed=1) * 1.1 + 0.2
    expected = poly_mmd(x, y, degree=3, gamma=None, coef=1.0)
    assert kernel_distance(x, y).item() == pytest.approx(expected.item(), rel=1e-9)


def test_same_distribution_averages_to_zero_and_a_shift_does_not() -> None:
    draws = [kernel_distance(features(64, 16, seed=s), features(64, 16, seed=s + 1000)).item() for s in range(60)]
    shifted = [kernel_distance(features(64, 16, s), features(64, 16, s + 1000) + 0.3).item() for s in range(60)]
    mean, error = torch.tensor(draws).mean().item(), torch.tensor(draws).std().item() / 60**0.5
    assert abs(mean) < 4 * error
    assert torch.tensor(shifted).mean().item() > 20 * error


def test_the_even_kernel_cannot_see_what_the_cubic_one_can() -> None:
    x = features(400, 16)
    x = torch.cat([x, -x])  # symmetric: a mirrored half-space has the same second moments
    mean = torch.full((16,), 0.3, dtype=torch.float64)
    assert abs(kernel_distance(x + mean, x - mean, degree=2, coef0=0.0, unbiased=False).item()) < 1e-12
    assert kernel_distance(x + mean, x - mean, unbiased=False).item() > 0.1


def test_metric_collects_batches_and_keeps_the_real_ones() -> None:
    x, y = features(50, 8).float(), features(31, 8, seed=1).float() + 0.2
    metric = KernelVideoDistance(dim=8)
    for batch in x.split(20):
        metric.update(batch, real=True)
    metric.update(y + 3, real=False)
    metric.reset()
    assert metric.compute().isnan()
    metric.update(y, real=False)
    assert metric.compute().item() == pytest.approx(kernel_distance(x, y).item(), rel=1e-12)
    assert metric.compute().dtype == torch.float64


def test_a_parent_cannot_change_the_dtype_of_the_features() -> None:
    parent = nn.ModuleList([KernelVideoDistance(dim=8)])
    parent[0].update(features(5, 8).float(), real=True)
    parent.to(torch.bfloat16)
    assert {part.dtype for part in parent[0].real_features} == {torch.float32}


def test_wrong_width_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 8\)"):
        KernelVideoDistance(dim=8).update(features(3, 5), real=True)
