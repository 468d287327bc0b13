import itertools

import numpy as np
import pytest

from t2vgan.datasets.savanna.captions import (
    ACTIONS,
    APPEARANCES,
    CAMERAS,
    NEUTRAL,
    PLACES,
    SUBJECTS,
    TIMES,
    caption,
    change_one,
    contradicts,
    full_named,
)
from t2vgan.datasets.savanna.recipe import Recipe
from t2vgan.datasets.savanna.scene import VALUES
from t2vgan.datasets.savanna.splits import is_held_out, sample_attributes

LION = {"subject": "lion", "appearance": "plain", "action": "stalks", "direction": "left", "place": "savanna",
        "time": "sunset", "camera": "static"}  # fmt: skip
SAID = {"subject": SUBJECTS, "appearance": APPEARANCES, "time": TIMES, "camera": CAMERAS,
        "action": {k: [w for pair in v for w in pair] for k, v in ACTIONS.items()},
        "place": {k: [place[0] for place in v] for k, v in PLACES.items()}}  # fmt: skip


def test_the_sentence_of_the_project_is_one_of_its_captions():
    rng = np.random.default_rng(0)
    told = {caption(LION, rng, {"subject", "action", "place", "time"})[0] for _ in range(30_000)}
    assert "A majestic lion stalks its prey across the golden savanna at sunset" in told


def test_no_two_values_share_words_and_every_value_has_some():
    for name, words in SAID.items():
        assert tuple(words) == VALUES[name]
        told = [word for phrases in words.values() for word in phrases]
        assert len(told) == len(set(told))
    assert not {word for words in APPEARANCES.values() for word in words} & set(NEUTRAL)


def reading(text):
    """An independent reader: which value of each attribute the words say, by whole phrases."""
    text = f" {text.lower().replace(',', ' ')} ".replace("  ", " ")
    found = {}
    for name, values in SAID.items():
        for value, phrases in values.items():
            if any(f" {phrase} " in text for phrase in phrases):
                found.setdefault(name, set()).add(value)
    rest = text
    for phrases in CAMERAS.values():
        for phrase in phrases:
            rest = rest.replace(f" {phrase} ", " ")
    for side in VALUES["direction"]:
        if f" {side} " in rest:
            found.setdefault("direction", set()).add(side)
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def test_a_reader_recovers_exactly_what_is_named():
    rng = np.random.default_rng(1)
    for _ in range(500):
        attributes = sample_attributes("probe", rng)
        text, named = caption(attributes, rng)
        assert reading(text) == {name: attributes[name] for name in named}, text


def test_captions_are_varied_sentences():
    rng = np.random.default_rng(2)
    told = [caption(LION, rng) for _ in range(400)]
    assert len({text for text, _ in told}) > 250
    assert all(text[0].isupper() and "  " not in text and " ," not in text for text, _ in told)
    shares = {name: np.mean([name in named for _, named in told]) for name in VALUES}
    assert shares["subject"] > 0.9
    assert shares["action"] > 0.9
    assert all(0.35 < shares[name] < 0.85 for name in ("appearance", "direction", "place", "time", "camera"))


def test_articles_fit():
    rng = np.random.default_rng(3)
    for subject in VALUES["subject"]:
        for _ in range(60):
            words = caption({**LION, "subject": subject}, rng)[0].lower().split()
            for article, word in itertools.pairwise(words):
                if article in ("a", "an"):
                    assert (article == "an") == (word[0] in "aeiou"), words


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_captions_are_true_and_wrong_ones_differ_in_one_attribute_that_they_name(split: str):
    recipe = Recipe(split=split, size=32, fps=8.0, duration_s=2.0)
    for index in range(100):
        entry = recipe.entry(index)
        for told, named, wrong in zip(entry.captions, entry.named, entry.wrong, strict=True):
            assert all(reading(told)[name] == entry.attributes[name] for name in named), told
            read = reading(wrong)
            different = [name for name in named if read[name] != entry.attributes[name]]
            assert len(different) == 1, (told, wrong)
            if split == "train":
                assert not is_held_out({**entry.attributes, different[0]: read[different[0]]}, recipe.pairs), wrong


def test_change_one_changes_one_and_keeps_to_what_is_allowed():
    rng = np.random.default_rng(5)
    for _ in range(100):
        other = change_one(LION, ("subject", "place"), rng, allowed=lambda told: told["place"] != "snow")
        assert sum(other[name] != LION[name] for name in VALUES) == 1
        assert contradicts(other, ("subject", "place"), LION)
        assert other["place"] != "snow"


def test_nothing_to_change_is_a_clear_error():
    with pytest.raises(ValueError, match="restrict"):
        change_one(LION, ("subject",), np.random.default_rng(0), values={name: (LION[name],) for name in VALUES})


def test_a_transition_is_named_with_what_follows():
    turned = {**LION, "transition": "cut", "then_place": "snow", "then_time": "night"}
    text, named = caption(turned, np.random.default_rng(6), set(turned))
    assert named[-3:] == ("transition", "then_place", "then_time")
    assert "cut" in text
    assert any(place[0] in text for place in PLACES["snow"])
    assert full_named({**turned, "transition": "none"}) == tuple(VALUES)
