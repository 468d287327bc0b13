from collections import Counter

import numpy as np
import pytest

from t2vgan.datasets.savanna.scene import VALUES
from t2vgan.datasets.savanna.splits import held_out_pairs, is_held_out, sample_attributes, values_of

PAIRS = held_out_pairs(VALUES)


def sample(split, count=1500, **options):
    rng = np.random.default_rng(0)
    return [sample_attributes(split, rng, pairs=PAIRS, **options) for _ in range(count)]


def test_each_subject_misses_one_place_one_action_one_time_and_each_action_one_camera():
    assert len(PAIRS) == 6 + 6 + 6 + 5
    per_value = Counter((first, a, second) for first, a, second, _ in PAIRS)
    assert set(per_value.values()) == {1}


def test_the_sentence_of_the_project_is_not_held_out():
    lion = {"subject": "lion", "action": "stalks", "place": "savanna", "time": "sunset"}
    assert not any(lion.get(first) == a and lion.get(second) == b for first, a, second, b in PAIRS)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_training_splits_have_no_held_out_pair_but_every_value_often(split):
    clips = sample(split)
    assert not any(is_held_out(clip, PAIRS) for clip in clips)
    for name, values in VALUES.items():
        seen = Counter(clip[name] for clip in clips)
        assert min(seen[value] for value in values) > 0.5 * len(clips) / len(values), name


def test_heldout_has_only_clips_with_a_held_out_pair_and_probe_has_everything():
    assert all(is_held_out(clip, PAIRS) for clip in sample("heldout"))
    share = np.mean([is_held_out(clip, PAIRS) for clip in sample("probe")])
    assert 0.5 < share < 0.8
    met = {(first, a, second, b) for first, a, second, b in PAIRS
           for clip in sample("heldout") if clip[first] == a and clip[second] == b}  # fmt: skip
    assert met == PAIRS


def test_restrict_keeps_only_the_wanted_values_and_never_empties_one():
    values = values_of({"subject": ["zebra", "lion"], "camera": ["static"]})
    assert values["subject"] == ("lion", "zebra")
    pairs = held_out_pairs(values)
    rng = np.random.default_rng(0)
    clips = [sample_attributes("train", rng, values=values, pairs=pairs) for _ in range(800)]
    for name in VALUES:
        assert {clip[name] for clip in clips} == set(values[name]), name


@pytest.mark.parametrize(
    ("restrict", "message"),
    [({"animal": ["lion"]}, "animal"), ({"subject": ["tiger"]}, "tiger"), ({"subject": []}, "no value")],
)
def test_a_wrong_restriction_is_answered_with_the_choices(restrict, message):
    with pytest.raises(ValueError, match=f"{message}.*choose from"):
        values_of(restrict)


def test_heldout_without_pairs_is_a_clear_error():
    with pytest.raises(ValueError, match="heldout is empty"):
        sample_attributes("heldout", np.random.default_rng(0))


def test_transitions_come_in_the_wanted_share_and_change_something():
    clips = sample("train", transition_share=0.4)
    turned = [clip for clip in clips if clip["transition"] != "none"]
    assert 0.33 < len(turned) / len(clips) < 0.47
    assert all((clip["place"], clip["time"]) != (clip["then_place"], clip["then_time"]) for clip in turned)
    assert not any(is_held_out(clip, PAIRS) for clip in clips)
