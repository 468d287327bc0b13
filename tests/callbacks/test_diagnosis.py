import pytest

from t2vgan.callbacks.diagnosis import diagnose, skipped_players

# Smoothed signs of runs that learned, at their beginning, in their middle and at their end.
LEARNING = [
    {"d/eyes/real": -0.55, "d/eyes/fake": -1.80, "d/eyes/real_right": 0.09, "d/eyes/fake_right": 1.0},
    {"d/eyes/real": 0.73, "d/eyes/fake": -1.67, "d/eyes/real_right": 0.75, "d/eyes/fake_right": 0.94},
    {"d/eyes/real": 0.90, "d/eyes/fake": -1.50, "d/eyes/real_right": 0.92, "d/eyes/fake_right": 0.97},
    {"text_change": 0.37, "noise_change": 0.046, "real_change": 0.587},
    {"text_change": 0.54, "noise_change": 0.016, "real_change": 0.587},
    {"clips/real": 15.6, "clips/fake": 14.1, "motion/energy_ratio": 0.58, "turning/real": 0.0, "turning/fake": 0.0},
    {"clips/real": 5.2, "clips/fake": 4.5, "motion/energy_ratio": 2.75, "turning/real": 0.3, "turning/fake": 0.5},
]


def ill(signs: dict[str, float]) -> set[str]:
    return {verdict for verdict, finding in diagnose(signs).items() if finding.ill}


@pytest.mark.parametrize("signs", LEARNING)
def test_learning_runs_are_well(signs):
    assert diagnose(signs) and ill(signs) == set()


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        ({"d/a/real": 1.6, "d/a/fake": -1.5, "d/a/real_right": 0.99, "d/a/fake_right": 1.0}, "discriminator_won/a"),
        # relativistic: only the difference means something
        ({"d/a/real": 20.0, "d/a/fake": 9.0, "d/a/real_right": 1.0, "d/a/fake_right": 0.0}, "discriminator_won/a"),
        ({"clips/real": 15.6, "clips/fake": 3.3}, "mode_collapse"),
        ({"clips/real": 5.2, "clips/fake": 1.2}, "mode_collapse"),
        ({"noise_change": 0.01, "real_change": 0.587}, "noise_ignored"),
        ({"text_change": 0.05, "real_change": 0.587}, "text_ignored"),
        ({"motion/energy_ratio": 0.05}, "frozen_motion"),
        ({"turning/real": 0.0, "turning/fake": 0.86}, "back_and_forth"),
        ({"skipped_in_a_row": 3}, "loss_nan"),
    ],
)
def test_sick_ones_are_not(signs, verdict):
    assert ill(signs) == {verdict}


def test_each_critic_is_judged_by_itself():
    well = {"d/b/real": 0.2, "d/b/fake": -0.2, "d/b/real_right": 0.6, "d/b/fake_right": 0.6}
    won = {"d/a/real": 1.6, "d/a/fake": -1.5, "d/a/real_right": 0.99, "d/a/fake_right": 1.0}
    found = diagnose({**well, **won})
    assert {name: finding.ill for name, finding in found.items()} == {
        "discriminator_won/b": False, "discriminator_won/a": True,
    }  # fmt: skip
    assert "at least 99 % of real and of fake clips, with logits 3.1 apart" in found["discriminator_won/a"].sentence


def test_what_was_not_measured_is_not_judged():
    assert diagnose({}) == {} and diagnose({"text_change": 0.0, "clips/real": 3.0}) == {}


def test_skipped_players():
    assert skipped_players({"g/skipped": 1.0, "d/skipped": 0.0, "d/a/real": 2.0}) == ["g/skipped"]
