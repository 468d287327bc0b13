"""Sentence vectors of a language model: a tiny one with random weights, in the form that published ones have."""

from __future__ import annotations

import json
import shutil
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
LIBRARIES = ("sentence_transformers", "transformers", "tokenizers")


def test_vectors_are_those_of_the_model(language_model: Path):
    from sentence_transformers import SentenceTransformer

    vectors = SentenceVectors(str(language_model))
    found = vectors(CAPTIONS)
    theirs = torch.from_numpy(SentenceTransformer(str(language_model), device="cpu").encode(CAPTIONS))
    assert found.shape == (3, 64) == (3, vectors.dim) and found.dtype == torch.float32
    torch.testing.assert_close(found, theirs * 8, atol=2e-3, rtol=2e-3)  # a mean square of 1
    assert (found[0] - found[1]).abs().max() > 0.1


def test_a_caption_has_one_vector_from_the_cache_or_not_and_whatever_is_beside_it(language_model: Path, tmp_path: Path):
    first = SentenceVectors(str(language_model), cache=tmp_path)(CAPTIONS)
    again = SentenceVectors(str(language_model), cache=tmp_path)
    assert torch.equal(again(CAPTIONS[::-1]), first.flip(0)) and "model" not in vars(again)
    for caption, vector in zip(CAPTIONS, first, strict=True):
        assert torch.equal(SentenceVectors(str(language_model))([caption])[0], vector)


def test_a_damaged_cache_is_read_anew(language_model: Path, tmp_path: Path):
    vectors = SentenceVectors(str(language_model), cache=tmp_path)
    right, file = vectors(CAPTIONS), vectors.file
    assert file is not None
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1][:40], lines[2].replace('"vector": "', '"vector": "AA')]))
    assert torch.equal(SentenceVectors(str(language_model), cache=tmp_path)(CAPTIONS), right)


def test_a_warm_cache_needs_neither_model_nor_library(language_model: Path, tmp_path: Path):
    """And what is not in it is told in one line."""
    inputs = TextPipeline(sentences=str(language_model), cache=tmp_path)(CAPTIONS)
    code = (
        "import sys\n"
        f"for name in {LIBRARIES!r}: sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from t2vgan.text import TextPipeline\n"
        f"cache = Path({str(tmp_path)!r})\n"
        "pipeline = TextPipeline(sentences='elsewhere/tiny', cache=cache)\n"
        f"print(pipeline.sentence_dim, pipeline({CAPTIONS!r}).sentences.double().sum().item(), pipeline.version)\n"
        f"for folder in ('elsewhere/tiny', {str(language_model)!r}):\n"
        "    try:\n"
        "        TextPipeline(sentences=folder, cache=cache)(['An old lion'])\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    dim, total, *version = said[0].split()
    assert inputs.sentences is not None and int(dim) == 64
    assert float(total) == pytest.approx(inputs.sentences.double().sum().item(), abs=1e-6)
    assert " ".join(version) == TextPipeline(sentences=str(language_model), cache=tmp_path).version
    assert "text.sentences elsewhere/tiny: no such folder, nor data/models/tiny; " in said[1]
    assert "sentence_transformers is not installed here: pip install 't2vgan[sentences]', or" in said[2]


def other(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    return folder


def test_the_version_is_that_of_what_is_read(language_model: Path, tmp_path: Path):
    """Whatever else is in the folder, and wherever it is."""
    version = SentenceVectors(str(language_model)).version
    same = other(language_model, tmp_path / "same" / "tiny")
    (same / "README.md").write_text("read me")
    (same / "data_config.json").write_text("{}")
    (same / "pytorch_model.bin").write_bytes(b"what is read where there are no safetensors")
    assert SentenceVectors(str(same)).version == version
    pooled = other(language_model, tmp_path / "pooled")
    [settings] = pooled.glob("*Pooling/config.json")
    settings.write_text(settings.read_text().replace("mean", "cls"))
    assert SentenceVectors(str(pooled)).version != version
    changed = other(language_model, tmp_path / "changed") / "model.safetensors"
    weights = bytearray(changed.read_bytes())
    weights[len(weights) // 2] ^= 1
    changed.write_bytes(weights)
    assert SentenceVectors(str(changed.parent)).version != version
    assert TextPipeline(sentences=str(same)).version == f"{TextPipeline().version} {version}"


def test_two_models_in_folders_of_one_name_keep_apart(language_model: Path, tmp_path: Path):
    changed = other(language_model, tmp_path / "tiny")
    [settings] = changed.glob("*Pooling/config.json")
    settings.write_text(settings.read_text().replace("mean", "cls"))
    one, two = (
        SentenceVectors(str(folder), cache=tmp_path / "cache")(CAPTIONS) for folder in (language_model, changed)
    )
    assert not torch.equal(one, two)
    for folder, vectors in ((language_model, one), (changed, two)):
        again = SentenceVectors(str(folder), cache=tmp_path / "cache")
        assert set(again.known) == set(CAPTIONS) and torch.equal(again(CAPTIONS), vectors)
    with pytest.raises(ValueError, match="2 models have read"):
        SentenceVectors("gone/tiny", cache=tmp_path / "cache")


def test_a_model_that_has_moved_is_found_by_its_name(
    language_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other(language_model, tmp_path / "data" / "models" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert SentenceVectors("tiny").version == SentenceVectors(str(language_model)).version
    assert torch.equal(SentenceVectors("/home/them/tiny")(CAPTIONS), SentenceVectors(str(language_model))(CAPTIONS))


def test_mistakes_are_one_line(tmp_path: Path):
    with pytest.raises(ValueError, match=r"text\.sentences .*nothing: no such folder, nor data.models.nothing; .*hf d"):
        SentenceVectors(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="no language model in it"):
        SentenceVectors(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not a model for sentence-transformers") as caught:
        SentenceVectors(str(tmp_path))(CAPTIONS)
    assert "\n" not in str(caught.value)
    (tmp_path / "modules.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"its modules\.json cannot be read"):
        SentenceVectors(str(tmp_path))


@pytest.mark.parametrize("caption", ["🦁🦁", "狮子在草原上奔跑", "...", "a lion \ud83d runs", "lion " * 200])
def test_foreign_captions(language_model: Path, caption: str):
    assert torch.isfinite(SentenceVectors(str(language_model))([caption])).all()


def test_an_encoder_that_reads_none(language_model: Path, monkeypatch: pytest.MonkeyPatch):
    class Deaf:
        def __init__(self, *, vector_dim: int, dim: int = 8, whiten: bool = False) -> None: ...

    monkeypatch.setitem(assemble.TEXT_ENCODERS, "deaf", Deaf)
    experiment = config.load("smoke", [f"text.sentences={language_model}", "text.encoder={name: deaf}"])
    for check in (assemble.check_parts, lambda e: assemble.model(e, assemble.text_pipeline(e))):
        with pytest.raises(ConfigError, match=r"text\.sentences: the text encoder 'deaf' reads no sentence vectors"):
            check(experiment)


def test_a_game_hears_sentences(language_model: Path, tmp_path: Path):
    """The sentence follows the vectors, whatever the words are; and who read them first changes no weight."""
    experiment = config.load("smoke", [f"text.sentences={language_model}", "text.encoder.dim=32"])
    game = assemble.model(experiment, assemble.text_pipeline(experiment, cache=tmp_path), to_train=False).eval()
    inputs = game.text_inputs(CAPTIONS)
    heard = game.ema_text_encoder(inputs).sentence
    assert inputs.sentences is not None and (heard[0] - heard[1]).abs().max() > 1e-3
    inputs.sentences = inputs.sentences.roll(1, 0)
    torch.testing.assert_close(game.ema_text_encoder(inputs).sentence, heard.roll(1, 0))
    again = assemble.model(experiment, assemble.text_pipeline(experiment, cache=tmp_path), to_train=False)
    assert all(torch.equal(a, b) for a, b in zip(game.parameters(), again.parameters(), strict=True))


def test_vectors_that_fit_and_those_that_do_not():
    experiment = config.load("smoke", ["text.sentences=data/models/tiny"])
    said = assemble.other_vectors
    assert not any(
        said(experiment, *pair) for pair in ((None, "a"), ("a", "a"), ("a b", "a b"), ("a", "a b"), ("a b", "a"))
    )
    assert "other word vectors than text.vectors = glove" in said(experiment, "a b", "c b")
    assert "other sentence vectors than text.sentences = data/models/tiny" in said(experiment, "a b", "a c")
