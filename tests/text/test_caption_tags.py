import random

import pytest

from t2vgan.text.analysis import Analysis, analyse
from t2vgan.text.lexicon import add_s

ANIMALS = """lion elephant giraffe zebra gazelle ostrich wildebeest hyena cheetah leopard warthog rhino hippo buffalo
meerkat baboon impala jackal vulture crocodile wolf fox bear deer moose rabbit horse dog cat eagle"""
VERBS = """chase gallop graze stalk walk run leap rest prowl trot roam wander creep charge sprint stroll hunt drink
swim stride pounce trudge march lope amble dash bound wade climb crawl"""
ADJECTIVES = "majestic young old huge tiny brown spotted lone graceful hungry"
PLACES = "savanna desert forest snow tundra river grassland meadow valley beach"
TIMES = ("at sunset", "at dawn", "at night", "in the morning", "", "in the rain")


def tags_of(analysis: Analysis, word: str) -> list[str]:
    return [tag for each, tag in zip(analysis.words, analysis.tags, strict=True) if each == word]


def test_verbs_of_a_thousand_short_captions_are_verbs():
    rng = random.Random(0)
    captions, verbs = [], []
    for index in range(1000):
        verb = add_s(rng.choice(VERBS.split()))
        start = f"{rng.choice(('A', 'The'))} {rng.choice(ADJECTIVES.split())} {rng.choice(ANIMALS.split())}"
        end = f"across the {rng.choice(PLACES.split())} {rng.choice(TIMES)}".strip()
        captions.append(f"{start} {verb} {end}" + "." * (index % 2))
        verbs.append(verb)
    right = [tags_of(each, verb) == ["VERB"] for each, verb in zip(analyse(captions), verbs, strict=True)]
    assert sum(right) >= 990


@pytest.mark.parametrize(
    ("caption", "word", "tag"),
    [
        ("Two salmon hurry through the river", "hurry", "VERB"),
        ("a lion and a zebra run across the plain", "run", "VERB"),
        ("A wildebeest slowly grazes", "grazes", "VERB"),
        ("A lion walks and drinks", "drinks", "VERB"),
        ("A zebra turns its head left, then trots away", "trots", "VERB"),
        ("The camera pans left while an ostrich sprints", "sprints", "VERB"),
        ("the sun sets over the sea", "sets", "VERB"),
        ("A lion rests on the track", "track", "NOUN"),
        ("The horse race on the beach", "race", "NOUN"),
        ("national parks at dawn", "parks", "NOUN"),
        ("A deer after its long walk", "walk", "NOUN"),
        ("the bird's walks", "walks", "NOUN"),
        ("the wildebeest grazes", "wildebeest", "NOUN"),
        ("A lion walks left", "left", "ADV"),
        ("The lion left the savanna", "left", "VERB"),
    ],
)
def test_grammar_decides(caption: str, word: str, tag: str):
    assert tags_of(analyse([caption])[0], word) == [tag]
