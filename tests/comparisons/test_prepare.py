from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from t2vgan import assemble
from t2vgan.comparisons import prepare
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.run import run_all
from t2vgan.comparisons.study import Study, read_study
from t2vgan.config import ConfigError
from t2vgan.text import analysis, vectors

SMALL = [
    "data.dataset.counts.train=4",
    "data.dataset.counts.test=4",
    "data.dataset.counts.heldout=4",
    "data.val_clips=4",
]


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Study:
    monkeypatch.chdir(tmp_path)
    return read_study(folder, overrides=SMALL)


def test_what_is_packed_is_enough_where_nothing_is_installed(
    small: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    prepare.pack(small, tmp_path / "kit.tar.gz")
    monkeypatch.setattr(analysis, "language", missing)
    monkeypatch.setattr(vectors, "load_vectors", missing)
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.chdir(bare)
    with tarfile.open(tmp_path / "kit.tar.gz") as tar:
        tar.extractall(bare, filter="data")
        assert all(name.startswith("data/savanna/cache/text/") for name in tar.getnames())
    prepare.make_captions(small)


def test_what_a_language_model_said_is_packed_too(
    folder: Path, language_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """And a study with an arm whose model is nowhere says so before anything is done, and how to go on without it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "models").mkdir(parents=True)
    (tmp_path / "data" / "models" / "tiny").symlink_to(language_model)
    with (folder / "other.yaml").open("a") as file:
        file.write("text: {sentences: data/models/tiny}\nsamples: {prompts: [A lion of its own]}\n")
    study = read_study(folder, overrides=SMALL)
    prepare.pack(study, tmp_path / "kit.tar.gz")
    bare = tmp_path / "bare"
    bare.mkdir()
    monkeypatch.chdir(bare)
    for begin in (prepare.prepare, lambda study: run_all(study, Results(study, tmp_path / "results"))):
        with pytest.raises(ConfigError, match=r"other: text\.sentences .* no such folder.*leave it out: --only ours"):
            begin(study)
    prepare.check_models(study, ["ours"])
    with tarfile.open(tmp_path / "kit.tar.gz") as tar:
        tar.extractall(bare, filter="data")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    prepare.check_models(study, study.arms)
    prepare.make_captions(study)
    [kept] = Path("data/savanna/cache/text").glob("sentences-tiny-*.jsonl")
    asked = {caption for arm in study.arms for caption in prepare.captions_of(study.experiment(arm))}
    assert {json.loads(line)["caption"] for line in kept.read_text().splitlines()} == asked


def test_what_is_missing_where_it_cannot_be_made_is_told_in_one_line(small: Study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(analysis, "language", missing)
    with pytest.raises(ConfigError, match=r"captions are not analysed, and spacy is not installed here.*--pack FILE"):
        prepare.make_captions(small)


def test_clips_of_which_nothing_is_known_are_refused_before_hours_are_spent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    study = read_study(folder, overrides=["data.dataset={name: captioned_folder, root: clips}"])
    for begin in (prepare.prepare, lambda study: run_all(study, Results(study, tmp_path / "results"))):
        with pytest.raises(
            ConfigError, match=r"nothing is of those of data\.dataset captioned_folder: use savanna, or"
        ):
            begin(study)


def test_vectors_are_made_for_the_arms_that_are_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """So that one arm can be trained where gensim is missing, which another arm's vectors need."""
    monkeypatch.chdir(tmp_path)
    with (folder / "other.yaml").open("a") as file:
        file.write("text: {vectors: made/noise.txt}\n")
    with (folder / "study.yaml").open("a") as file:
        file.write("vectors: {made/noise.txt: random, made/none.txt: word2vec}\n")
    prepare.make_vectors(read_study(folder, only=["ours"], overrides=SMALL))
    assert not Path("made").exists()
    prepare.make_vectors(read_study(folder, overrides=SMALL))
    assert sorted(path.name for path in Path("made").iterdir()) == ["noise.txt", "noise.txt.json"]
    prepare.make_vectors(read_study(folder, overrides=SMALL))
    fewer = read_study(folder, overrides=[*SMALL, "data.dataset.counts.train=3"])
    with pytest.raises(ConfigError, match=r"made/noise\.txt: made from other captions than those of small: delete it"):
        prepare.make_vectors(fewer)
    Path("made/noise.txt.json").unlink()
    prepare.make_vectors(fewer)  # of files from before there were notes nothing is known


def test_nothing_is_made_for_arms_that_are_finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with (folder / "study.yaml").open("a") as file:
        file.write("vectors: {no/such/folder.txt: word2vec}\n")
    with (folder / "other.yaml").open("a") as file:
        file.write("text: {vectors: no/such/folder.txt}\n")
    monkeypatch.chdir(tmp_path)
    study = read_study(folder, overrides=SMALL)
    prepare.make_vectors(study, ["ours"])
    assert not Path("no").exists(), "other is finished, and the only one that reads them"
    assert prepare.made_vectors(study) == {Path("no/such/folder.txt"): "word2vec"}


def test_the_judge_is_packed_where_there_is_one(small: Study, tmp_path: Path):
    judge = assemble.judge_file(small.experiment("ours"))
    assert judge is not None
    judge.parent.mkdir(parents=True)
    judge.write_bytes(b"a judge")
    prepare.pack(small, tmp_path / "kit.tar.gz")
    with tarfile.open(tmp_path / "kit.tar.gz") as tar:
        assert judge.as_posix() in tar.getnames()


def missing(*args: Any, **options: Any) -> None:
    raise ModuleNotFoundError("No module named 'spacy'", name="spacy")
