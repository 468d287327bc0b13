"""A golden value, the definition spelled out, and sets whose answer is plain."""

import math

import numpy as np
import pytest
import torch

from t2vgan.metrics import PrecisionRecall, prdc, precision_recall


def features(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def golden() -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.RandomState(0)
    real, fake = random.randn(64, 8), random.randn(64, 8) * 1.1 + 0.2
    return torch.from_numpy(real.astype(np.float32)), torch.from_numpy(fake.astype(np.float32))


def test_golden_values() -> None:
    assert precision_recall(*golden(), k=5) == pytest.approx((0.921875, 0.96875, 0.796875, 0.90625), abs=1e-12)


def test_agrees_with_the_definition() -> None:
    real, fake, k = features(23, 3).numpy(), features(17, 3, seed=1).numpy() * 1.5, 3

    def radius(side: np.ndarray, i: int) -> float:
        return sorted(math.dist(side[i], other) for j, other in enumerate(side) if j != i)[k - 1]

    in_real = [[math.dist(f, r) < radius(real, j) for j, r in enumerate(real)] for f in fake]
    in_fake = [[math.dist(f, r) < radius(fake, i) for r in real] for i, f in enumerate(fake)]
    expected = (
        np.mean([any(row) for row in in_real]),
        np.mean([any(column) for column in zip(*in_fake, strict=True)]),
        np.sum(in_real) / (k * len(fake)),
        np.mean([any(column) for column in zip(*in_real, strict=True)]),
    )
    assert precision_recall(torch.from_numpy(real), torch.from_numpy(fake), k=k) == pytest.approx(expected, abs=1e-12)


def test_blocks_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = precision_recall(features(50, 4), features(40, 4, seed=1))
    monkeypatch.setattr(prdc, "ROWS", 7)
    assert precision_recall(features(50, 4), features(40, 4, seed=1)) == whole


def test_sets_whose_answer_is_plain() -> None:
    real = features(60, 4)
    assert precision_recall(real, real) == (1, 1, 1, 1)
    assert precision_recall(real, real + 100) == (0, 0, 0, 0)
    collapsed = precision_recall(real, real[:1] + 1e-6 * features(60, 4, seed=1))
    assert collapsed.precision == 1 and collapsed.recall < 0.05 and collapsed.coverage < 0.3


def test_one_outlier_inflates_recall_but_not_coverage() -> None:
    real, fake = features(100, 2), features(100, 2, seed=1) * 0.01 + 3
    outliers = torch.cat([fake, torch.full((1, 2), -40.0, dtype=torch.float64)])
    assert precision_recall(real, outliers).recall > 0.9 > precision_recall(real, fake).recall
    assert precision_recall(real, outliers).coverage == precision_recall(real, fake).coverage


def test_metric_collects_batches_and_is_nan_while_there_are_few() -> None:
    real, fake = golden()
    metric = PrecisionRecall(dim=8)
    metric.update(real[:30], real=True)
    metric.update(fake[:5], real=False)
    assert all(math.isnan(value) for value in metric.compute().values())
    metric.update(real[30:], real=True)
    metric.update(fake[5:], real=False)
    assert metric.compute() == precision_recall(real, fake)._asdict()


def test_no_neighbours_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        precision_recall(features(9, 2), features(9, 2), k=0)
    with pytest.raises(ValueError, match="at least 6 clips"):
        precision_recall(features(9, 2), features(5, 2))
