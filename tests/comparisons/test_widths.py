from __future__ import annotations

from pathlib import Path

import pytest

from t2vgan.comparisons.study import read_study
from t2vgan.comparisons.widths import CRITICS, GENERATOR, STEP, game_of, parameters, trained, widest, with_width

STUDY = read_study(Path(__file__).resolve().parents[2] / "experiments" / "zoo")


def test_the_widest_that_is_allowed():
    assert widest(lambda width: width**2, 400) == 20
    assert widest(lambda width: width**2, 399) == 16
    assert widest(lambda width: width**2 + 1000, 900) == 0
    assert widest(lambda width: min(width, 64) ** 2, 10_000) == 64, "a part that bounds its channels has an end"


@pytest.mark.parametrize("arm", [arm for arm in STUDY.arms if arm != "ours"])
def test_designs_of_the_literature_are_as_wide_as_the_rule_allows(arm: str):
    experiment = STUDY.experiment(arm)
    wider = with_width(experiment, "generator", experiment.generator["width"] + STEP)
    most = CRITICS // len(experiment.discriminators)
    for name, node in experiment.discriminators.items():
        wider = with_width(wider, f"discriminators.{name}", node["width"] + STEP)
    now, then = game_of(experiment), game_of(wider)
    assert trained(now.generator) <= GENERATOR < trained(then.generator)
    for name in experiment.discriminators:
        assert trained(now.discriminators[name]) <= most < trained(then.discriminators[name])


def test_our_own_is_no_larger():
    found = parameters(STUDY.experiment("ours"))
    assert found["generator"] <= GENERATOR and found["critics"] <= CRITICS
