"""New clips, copies, near copies and poor ones; scipy's U on the same distances."""

import pytest
import scipy.stats
import torch

from t2vgan.metrics import memorisation
from t2vgan.metrics.nearest import nearest_clips


def features(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


TRAINING, HELDOUT = features(300, 0), features(200, 1)


def test_new_clips_are_as_near_as_held_out_ones() -> None:
    found = memorisation(TRAINING, HELDOUT, features(200, 2))
    assert found.copying == pytest.approx(0.5, abs=0.08) and found.copies < 0.05
    nearest = [nearest_clips(side, TRAINING).distances for side in (HELDOUT, features(200, 2))]
    expected = scipy.stats.mannwhitneyu(*nearest).statistic / 200**2
    assert found.copying == pytest.approx(expected, abs=1e-12)


def test_copies_are_found_and_named() -> None:
    chosen = torch.tensor([5, 17, 17, 299])
    found = memorisation(TRAINING, HELDOUT, TRAINING[chosen])
    assert (found.copying, found.copies) == (1, 1)
    assert found.nearest.indices.tolist() == chosen.tolist() and found.nearest.distances.max() == 0
    near = memorisation(TRAINING, HELDOUT, TRAINING[:100] + 0.05 * features(100, 3))
    assert near.copying > 0.95 and near.copies > 0.9
    assert near.nearest.indices.tolist() == list(range(100))


def test_poor_clips_do_not_look_copied() -> None:
    assert memorisation(TRAINING, HELDOUT, features(200, 2) + 4).copying < 0.05


def test_ties_count_half() -> None:
    assert memorisation(TRAINING, HELDOUT, HELDOUT).copying == pytest.approx(0.5)
