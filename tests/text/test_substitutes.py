import pytest

from t2vgan.text.substitutes import NOTHING, compound, edits, substitute

WORDS = """the lion time lapse snow covered giraffe elephant wolf gallop city pony wildebeest hat has Paris savannah
cheetah photographer"""
ITOS = WORDS.split()
STOI = {word: row for row, word in enumerate(ITOS)}


@pytest.mark.parametrize(
    ("word", "lemma", "words", "source"),
    [
        ("lion", "lion", ("lion",), ""),
        ("LION", "lion", ("lion",), ""),
        ("paris", "paris", ("Paris",), ""),
        ("wildebeests", "wildebeest", ("wildebeest",), "wildebeest (form)"),
        ("galloping", "galloping", ("gallop",), "gallop (form)"),
        ("cities", "cities", ("city",), "city (form)"),
        ("wolves", "wolves", ("wolf",), "wolf (form)"),
        ("lion's", "lion's", ("lion",), "lion (form)"),
        ("snow-covered", "snow-covered", ("snow", "covered"), "snow + covered (parts)"),
        ("girafe", "girafe", ("giraffe",), "giraffe (spelling)"),
        ("cheetha", "cheetha", ("cheetah",), "cheetah (spelling)"),
        ("timelapse", "timelapse", ("time", "lapse"), "time + lapse (parts)"),
        ("elefantt", "elefantt", (), NOTHING),
        ("photografer", "photografer", ("photographer",), "photographer (similar spelling)"),
        ("xqzzvw", "xqzzvw", (), NOTHING),
        ("hta", "hta", (), NOTHING),
        ("狮子", "狮子", (), NOTHING),
        ("🦁", "🦁", (), NOTHING),
    ],
)
def test_what_stands_for_a_word(word: str, lemma: str, words: tuple[str, ...], source: str):
    found = substitute(word, lemma=lemma, stoi=STOI, itos=ITOS)
    assert (found.words, found.source) == (words, source)


def test_edits_are_all_spellings_at_distance_one():
    found = set(edits("ab"))
    assert {"b", "a", "ba", "xb", "ax", "xab", "axb", "abx"} <= found
    assert all(abs(len(each) - 2) <= 1 for each in found)


def test_a_compound_takes_the_most_frequent_parts():
    assert compound("timelapse", STOI) == ("time", "lapse")
    assert compound("xxxyyy", STOI) == ()
