"""What the tables of a report say."""

from __future__ import annotations

import math

import pytest

from t2vgan.metrics.controls import CONTROLS
from t2vgan.metrics.panel import accuracy_figure
from t2vgan.reports import page, rows
from t2vgan.reports.table import cell, table


def test_a_row_counts_only_where_the_judge_reads_real_clips_rightly() -> None:
    good, weak = (accuracy_figure(80, 100, floor=0.2, ceiling=ceiling) for ceiling in (0.97, 0.969))
    assert good["counts"] is True and weak["counts"] is False
    figures = {"fd_probe": {}, "attributes": {"place": good, "camera": weak}}
    found = rows.accuracy_tables(figures)["probe"]
    assert [row[-1] for row in found] == ["", "does not count"]
    assert found[0][:5] == ["place", "80.0 %", "97.0 %", "20.0 %", "77.9 % (66 to 87)"]
    shown = page.table(rows.ACCURACY, found)
    assert shown.count("class=void") == 1 and "does not count" in shown
    assert table("", rows.ACCURACY, found).rows[1].style == "dim"


def test_what_cannot_be_told_from_chance_is_not_normalised() -> None:
    found = accuracy_figure(1, 100, floor=0.177, ceiling=0.1775)
    assert math.isnan(found["normalised"]) and rows.accuracy_row("subject", found)[4] is None


def test_distances_are_told_by_feature_space() -> None:
    figure = {"value": 1.5, "low": 1.0, "high": 2.0, "floor": 0.5}
    neighbours = {"value": 0.9, "low": 0.8, "high": 1.0, "ceiling": 0.95}
    found = rows.distance_tables(
        {"fd_probe": figure, "fd_infinite_probe": figure, "precision_probe": neighbours, "fd_i3d_cdfvd": figure,
         "fvd_cdfvd": figure, "flicker": {"value": 1.0}, "clips": 3}
    )  # fmt: skip
    assert {space: [row[0] for row in of_space] for space, of_space in found.items()} == {
        "probe": ["fd_probe", "fd_infinite_probe", "precision_probe"], "i3d_cdfvd": ["fd_i3d_cdfvd", "fvd_cdfvd"],
    }  # fmt: skip
    assert found["probe"][2] == ["precision_probe", 0.9, "0.8 to 1", 0.95, ""]


def test_every_control_has_a_figure_that_is_marked_for_it() -> None:
    assert set(CONTROLS) <= set(rows.MADE_FOR)
    figures = ("fd_probe", "kid_probe", "motion_energy", "static_share", "flicker", "motion_spectrum_gap_db",
               "temporal_consistency", "arrow_of_time", "memorisation", "all_correct")  # fmt: skip
    controls = {name: dict.fromkeys(figures, 0.5) for name in ("real", *rows.MADE_FOR)}
    marks = dict(zip(controls, rows.made_for(controls), strict=True))
    assert not any(marks["real"]) and all(any(marks[name]) for name in rows.MADE_FOR)
    header, found = rows.control_table(controls)
    assert header[1:4] == ["fd", "kid", "energy"] and len(header) == len(found[0]) == len(marks["static"])


def test_a_control_that_moves_nothing_is_a_warning() -> None:
    real = {"motion_energy": 1.0, "static_share": 0.0, "flicker": 0.7}
    controls = {
        "real": real,
        "static": {"motion_energy": 0.0, "static_share": 1.0, "flicker": None},
        "half_frozen": {"motion_energy": 0.99, "static_share": 0.0, "flicker": 0.7},
    }
    assert rows.unmoved(controls) == "do not trust figures whose control did not move them: half frozen (energy)"
    assert rows.move_rows(controls) == [
        ["static", "energy 1 -> 0, static 0 -> 1"],
        ["half frozen", "energy 1 -> 0.99"],
    ]
    del controls["half_frozen"]
    assert rows.unmoved(controls) == ""


def test_the_overview_puts_splits_side_by_side() -> None:
    good, weak = (accuracy_figure(80, 100, floor=0.2, ceiling=ceiling) for ceiling in (1.0, 0.9))
    figures = {"fd_probe": {"value": 9.0, "floor": 1.0}, "motion_energy": {"value": 0.1, "real": 0.2, "ratio": 0.5}}
    judged = {"attributes": {"place": good, "action": weak}, "all_correct": good}
    splits = {
        "test": {**figures, **judged},
        "heldout": {**figures, **judged, "fd_probe": {"value": 12.0, "floor": 8.0}},
    }
    header, found = rows.overview({"splits": splits, "heldout_minus_test": {"place": -0.03, "all_correct": None}})
    assert header == ["figure", "test", "real", "heldout", "real", "gap", ""]
    assert [row[0] for row in found] == ["place", "action", "all correct", "fd_probe", "motion_energy"]
    assert found[0] == ["place", "80.0 %", "100.0 %", "80.0 %", "100.0 %", "-3.0 %", ""]
    assert found[1][-1] == "does not count" and found[2][-2] is None
    assert found[3][:6] == ["fd_probe", 9.0, 1.0, 12.0, 8.0, None], "each split beside its own real clips"
    assert found[4][:5] == ["motion_energy", 0.5, 1.0, 0.5, 1.0]
    header, found = rows.overview({"splits": {"all": figures}})
    assert header == ["figure", "all", "real", ""] and [row[0] for row in found] == ["fd_probe", "motion_energy"]


def test_percentages_near_nought_have_no_sign() -> None:
    assert rows.with_interval(0.129, -0.004, 0.29) == "12.9 % (0 to 29)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.4e-8, "0"), (0.0123456, "0.0123"), (196.54, "197"), (15346.7, "15347"), (None, ""), (math.nan, ""), (3, "3")],
)
def test_figures_have_three_digits(value: float | None, shown: str) -> None:
    assert cell(value) == page.cell(value) == shown
