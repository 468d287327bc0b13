"""Vectors made from captions are files that the text pipeline reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from t2vgan.text.trained_vectors import MAKERS, words_of
from t2vgan.text.vectors import WordVectors

CAPTIONS = ["A lion walks to the left.", "A zebra walks to the right", "A lion rests", "The zebra's foal runs"] * 5


def test_words():
    assert list(words_of(["A café, 3 Löwen_2"])) == [["a", "café", "3", "löwen", "2"]]
    assert list(words_of(["A zebra's foal, at 2 o'clock!"])) == [["a", "zebra", "s", "foal", "at", "2", "o", "clock"]]


@pytest.mark.parametrize("how", MAKERS)
def test_every_word_has_a_vector_the_same_each_time(how: str, tmp_path: Path):
    for name in ("one.txt", "two.txt"):
        MAKERS[how](CAPTIONS, tmp_path / name)
    assert (tmp_path / "one.txt").read_text() == (tmp_path / "two.txt").read_text()
    vectors = WordVectors(str(tmp_path / "one.txt"))
    found = vectors(["lion", "zebra", "left"])
    assert all(each.known and np.isfinite(each.vector).all() for each in found)
    assert np.abs(found[0].vector - found[1].vector).max() > 1e-3


def test_noise_lets_a_linear_layer_give_each_word_any_vector(tmp_path: Path):
    """As many independent vectors as words: W V = T has a solution for every table T of embeddings."""
    MAKERS["random"](CAPTIONS, tmp_path / "noise.txt")
    rows = [line.split()[1:] for line in (tmp_path / "noise.txt").read_text().splitlines()]
    table = np.array(rows, dtype=float)
    assert table.shape[0] == table.shape[1] == np.linalg.matrix_rank(table)
