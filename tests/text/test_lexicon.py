import pytest

from t2vgan.text.analysis import ENTITIES
from t2vgan.text.lexicon import lexicon, noun_forms, verb_forms


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("lion", ["lion", "lions"]),
        ("fox", ["fox", "foxes"]),
        ("pony", ["pony", "ponies"]),
        ("monkey", ["monkey", "monkeys"]),
        ("wolf/wolves", ["wolf", "wolves"]),
        ("sheep/", ["sheep"]),
        ("polar bear", ["polar bear", "polar bears"]),
    ],
)
def test_nouns_inflect(entry: str, forms: list[str]):
    assert noun_forms(entry) == forms


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("walk", {"walk": "VBP", "walks": "VBZ", "walking": "VBG", "walked": "VBD"}),
        ("chase", {"chase": "VBP", "chases": "VBZ", "chasing": "VBG", "chased": "VBD"}),
        ("trot", {"trot": "VBP", "trots": "VBZ", "trotting": "VBG", "trotted": "VBD"}),
        ("hurry", {"hurry": "VBP", "hurries": "VBZ", "hurrying": "VBG", "hurried": "VBD"}),
        ("run/ran", {"run": "VBP", "runs": "VBZ", "running": "VBG", "ran": "VBD"}),
        ("lie/lay/lain", {"lie": "VBP", "lies": "VBZ", "lying": "VBG", "lay": "VBD", "lain": "VBD"}),
        ("flee/fled", {"flee": "VBP", "flees": "VBZ", "fleeing": "VBG", "fled": "VBD"}),
        ("trek/trekked/trekking", {"trek": "VBP", "treks": "VBZ", "trekking": "VBG", "trekked": "VBD"}),
        ("roam", {"roam": "VBP", "roams": "VBZ", "roaming": "VBG", "roamed": "VBD"}),
    ],
)
def test_verbs_inflect(entry: str, forms: dict[str, str]):
    assert verb_forms(entry) == forms


def test_the_lexicon_knows_hundreds():
    known = lexicon()
    kinds = list(known.entities.values())
    assert kinds.count("ANIMAL") > 800 and kinds.count("PLACE") > 400 and len(known.verbs) > 1000
    assert set(kinds) == set(ENTITIES[1:])
    assert known.entities["wildebeest"] == "ANIMAL" and known.entities["waterholes"] == "PLACE"
    assert "wolves" in known.plurals and "sheep" in known.plurals and "wolf" not in known.plurals


def test_words_that_are_only_entities_as_nouns_are_entities():
    known = lexicon()
    unknown = {word for word in known.only_as_noun if word not in known.entities}
    assert not unknown
