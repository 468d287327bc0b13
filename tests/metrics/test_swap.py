"""Shares by hand: generators that obey, that ignore their caption, and that change too much."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from t2vgan.metrics.attributes import ALL, Proportion
from t2vgan.metrics.swap import Change, caption_swap, changed_captions
from t2vgan.shapes import Clips

ATTRIBUTES = {"subject": ["lion", "zebra", "giraffe"], "direction": ["left", "right"], "place": ["hill", "snow"]}


def logits(*rows: tuple[str, str, str]) -> dict[str, Tensor]:
    """What a judge says that is sure that it sees these values."""
    return {
        name: torch.nn.functional.one_hot(torch.tensor([values.index(row[i]) for row in rows]), len(values)).float()
        for i, (name, values) in enumerate(ATTRIBUTES.items())
    }


BEFORE = logits(
    ("lion", "left", "hill"), ("zebra", "left", "snow"), ("lion", "right", "hill"), ("lion", "left", "snow")
)
CHANGES = [("subject", "zebra"), ("subject", "giraffe"), ("direction", "left"), ("place", "hill")]


def test_counts_by_hand() -> None:
    after = logits(
        ("zebra", "left", "hill"),  # as asked
        ("giraffe", "right", "snow"),  # as asked, but the direction came along
        ("zebra", "right", "hill"),  # not as asked, and the subject came along
        ("lion", "left", "snow"),  # nothing happened
    )
    found = caption_swap(BEFORE, after, CHANGES, attributes=ATTRIBUTES)
    assert found["subject"] == (Proportion(2, 2), Proportion(1, 2), Proportion(1, 2))
    assert found["direction"] == (Proportion(0, 1), Proportion(0, 1), Proportion(2, 3))
    assert found["place"] == (Proportion(0, 1), Proportion(0, 1), Proportion(3, 3))
    assert found[ALL] == (Proportion(2, 4), Proportion(1, 4), Proportion(2, 4))
    assert found[ALL].obeyed.interval == pytest.approx((0.150, 0.850), abs=1e-3)  # Wilson, 2 of 4


def test_a_generator_that_ignores_captions_keeps_everything_and_obeys_never() -> None:
    found = caption_swap(BEFORE, BEFORE, CHANGES, attributes=ATTRIBUTES)
    assert found[ALL] == (Proportion(0, 4), Proportion(0, 4), Proportion(4, 4))


def test_a_perfect_generator() -> None:
    after = logits(
        ("zebra", "left", "hill"), ("giraffe", "left", "snow"), ("lion", "left", "hill"), ("lion", "left", "hill")
    )
    found = caption_swap(BEFORE, after, CHANGES, attributes=ATTRIBUTES)
    assert all(share.rate == 1.0 for swap in found.values() for share in swap)


def test_the_order_of_clips_does_not_matter_and_changes_may_be_told_in_full() -> None:
    generator = torch.Generator().manual_seed(0)
    sides = [
        {name: torch.randn(40, len(values), generator=generator) for name, values in ATTRIBUTES.items()} for _ in "ab"
    ]
    names = list(ATTRIBUTES)
    changes = [Change(i, "", "", names[i % 3], ATTRIBUTES[names[i % 3]][i % 2]) for i in range(40)]
    found = caption_swap(*sides, changes, attributes=ATTRIBUTES)
    order = torch.randperm(40, generator=generator)
    turned = [{name: side[name][order] for name in side} for side in sides]
    pairs = [(changes[i].attribute, changes[i].becomes) for i in order.tolist()]
    assert caption_swap(*turned, pairs, attributes=ATTRIBUTES) == found
    assert sum(found[name].obeyed.total for name in ATTRIBUTES) == found[ALL].kept.total == 40
    assert 0 < found[ALL].obeyed.correct < 40


def test_changes_that_the_judge_cannot_read_do_not_count() -> None:
    found = caption_swap(BEFORE, BEFORE, [("mood", "calm"), ("subject", "okapi"), *CHANGES[2:]], attributes=ATTRIBUTES)
    assert found[ALL].kept.total == 2 and found["subject"].obeyed.total == 0
    assert math.isnan(found["subject"].obeyed.rate)


def test_a_wrong_number_of_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="4 and 4 rows of logits for 3 changed captions"):
        caption_swap(BEFORE, BEFORE, CHANGES[:3], attributes=ATTRIBUTES)


def clips(**known: list) -> Clips:
    return Clips(
        video=torch.zeros(2, 3, 4, 8, 8),
        times=torch.zeros(2, 4),
        captions=["a lion walks", "a zebra in the snow"],
        wrong_captions=["other", "other"],
        keys=["0", "1"],
        indices=[0, 1],
        **known,
    )


def test_changed_captions_are_those_of_the_clips_own_captions() -> None:
    contrasts = [
        (("a lion", "a zebra"), ("a lion walks", "a lion runs")),
        (("a zebra in the snow", "a zebra on the hill"),),
    ]
    changed = [(("subject", "zebra"), ("action", "runs")), (("place", "hill"),)]
    assert changed_captions(clips(contrasts=contrasts, changed=changed)) == [
        Change(0, "a lion walks", "a lion runs", "action", "runs"),
        Change(1, "a zebra in the snow", "a zebra on the hill", "place", "hill"),
    ]
    assert changed_captions(clips(contrasts=contrasts, changed=[(), changed[1]]))[0].row == 1


def test_without_ground_truth_there_are_none() -> None:
    assert changed_captions(clips()) == []
    assert changed_captions(clips(contrasts=[(("a lion walks", "x"),), (("a zebra in the snow", "x"),)])) == []
