import json
import subprocess
import sys
from pathlib import Path

import pytest

from t2vgan.text.analysis import TAGS, Analyser, Analysis, analyse

PROMPT = "A majestic lion stalks its prey across the golden savanna at sunset"

# Of which the savanna data set has none.
ANIMALS = """wildebeest meerkats hyena cheetah wolves fox moose reindeer penguin dolphin kangaroo koala tiger panda
squirrel owl eagles octopus crocodile rhinoceros hippo camel donkey mice goose"""
PLACES = """tundra waterhole meadow jungle beach river mountains valley cave swamp lake island prairie steppe oasis
glacier canyon rainforest farm city street harbour park cliffs lagoon"""
UNSEEN = list(zip(ANIMALS.split(), PLACES.split(), strict=True))


def test_the_prompt_of_the_essay():
    analysis = analyse([PROMPT])[0]
    assert analysis.tokens == ("majestic", "lion", "stalks", "prey", "golden", "savanna", "sunset")
    assert " ".join(analysis.words) == PROMPT
    assert " ".join(analysis.tags) == "DET ADJ NOUN VERB PRON NOUN ADP DET ADJ NOUN ADP NOUN"
    assert analysis.named == (("lion", "ANIMAL"), ("savanna", "PLACE"))
    assert [word for word, kind in zip(analysis.words, analysis.entities, strict=True) if kind] == ["lion", "savanna"]
    assert analysis.lemmas[3] == "stalk"


def test_fifty_entities_that_the_savanna_does_not_have():
    assert len(UNSEEN) == 25
    captions = [f"A young {animal} slowly crosses the quiet {place} at dawn." for animal, place in UNSEEN]
    for analysis, (animal, place) in zip(analyse(captions), UNSEEN, strict=True):
        assert analysis.named == ((animal, "ANIMAL"), (place, "PLACE"))


@pytest.mark.parametrize(
    ("caption", "named"),
    [
        ("lions, elephants and a polar bear", [("lions", "ANIMAL"), ("elephants", "ANIMAL"), ("polar bear", "ANIMAL")]),
        ("A snow-leopard in the rain forest", [("snow-leopard", "ANIMAL"), ("rain forest", "PLACE")]),
        ("a cat flies past a plain wall", [("cat", "ANIMAL")]),
        ("a horse walks over the plain", [("horse", "ANIMAL"), ("plain", "PLACE")]),
        ("A baby elephant follows a woman", [("elephant", "ANIMAL"), ("woman", "PERSON")]),
        ("A baby crawls under a tree", [("baby", "PERSON"), ("tree", "PLANT")]),
        ("LIONS IN THE SERENGETI", [("LIONS", "ANIMAL"), ("SERENGETI", "PLACE")]),
        ("A red ball bounces", []),
    ],
)
def test_entities(caption: str, named: list[tuple[str, str]]):
    assert list(analyse([caption])[0].named) == named


@pytest.mark.parametrize(
    "caption",
    [
        "🦁",
        "!!!",
        "Ein Löwe läuft durch die Savanne",
        "狮子在草原上奔跑",
        "\u202e\u0623\u0633\u062f",
        "a\x00b",
        "lion\n\twalks ",
        "\ud800 x",
        "a" * 50_000,
    ],
)
def test_nothing_that_people_write_crashes(caption: str, tmp_path: Path):
    cache = tmp_path / "analysis.jsonl"
    analysis = analyse([caption], cache=cache)[0]
    assert analysis.caption == caption and len(analysis.words) >= 1
    assert all(tag in TAGS[1:] for tag in analysis.tags)
    assert not Analyser(cache=cache).missing([caption])


@pytest.mark.parametrize("caption", ["", " \n"])
def test_an_empty_caption_is_an_error(caption: str):
    with pytest.raises(ValueError, match="empty caption"):
        analyse(["A lion runs", caption])


def test_json_round_trip():
    analysis = analyse([PROMPT])[0]
    assert Analysis.from_json(json.loads(json.dumps(analysis.to_json()))) == analysis
    for broken in ({"caption": "x"}, analysis.to_json() | {"tags": ["NOUN"]}, analysis.to_json() | {"named": [1]}):
        with pytest.raises(ValueError, match="not an analysis"):
            Analysis.from_json(broken)


def test_damaged_lines_of_the_cache_are_made_anew(tmp_path: Path):
    cache = tmp_path / "analysis.jsonl"
    captions = ["A lion runs", "A zebra rests", "An owl flies"]
    right = analyse(captions, cache=cache)
    lines = cache.read_text().splitlines()
    lines[0] = lines[0][: len(lines[0]) // 2]
    lines[1] = lines[1].replace('"VERB"', '"NONSENSE"')
    cache.write_text("\n".join(lines))
    assert Analyser(cache=cache).missing(captions) == captions[:2]
    assert analyse(captions, cache=cache) == right
    assert not Analyser(cache=cache).missing(captions)


def test_what_is_cached_needs_no_spacy(tmp_path: Path):
    cache = tmp_path / "analysis.jsonl"
    analyse([PROMPT, "A lion runs"], cache=cache)
    code = (
        "import sys; sys.modules['spacy'] = None\n"
        "from pathlib import Path\n"
        "from t2vgan.text import analyse\n"
        f"print(analyse(['A lion runs', {PROMPT!r}], cache=Path({str(cache)!r}))[1].tokens)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'majestic', 'lion', 'stalks'" in result.stdout
