"""Left and right in captions: swapped where they are directions, left alone where one cannot tell."""

from __future__ import annotations

import pytest

from t2vgan.datasets.mirror import has_side, mirrored

SWAPPED = {
    "A lion walks to the left": "A lion walks to the right",
    "A zebra runs left": "A zebra runs right",
    "a car turns right at the corner": "a car turns left at the corner",
    "Left to right, a bird flies": "Right to left, a bird flies",
    "a crab walks left and right": "a crab walks right and left",
    "a ball rolls from left to right": "a ball rolls from right to left",
    "He raises his right hand": "He raises his left hand",
    "a right-handed man waves with the left hand": "a left-handed man waves with the right hand",
    "THE CAMERA PANS RIGHT, SLOWLY": "THE CAMERA PANS LEFT, SLOWLY",
    "a wheel turns clockwise": "a wheel turns counterclockwise",
    "a wheel turns anticlockwise": "a wheel turns clockwise",
    "a leftward glance": "a rightward glance",
    "a tree on the far left of the frame": "a tree on the far right of the frame",
    "a dog on the left and a cat on the right": "a dog on the right and a cat on the left",
}
UNCHANGED = ("A lion walks across the savanna at dusk", "brightly lit, a lefthander", "two birds fly upright")
NOT_TOLD = (
    "A man picks up his bag and left.",
    "a woman takes her coat off and left",
    "he got up and left",
    "a toy is thrown down and left on the floor",
    "the man has left the room",
    "a train left at noon",
    "a ball moves from left-to-right",
    "a car drives right-to-left",
    "a bird sits in the upper-left corner",
    "a wheel turns counter clockwise",
    "a bowl of food left over",
    "it is right there",
    "right away the dog jumps",
    "she is right",
    "all right, they go",
    "a dog looks right at the camera",
    "a car drives right into a wall",
    "the right answer",
    "a sign points to the left",
    "a man writes with his right hand",
    "a clock ticks",
    "a bird flies from east to west",
    "the civil rights march turned right angles",
)


@pytest.mark.parametrize(("caption", "other"), SWAPPED.items())
def test_directions_are_swapped_and_back(caption: str, other: str) -> None:
    assert mirrored(caption) == other and has_side(caption)
    if "anticlockwise" not in caption:
        assert mirrored(other) == caption


def test_without_sides_nothing_changes() -> None:
    for caption in UNCHANGED:
        assert mirrored(caption) == caption and not has_side(caption)


@pytest.mark.parametrize("caption", NOT_TOLD)
def test_where_one_cannot_tell_there_is_no_mirrored_form(caption: str) -> None:
    assert mirrored(caption) is None
