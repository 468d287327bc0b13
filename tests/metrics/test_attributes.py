"""Counts by hand, known intervals, and floors."""

import math

import pytest
import torch

from t2vgan.metrics.attributes import (
    ALL,
    MOST_SHIFTS,
    UNJUDGED,
    AttributeAccuracy,
    Proportion,
    _shifts,
    attribute_change,
    encode_truth,
    normalised_accuracy,
    wilson_interval,
)

ATTRIBUTES = {"subject": ["lion", "zebra", "giraffe"], "direction": ["left", "right"]}


def one_hot(*indices: int, values: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(indices), values).float()


def test_truth_is_masked_where_missing_unknown_or_not_named() -> None:
    truth = [
        {"subject": "zebra", "direction": "right"},
        {"subject": "zebra"},
        {"subject": "okapi", "direction": "left"},
        {"subject": "lion", "direction": "left"},
    ]
    named = [("subject", "direction"), ("subject", "direction"), ("subject", "direction"), ("direction",)]
    expected = [[1, 1], [1, UNJUDGED], [UNJUDGED, 0], [UNJUDGED, 0]]
    assert encode_truth(ATTRIBUTES, truth, named).tolist() == expected
    assert encode_truth(ATTRIBUTES, truth)[3].tolist() == [0, 0]


def test_only_named_attributes_count() -> None:
    metric = AttributeAccuracy(attributes=ATTRIBUTES)
    truth = [
        {"subject": "lion", "direction": "left"},  # both right
        {"subject": "zebra", "direction": "left"},  # subject right, direction wrong but not named
        {"subject": "zebra", "direction": "left"},  # subject right, direction wrong
        {"subject": "lion", "direction": "left"},  # names nothing
    ]
    named = [("subject", "direction"), ("subject",), ("subject", "direction"), ()]
    logits = {"subject": one_hot(0, 1, 1, 2, values=3), "direction": one_hot(0, 1, 1, 1, values=2)}
    metric.update(logits, truth, named)
    found = metric.compute().accuracy
    assert found == {"subject": Proportion(3, 3), "direction": Proportion(1, 2), ALL: Proportion(2, 3)}
    assert metric.confusions("direction") == [("left", "right", 1)]
    assert metric.confusions("subject") == []


def test_floor_is_the_accuracy_against_every_other_caption() -> None:
    metric = AttributeAccuracy(attributes=ATTRIBUTES)
    truth = [{"subject": s, "direction": d} for s, d in (("lion", "left"), ("lion", "right"), ("zebra", "left"))]
    logits = {"subject": one_hot(0, 0, 1, values=3), "direction": one_hot(0, 1, 0, values=2)}
    metric.update(logits, truth)
    found = metric.compute()
    assert found.accuracy[ALL] == Proportion(3, 3)
    assert found.floor["subject"] == Proportion(2, 6)  # lion for the other lion, twice
    assert found.floor["direction"] == Proportion(2, 6)
    assert found.floor[ALL] == Proportion(0, 6)


def test_batches_add_up_and_reset_forgets() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = {"subject": torch.randn(20, 3, generator=generator), "direction": torch.randn(20, 2, generator=generator)}
    truth = [{"subject": ATTRIBUTES["subject"][i % 3], "direction": ATTRIBUTES["direction"][i % 2]} for i in range(20)]
    whole, parts = AttributeAccuracy(attributes=ATTRIBUTES), AttributeAccuracy(attributes=ATTRIBUTES)
    whole.update(logits, truth)
    for rows in (slice(0, 7), slice(7, 20)):
        parts.update({name: value[rows] for name, value in logits.items()}, truth[rows])
    assert whole.compute() == parts.compute(), "floors, too"
    parts.reset()
    empty = parts.compute().accuracy["subject"]
    assert empty == Proportion(0, 0) and math.isnan(empty.rate) and math.isnan(empty.interval[0])


def test_what_is_named_is_decided_over_all_clips() -> None:
    """A batch in which no caption names anything is judged as its data set is."""
    metric, logits = AttributeAccuracy(attributes=ATTRIBUTES), {"subject": one_hot(0, values=3)}
    logits["direction"] = one_hot(0, values=2)
    truth = [{"subject": "lion", "direction": "left"}]
    metric.update(logits, truth, [()])
    assert metric.compute().accuracy["subject"] == Proportion(1, 1), "nobody says what captions name"
    metric.update(logits, truth, [("direction",)])
    found = metric.compute().accuracy
    assert found["subject"] == Proportion(0, 0) and found["direction"] == Proportion(1, 1)


def test_floors_of_many_clips_are_of_many_pairs() -> None:
    assert _shifts(0) == _shifts(1) == [] and _shifts(2) == [1] and _shifts(5) == [1, 2, 3, 4]
    many = _shifts(5001)
    assert len(set(many)) == MOST_SHIFTS and many[0] == 1 and many[-1] == 5000


def test_wilson_intervals() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for correct, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)
    assert Proportion(1, 29).interval == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(20, 20)[1] == 1.0


def test_normalised_accuracy() -> None:
    assert normalised_accuracy(0.6, floor=0.25, ceiling=0.95) == pytest.approx(0.5)
    assert math.isnan(normalised_accuracy(0.6, floor=0.5, ceiling=0.5))


def test_attribute_change() -> None:
    before = {"subject": one_hot(0, 1, 2, 0, values=3), "direction": one_hot(0, 1, 0, 1, values=2)}
    after = {"subject": one_hot(0, 1, 1, 1, values=3), "direction": one_hot(0, 1, 0, 1, values=2)}
    assert attribute_change(before, after) == {"subject": 0.5, "direction": 0.0}


def test_a_wrong_number_of_rows_is_an_error() -> None:
    metric = AttributeAccuracy(attributes=ATTRIBUTES)
    logits = {"subject": one_hot(0, 1, values=3), "direction": one_hot(0, 1, values=2)}
    with pytest.raises(ValueError, match="2 rows of logits for 1 clips"):
        metric.update(logits, [{"subject": "lion"}])
