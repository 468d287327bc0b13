from __future__ import annotations

from pathlib import Path

import pytest

from t2vgan.comparisons.study import Study, digest_of, read_study
from t2vgan.config import ConfigError, load

ROOT = Path(__file__).resolve().parents[2] / "experiments"


def test_arms_jobs_and_rates(study: Study):
    assert list(study.arms) == ["other", "ours"] and study.seeds == (0, 1) and study.name == "small"
    one, four = study.searches("other")
    assert (one.factor, four.factor) == (1.0, 4.0) and one.experiment.clips == four.experiment.clips == 32
    assert four.experiment.g_optim.lr == pytest.approx(8e-3) and four.experiment.d_optim.lr == pytest.approx(8e-4)
    run = study.run("other", 1, 0.25)
    assert run.experiment.seed == 1 and run.experiment.clips == 64 and run.experiment.g_optim.lr == pytest.approx(5e-4)
    assert (four.name, run.name) == ("other.search-4", "other.seed1")


def test_a_digest_changes_with_what_changes_the_result_and_only_then():
    base = digest_of(load("smoke"))
    assert base == digest_of(load("smoke", ["data.root=/elsewhere", "name=x", "trainer.devices=2", "samples.count=1"]))
    for change in ("seed=1", "clips=8", "generator.width=8", "text.encoder.tags=false", "data.dataset.seed=1"):
        assert digest_of(load("smoke", [change])) != base


def test_only_some_arms(folder: Path):
    assert list(read_study(folder, only=["ours"]).arms) == ["ours"]


def test_overrides_hold_for_all_arms(folder: Path):
    study = read_study(folder, overrides=["clips=16"])
    assert {study.experiment(arm).clips for arm in study.arms} == {16}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sede: [0]", "unknown key 'sede', did you mean 'seeds'?"),
        ("seeds: 3", "a list of whole numbers"),
        ("seeds: [0.5]", "a list of whole numbers"),
        ("search: {factor: [1]}", "search has the keys factors, share, metric, goal"),
        ("search: {factors: [-1]}", "factors above 0"),
        ("search: {share: 2}", "a share of at most 1"),
        ("search: {last: 0}", "last at least 1"),
        ("search: {last: 1.5}", "last at least 1"),
        ("search: {share: much}", "a share of at most 1"),
        ("search: {factors: 3}", "factors above 0"),
        ("search: {factors: [fast]}", "factors above 0"),
        ("questions: 3", "questions is a list"),
        ("baseline: our", "baseline 'our' is no arm, did you mean 'ours'?"),
        ("questions: [{name: a, ask: b, arms: [nobody]}]", "question 'a': no arm 'nobody'"),
        ("questions: [{name: a}]", "a question has name, ask and a list of arms"),
        ("vectors: {a.txt: magic}", "how they are made (word2vec, random)"),
        ("- a list", "expected 'key: value' lines"),
        ("a: {b", "not readable as YAML"),
    ],
)
def test_mistakes_are_one_line(folder: Path, line: str, said: str):
    (folder / "study.yaml").write_text(line + "\n")
    with pytest.raises(ConfigError) as caught:
        read_study(folder)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "study.yaml" in str(caught.value)


@pytest.mark.parametrize("line", ["clips: 128", "clip: {frames: 4}", "data: {dataset: {seed: 3}}"])
def test_arms_on_other_clips_are_refused(folder: Path, line: str):
    path = folder / "other.yaml"
    path.write_text(path.read_text().replace("clips: 64\n", "" if line.startswith("clips") else "clips: 64\n") + line)
    with pytest.raises(ConfigError, match=r"^ours: (clips|clip|data\.dataset) is .* in other: arms are"):
        read_study(folder)


def test_no_such_folder_no_arms_no_such_arm_and_a_mistake_in_one(folder: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="there is no such folder"):
        read_study(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no experiments"):
        read_study(tmp_path / "empty")
    with pytest.raises(ConfigError, match="no arm 'our', did you mean 'ours'"):
        read_study(folder, only=["our"])
    (folder / "ours.yaml").write_text("clisp: 3\n")
    with pytest.raises(ConfigError, match="unknown key 'clisp'"):
        read_study(folder)


@pytest.mark.parametrize("name", ["zoo", "essay_claims"])
def test_the_studies_that_ship(name: str):
    study = read_study(ROOT / name)
    assert study.baseline == "ours" and study.seeds == (0, 1, 2)
    assert study.search.factors == ((0.25, 1.0, 4.0) if name == "zoo" else (1.0,))  # claims share their rates
    budgets = {(e.clips, e.data.batch, str(e.data.dataset)) for e in map(study.experiment, study.arms)}
    assert len(budgets) == 1, "the same data and the same budget for all"
    assert {arm for q in study.questions for arm in q.arms} in (set(), set(study.arms))
