"""Every distance of a report with its floor, its interval and its warnings."""

from __future__ import annotations

import pytest
import torch

from t2vgan.metrics.near import distances
from t2vgan.metrics.prdc import precision_recall


def clips(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_every_figure_has_an_interval_about_its_value() -> None:
    found = distances(clips(120, 8, 0), clips(120, 8, 1), clips(120, 8, 2, 0.5), name="x")
    keys = "fd", "kid", "mind", "jedi_form", "fd_infinite", "precision", "recall", "density", "coverage"
    assert list(found) == [f"{key}_x" for key in keys]
    for name, figure in found.items():
        assert figure["low"] < figure["value"] < figure["high"], name
        assert {"floor", "ceiling"} & figure.keys() and figure["warning"] == "only 120 clips"
    enough = distances(clips(256, 8, 0), clips(256, 8, 1), clips(256, 8, 2, 0.5), name="x")
    assert not any("warning" in figure for figure in enough.values())
    assert found["fd_x"]["floor"] < found["fd_x"]["low"], "half a standard deviation in every dimension is seen"
    assert found["precision_x"]["value"] == precision_recall(clips(120, 8, 0), clips(120, 8, 2, 0.5)).precision


def test_shares_of_nothing_and_of_all_have_an_interval_too() -> None:
    """Far away: no part of the clips finds any neighbour, and still so few clips cannot exclude some per cent."""
    found = distances(clips(60, 4, 0), clips(60, 4, 1), clips(60, 4, 2, 50.0), name="x")
    assert found["recall_x"]["value"] == 0 and found["recall_x"]["low"] == 0
    assert 0.03 < found["recall_x"]["high"] < 0.1, "Wilson's for 60 clips"


def test_fewer_clips_than_dimensions_are_told_in_the_number_itself() -> None:
    found = distances(clips(30, 40, 0), clips(30, 40, 1), clips(30, 40, 2), name="x")
    assert found["fd_x"]["warning"] == "only 30 clips for 40 dimensions"
    assert found["fd_x"]["low"] < found["fd_x"]["value"] < found["fd_x"]["high"]
    infinite = found["fd_infinite_x"]
    assert infinite["warning"] == "too few clips for a line" and infinite["low"] is infinite["high"] is None


def test_very_few_clips_have_no_interval_of_neighbours() -> None:
    found = distances(clips(7, 2, 0), clips(7, 2, 1), clips(7, 2, 2), name="x")
    assert found["recall_x"]["low"] is None and found["recall_x"]["value"] >= 0
    assert "fd_infinite_x" not in found


def test_features_that_are_not_finite_are_a_clear_error() -> None:
    broken = clips(30, 4, 2).index_fill(0, torch.tensor([3]), float("nan"))
    with pytest.raises(ValueError, match="NaN or infinite x features: has the generator diverged"):
        distances(clips(30, 4, 0), clips(30, 4, 1), broken, name="x")
