from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons import measure, run
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.study import Study, read_study
from t2vgan.config import ConfigError, to_yaml

Made = Callable[..., dict[str, Any]]


class Trainer:
    """In the place of trainings: notes what is asked for, leaves what a run leaves. `says`: exit status by run.

    3: it diverged; 4: stopped after it had gone back to a good state and on.
    """

    def __init__(self, says: dict[str, int] | None = None) -> None:
        self.says, self.asked = says or {}, []

    def __call__(self, words: list[str]) -> int:
        told = dict(word.split("=", 1) for word in words if "=" in word)
        folder = Path(told["run_dir"])
        self.asked.append(folder.name)
        status = self.says.get(folder.name, 0)
        folder.mkdir(parents=True, exist_ok=True)
        if status == 0:
            (folder / "finished.json").write_text(json.dumps({"clips_seen": int(told["clips"])}))
        elif status == 3:  # diverged
            (folder / "doctor.txt").write_text("64 clips: training diverged: the gradient was not finite in 20 rounds")
        elif status == 4:
            (folder / "doctor.txt").write_text("64 clips: the gradient was not finite: back to the state of 32 clips")
            return run.STOPPED
        return status


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    monkeypatch.chdir(tmp_path)

    def of(folder: Path) -> dict[str, Any]:
        good = "ours" in folder.name or folder.name.endswith("-4")
        return made(accuracy=0.5, fd=50.0 if good else 90.0, seconds=1.0)

    monkeypatch.setattr(measure, "finished", of)
    monkeypatch.setattr(measure, "searched", of)


ALL = [
    "other.search-1",
    "other.search-4",
    "ours.search-1",
    "ours.search-4",
    "other.seed0",
    "ours.seed0",
    "other.seed1",
    "ours.seed1",
]


def test_searches_come_first_then_seed_by_seed(study: Study, results: Results):
    train = Trainer()
    run.run_all(study, results, train=train)
    assert train.asked == ALL and run.how_many(study, results) == len(ALL)
    assert results.factor("other") == 4.0 and not run.left(study, results)


def test_a_search_to_the_end_is_the_training_of_the_first_seed(folder: Path, results: Results):
    """By its figures, which a short search does not have."""
    file = folder / "study.yaml"
    file.write_text(file.read_text().replace("share: 0.5", "share: 1"))
    study, train = read_study(folder), Trainer()
    whole = Results(study, results.root)
    run.run_all(study, whole, train=train)
    assert train.asked == [name for name in ALL if not name.endswith("seed0")]
    assert run.how_many(study, whole) == len(train.asked) and not run.outstanding(study, whole)
    first, second = whole.seeds("other")
    assert (first["seed"], first["factor"], second["seed"], second["factor"]) == (0, 4.0, 1, 4.0)


def test_nothing_finished_is_run_again(study: Study, results: Results):
    run.run_all(study, results, train=Trainer())
    again = Trainer()
    run.run_all(study, results, train=again)
    assert again.asked == []
    results.path(study.run("ours", 1, results.factor("ours") or 0)).unlink()
    run.run_all(study, results, train=again)
    assert again.asked == [], "trained, but not measured when it was stopped: measured now"
    assert len(results.seeds("ours")) == 2


def test_stopped_it_goes_on_where_it_was(study: Study, results: Results):
    with pytest.raises(KeyboardInterrupt):
        run.run_all(study, results, train=Trainer({"ours.search-1": 130}))
    train = Trainer()
    run.run_all(study, results, train=train)
    assert train.asked == ALL[2:]


def test_sigterm_is_passed_on_to_the_training_that_saves(tmp_path: Path):
    """What `kill` or a scheduler sends to the study alone: else the training would go on by itself."""
    saved = tmp_path / "saved"
    child = f"""
import os, pathlib, signal, sys, time
def save(*_): pathlib.Path({str(saved)!r}).touch(); sys.exit(0)
signal.signal(signal.SIGTERM, save)
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
"""
    before = signal.getsignal(signal.SIGTERM)
    assert run.trained([sys.executable, "-c", child]) == run.STOPPED
    assert saved.exists() and signal.getsignal(signal.SIGTERM) == before


def test_an_error_ends_it_with_one_line(study: Study, results: Results):
    with pytest.raises(ConfigError, match=r"ours, search at 1 times .* ended with status 2") as caught:
        run.run_all(study, results, train=Trainer({"ours.search-1": 2}))
    assert "\n" not in str(caught.value)
    train = Trainer()
    run.run_all(study, results, train=train)
    assert train.asked == ALL[2:]


def test_what_diverges_is_told_and_the_study_goes_on(study: Study, results: Results):
    train = Trainer({"other.search-4": 3, "ours.seed0": 3})
    run.run_all(study, results, train=train)
    assert train.asked == ALL and results.factor("other") == 1.0
    assert [r.get("failed") for r in results.seeds("ours")] == ["diverged", None]


def test_a_run_that_went_back_and_was_stopped_has_not_diverged(study: Study, results: Results):
    with pytest.raises(KeyboardInterrupt):
        run.run_all(study, results, train=Trainer({"other.search-1": 4}))
    train = Trainer()
    run.run_all(study, results, train=train)
    assert train.asked == ALL, "gone on with"
    assert all(result.get("failed") is None for arm in study.arms for result in results.seeds(arm))


def test_a_run_of_before_a_change_is_not_measured_as_the_new_one(study: Study, results: Results):
    run.run_all(study, results, train=Trainer())
    job = study.run("ours", 0, results.factor("ours") or 0.0)
    folder = run.run_dir(study, job)
    (folder / "config.yaml").write_text(to_yaml(job.experiment))
    results.path(job).unlink()
    run.run_all(study, results, train=Trainer())
    assert results.of(job) is not None, "the very run"
    (folder / "config.yaml").write_text(to_yaml(dataclasses.replace(job.experiment, seed=7)))
    results.path(job).unlink()
    with pytest.raises(ConfigError, match=r"ours\.seed0: a run with other settings than .*ours\.yaml now has"):
        run.run_all(study, results, train=Trainer())
    other = dataclasses.replace(study, overrides=("clips=32",))
    with pytest.raises(ConfigError, match=r"a run without clips=32: move it away or delete it, or leave that away"):
        run.check_same(other, folder, other.run("ours", 0, 1.0))
    assert not results.path(job).exists()


def test_the_command_is_one_that_fit_understands(study: Study, results: Results):
    words = run.command(study, study.run("other", 1, 4.0))
    assert words[1:5] == ["-m", "t2vgan.fit", "--experiment", str(study.arms["other"])]
    assert words[5:] == [
        "trainer.devices=1", "run_dir=runs/compare/small/other.seed1", "seed=1", "clips=64",
        "g_optim.lr=0.008", "d_optim.lr=0.0008",
    ]  # fmt: skip
