import ssl
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from t2vgan.text.torchtext_vectors import load_vectors

WORDS = {"lion": [1.0, 2.0, 3.0], "café": [0.5, -1.0, 0.25], "zebra": [4.0, 5.0, 6.5]}


def text_file(path: Path, *, header: bool) -> Path:
    lines = [f"{len(WORDS)} 3"] * header + [f"{word} {' '.join(map(str, row))}" for word, row in WORDS.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def assert_has_words(vectors) -> None:
    assert vectors.dim == 3 and list(vectors.itos) == list(WORDS)
    for word, row in WORDS.items():
        assert vectors.vectors[vectors.stoi[word]].tolist() == row


@pytest.mark.parametrize("header", [False, True], ids=["glove", "word2vec"])
def test_text_files(tmp_path: Path, header: bool, capfd: pytest.CaptureFixture):
    import torchtext.vocab

    path = text_file(tmp_path / "vectors.txt", header=header)
    before = ssl._create_default_https_context
    cache = tmp_path / "cache"
    for _ in range(2):  # the second time from torchtext's own cache
        vectors = load_vectors(str(path), cache=cache)
        assert isinstance(vectors, torchtext.vocab.Vectors)
        assert_has_words(vectors)
    assert len(list(cache.iterdir())) == 1
    assert ssl._create_default_https_context is before, "certificates are still checked"
    assert capfd.readouterr().err == ""


def test_a_changed_file_is_read_anew(tmp_path: Path):
    path = text_file(tmp_path / "vectors.txt", header=False)
    load_vectors(str(path), cache=tmp_path / "cache")
    path.write_text("owl 7 8 9\n")
    assert list(load_vectors(str(path), cache=tmp_path / "cache").itos) == ["owl"]


def test_without_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert_has_words(load_vectors(str(text_file(tmp_path / "vectors.txt", header=False))))
    assert [each.name for each in tmp_path.iterdir()] == ["vectors.txt"]


def test_word2vec_binary(tmp_path: Path):
    from gensim.models import KeyedVectors

    model = KeyedVectors(vector_size=3)
    model.add_vectors(list(WORDS), np.array(list(WORDS.values()), dtype=np.float32))
    path = tmp_path / "vectors.bin"
    model.save_word2vec_format(str(path), binary=True)
    assert_has_words(load_vectors(str(path)))
    path.write_bytes(b"not a model\n")
    with pytest.raises(ValueError, match="not a word2vec binary file"):
        load_vectors(str(path))


@pytest.mark.parametrize(
    "text", ["", "[project]\nname = 'x'\n", "lion 1 2 3\nzebra 1 2\n", "lion a b c\nzebra 1 2 3\n"]
)
def test_other_files_are_an_error_of_one_line(tmp_path: Path, text: str):
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="not word vectors") as error:
        load_vectors(str(path), cache=tmp_path / "cache")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_not_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "data" / "models" / "own.txt"
    there.parent.mkdir(parents=True)
    there.write_text("lion 1 0 0\nzebra 0 1 0\n")
    assert load_vectors("/home/somebody/own.txt").itos == ["lion", "zebra"]


def test_a_missing_file():
    with pytest.raises(ValueError, match=r"/nowhere/vectors\.txt: no such file, nor data/models/vectors\.txt"):
        load_vectors("/nowhere/vectors.txt")


def test_glove_is_quick_and_the_official_one():
    import torchtext.vocab

    before = ssl._create_default_https_context
    start = time.process_time()
    vectors = load_vectors("glove")
    assert time.process_time() - start < 4  # 0.5 s alone
    assert isinstance(vectors, torchtext.vocab.Vectors)
    assert ssl._create_default_https_context is before
    assert (len(vectors.itos), *vectors.vectors.shape, vectors.dim) == (400_000, 400_000, 50, 50)
    assert vectors.itos[:5] == ["the", ",", ".", "of", "to"]
    the = torch.tensor([0.418, 0.24968, -0.41242, 0.1217, 0.34527])
    assert torch.equal(vectors.vectors[vectors.stoi["the"]][:5], the)  # as published


def test_torchtext_with_a_broken_extension(tmp_path: Path):
    """0.18's extension cannot be loaded: stubs take its place."""
    package = tmp_path / "torchtext"
    package.mkdir()
    (package / "__init__.py").write_text("from torchtext import _extension, vocab\n")
    (package / "_extension.py").write_text("raise OSError('undefined symbol')\n")
    (package / "vocab.py").write_text("from torchtext._torchtext import Vocab\nclass Vectors: pass\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from t2vgan.text.torchtext_vectors import load_vectors\n"
        "vectors = load_vectors('glove')\n"
        "import torchtext\n"
        "print(torchtext.__file__, vectors.stoi['lion'], type(vectors).__module__)\n"
        "try: torchtext.vocab.Vocab()\n"
        "except RuntimeError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(tmp_path) in result.stdout and "needs its native extension" in result.stdout
