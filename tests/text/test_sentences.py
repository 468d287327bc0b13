"""Sentence vectors of a language model: a tiny one with random weights, in the form that published ones have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from t2vgan import assemble, config
from t2vgan.config import ConfigError
from t2vgan.text import TextPipeline
from t2vgan.text.sentences import SentenceVectors

CAPTIONS = ["A lion runs", "A lion rests", "An old elephant runs to the left"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "an", "lion", "elephant", "old", "runs", "rests", "to", "left"]
DIM = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As MiniLM's: a BERT, the mean of its tokens, length 1."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    plain, whole = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("models") / "tiny"
    (plain / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(0)
    size = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=DIM, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, initializer_range=1.0,
    )  # fmt: skip
    BertModel(size).save_pretrained(plain)
    BertTokenizerFast(vocab=str(plain / "vocab.txt")).save_pretrained(plain)
    SentenceTransformer(modules=[Transformer(str(plain)), Pooling(DIM), Normalize()], device="cpu").save(str(whole))
    return whole


def test_vectors_are_those_of_the_model(folder: Path):
    from sentence_transformers import SentenceTransformer

    vectors = SentenceVectors(str(folder))
    found = vectors(CAPTIONS)
    theirs = torch.from_numpy(SentenceTransformer(str(folder), device="cpu").encode(CAPTIONS))
    assert found.shape == (3, DIM) == (3, vectors.dim) and found.dtype == torch.float32
    torch.testing.assert_close(found, theirs * DIM**0.5, atol=2e-3, rtol=2e-3)  # a mean square of 1
    assert (found[0] - found[1]).abs().max() > 0.1


def test_a_caption_has_one_vector_from_the_cache_or_not(folder: Path, tmp_path: Path):
    first = SentenceVectors(str(folder), cache=tmp_path)(CAPTIONS)
    again = SentenceVectors(str(folder), cache=tmp_path)
    assert torch.equal(again(CAPTIONS[::-1]), first.flip(0)) and "model" not in vars(again)
    assert torch.equal(SentenceVectors(str(folder))(CAPTIONS[:1]), first[:1]), "nor of the captions beside it"


def test_a_damaged_cache_is_read_anew(folder: Path, tmp_path: Path):
    vectors = SentenceVectors(str(folder), cache=tmp_path)
    right = vectors(CAPTIONS)
    lines = vectors.file.read_text().splitlines()  # type: ignore[union-attr]
    vectors.file.write_text("\n".join([lines[0], lines[1][:40], lines[2].replace('"vector": "', '"vector": "AA')]))  # type: ignore[union-attr]
    assert torch.equal(SentenceVectors(str(folder), cache=tmp_path)(CAPTIONS), right)


def test_a_warm_cache_needs_neither_model_nor_library(folder: Path, tmp_path: Path):
    inputs = TextPipeline(sentences=str(folder), cache=tmp_path)(CAPTIONS)
    elsewhere = tmp_path / "elsewhere" / "tiny"
    code = (
        "import sys\n"
        "for name in 'sentence_transformers transformers tokenizers'.split(): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from t2vgan.text import TextPipeline\n"
        f"pipeline = TextPipeline(sentences={str(elsewhere)!r}, cache=Path({str(tmp_path)!r}))\n"
        f"print(pipeline.sentence_dim, pipeline({CAPTIONS!r}).sentences.double().sum().item(), pipeline.version)\n"
    )
    dim, total, *version = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert inputs.sentences is not None and int(dim) == DIM
    assert float(total) == pytest.approx(inputs.sentences.double().sum().item(), abs=1e-6)
    assert " ".join(version) == TextPipeline(sentences=str(folder), cache=tmp_path).version


def test_another_model_is_another_version(folder: Path, tmp_path: Path):
    import shutil

    changed = tmp_path / "tiny"
    shutil.copytree(folder, changed)
    weights = changed / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    one, other = TextPipeline(sentences=str(folder)), TextPipeline(sentences=str(changed))
    assert one.version != other.version and TextPipeline().version == one.version.split()[0]


def test_mistakes_are_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match=r"text\.sentences .*nothing: no such folder; .* hf download"):
        SentenceVectors(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="no language model in it"):
        SentenceVectors(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not a model for sentence-transformers") as caught:
        SentenceVectors(str(tmp_path))(CAPTIONS)
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ValueError, match=r"is not installed here: pip install 't2vgan\[sentences\]'"):
        SentenceVectors(str(folder))(CAPTIONS)


def test_an_encoder_that_reads_none(folder: Path, monkeypatch: pytest.MonkeyPatch):
    class Deaf:
        def __init__(self, *, vector_dim: int, dim: int = 8) -> None: ...

    monkeypatch.setitem(assemble.TEXT_ENCODERS, "deaf", Deaf)
    experiment = config.load("smoke", [f"text.sentences={folder}", "text.encoder={name: deaf}"])
    with pytest.raises(ConfigError, match=r"text\.sentences: the text encoder 'deaf' reads no sentence vectors"):
        assemble.check_parts(experiment)


def test_a_game_hears_sentences(folder: Path):
    """The sentence follows the vectors, whatever the words are."""
    experiment = config.load("smoke", [f"text.sentences={folder}", "text.encoder.dim=32"])
    pipeline = assemble.text_pipeline(experiment)
    pipeline.max_words = 8
    game = assemble.model(experiment, pipeline, to_train=False).eval()
    inputs = game.text_inputs(CAPTIONS)
    heard = game.ema_text_encoder(inputs).sentence
    assert inputs.sentences is not None
    inputs.sentences = inputs.sentences.roll(1, 0)
    torch.testing.assert_close(game.ema_text_encoder(inputs).sentence, heard.roll(1, 0))
