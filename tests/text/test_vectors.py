import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from t2vgan.text.vectors import WordVectors


def cosine(vectors: WordVectors, one: str, other: str) -> float:
    a, b = (found.vector for found in vectors([one, other]))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def glove() -> WordVectors:
    return WordVectors()


@pytest.fixture(scope="module")
def raw() -> WordVectors:
    return WordVectors(standardise=False)


def many_words(path: Path, *, count: int = 400, dim: int = 5) -> Path:
    """A vector file with correlated numbers of a common offset."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, dim)) @ rng.standard_normal((dim, dim)) * 3 + 7
    lines = [f"w{index} {' '.join(f'{x:.5f}' for x in row)}" for index, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_whitened_words_have_no_common_part_and_unit_scale(tmp_path: Path):
    vectors = WordVectors(str(many_words(tmp_path / "v.txt")))
    rows = np.stack([found.vector for found in vectors([f"w{index}" for index in range(400)])])
    assert np.allclose(rows.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(np.cov(rows, rowvar=False), np.eye(5), atol=0.02)


def test_raw_vectors_are_those_of_the_file(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("lion 1 2 3\nzebra 4 5 6\n")
    assert WordVectors(str(path), standardise=False)(["zebra"])[0].vector.tolist() == [4, 5, 6]


def test_a_file_of_few_words_is_scaled_only(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("lion 10 20 30\nzebra 40 50 60\n")
    lion, zebra = (found.vector for found in WordVectors(str(path))(["lion", "zebra"]))
    assert np.allclose(lion * [4, 2.5, 2], zebra) and np.isfinite(lion).all() and 0.1 < np.abs(lion).mean() < 5


def test_whitening_tells_close_words_of_glove_apart(glove: WordVectors, raw: WordVectors):
    for one, other in (("left", "right"), ("dawn", "dusk"), ("day", "night"), ("sunset", "sunrise")):
        assert cosine(glove, one, other) < cosine(raw, one, other) - 0.05
    assert cosine(glove, "left", "right") < 0.5
    assert cosine(glove, "lion", "elephant") > 0.5 > cosine(glove, "lion", "left")
    scale = np.std([found.vector for found in glove(["lion", "walks", "savanna", "sunset", "left", "elephant"])])
    assert 0.5 < scale < 2


def test_neighbours(glove: WordVectors):
    near = [word for word, _ in glove.neighbours("lion", count=5)]
    assert len(near) == 5 and "elephant" in near and "lion" not in near


def test_unknown_words(glove: WordVectors):
    timelapse, elephant, meant, emoji, again, other = glove(["timelapse", "elephant", "elephent", "🦁", "🦁", "🐘"])
    assert timelapse.source == "time + lapse (parts)" and timelapse.known
    parts = np.mean([found.vector for found in glove(["time", "lapse"])], axis=0)
    assert np.allclose(timelapse.vector, parts, atol=1e-5)
    assert meant.source == "elephant (spelling)" and elephant.source == ""
    assert np.array_equal(meant.vector, elephant.vector)
    assert not emoji.known and np.array_equal(emoji.vector, again.vector)
    assert not np.allclose(emoji.vector, other.vector) and 0.05 < np.std(emoji.vector) < 0.2


def test_a_lemma_comes_first(glove: WordVectors):
    found = glove(["oxpeckerz"], lemmas=["bird"])[0]
    assert found.source == "bird (form)"


def test_words_in_use_survive_without_the_file(tmp_path: Path):
    path = many_words(tmp_path / "v.txt")
    words = ["w1", "w2", "unheard"]
    first = WordVectors(str(path), cache=tmp_path / "cache")(words)
    path.unlink()
    for folder in (tmp_path / "cache").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)  # torchtext's copy of the whole file
    again = WordVectors(str(path), cache=tmp_path / "cache")
    assert again.dim == 5
    for one, other in zip(first, again(words), strict=True):
        assert (one.word, one.source) == (other.word, other.source) and np.array_equal(one.vector, other.vector)
    with pytest.raises(ValueError, match="no such file"):
        again(["w3"])
    with pytest.raises(ValueError, match="no such file"):
        WordVectors(str(path))


def test_another_file_of_the_same_name_is_not_mixed_up(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("lion 1 2 3\nzebra 4 5 6\n")
    WordVectors(str(path), cache=tmp_path, standardise=False)(["lion"])
    path.write_text("lion 3 2 1\nzebra 4 5 6\n")
    assert WordVectors(str(path), cache=tmp_path, standardise=False)(["lion"])[0].vector.tolist() == [3, 2, 1]


def test_damaged_vectors_are_made_anew(tmp_path: Path):
    path = tmp_path / "v.txt"
    path.write_text("lion 1 2 3\nzebra 4 5 6\n")
    vectors = WordVectors(str(path), cache=tmp_path, standardise=False)
    vectors(["lion", "zebra"])
    records = [json.loads(line) for line in vectors.file.read_text().splitlines()]
    records[1]["vector"] = "%%%"
    vectors.file.write_text("\n".join(json.dumps(record) for record in records))
    again = WordVectors(str(path), cache=tmp_path, standardise=False)
    assert list(again.known) == ["lion"] and again(["zebra"])[0].vector.tolist() == [4, 5, 6]
