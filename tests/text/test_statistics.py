"""Statistics of captions: counted by hand on a few of them."""

from __future__ import annotations

from t2vgan.text.statistics import statistics


def test_statistics_of_a_few_captions() -> None:
    told = statistics(["A lion walks", "A lion walks", "A zzxqvv zebra is galloping at dusk", " "])
    assert (told["captions"], told["distinct"], told["vocabulary"]) == (3, 2, 9)
    assert told["words"] == {"shortest": 3, "5 %": 3, "median": 3, "95 %": 7, "longest": 7}
    assert told["lengths"] == {"3": 2, "7": 1} and told["longer_than_read"] == 0
    assert told["without_vector"]["most"] == {"zzxqvv": 1}
    assert told["entities"] == {"ANIMAL": 3} and told["named"]["lion (ANIMAL)"] == 2
    assert told["verbs"]["walk"] == 2 and told["tags"]["NOUN"] >= 3
    assert told["most_frequent"]["A lion walks"] == 2


def test_no_captions_at_all() -> None:
    assert statistics([]) == {"captions": 0, "distinct": 0}
