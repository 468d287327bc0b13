from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons import workers
from t2vgan.comparisons.price import digest
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.study import Job, Study
from t2vgan.config import ConfigError
from tests.comparisons.conftest import result

FORK = multiprocessing.get_context("fork")


def noted(job: Job, what: str) -> None:
    with Path("noted").open("a") as file:
        file.write(f"{what} {job.name}\n")


def notes(what: str) -> list[str]:
    path = Path("noted")
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line.split(" ", 1)[1] for line in lines if line.startswith(what + " ")]


def worked(study: Study, root: Path, job: Job, workers: int) -> int:
    noted(job, "begun")
    time.sleep(0.05)
    found = result(accuracy=0.5, fd=50.0 if job.factor == 4 else 90.0, seconds=1.0)
    Results(study, root).write(job, found)
    noted(job, "done")
    return 0


def killed_once(study: Study, root: Path, job: Job, workers: int) -> int:
    if job.name == "ours.search-4" and "ours.search-4" not in notes("begun"):
        noted(job, "begun")
        os.kill(os.getpid(), signal.SIGKILL)
    return worked(study, root, job, workers)


def failing(study: Study, root: Path, job: Job, workers: int) -> int:
    if job.name == "ours.search-4":
        raise ConfigError("no such thing")
    return worked(study, root, job, workers)


def stopped(study: Study, root: Path, job: Job, workers: int) -> int:
    try:
        noted(job, "begun")
        if notes("begun")[1:] == [job.name]:  # the second one alone: a second Ctrl-C would not wait for them
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(30)
    except KeyboardInterrupt:
        noted(job, "saved")
        raise
    return 1


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(study: Study, results: Results, work: Any, count: int = 3) -> None:
    workers.run_all(study, results, workers=count, work=work, start=FORK)


def test_each_job_is_done_once_and_searches_come_first(study: Study, results: Results):
    run(study, results, worked)
    begun = notes("begun")
    assert Counter(begun) == Counter(notes("done")) and len(begun) == len(set(begun)) == 8
    lines = Path("noted").read_text().splitlines()
    for arm in study.arms:
        over = max(lines.index(f"done {arm}.search-{f}") for f in (1, 4))
        assert over < min(lines.index(f"begun {arm}.seed{s}") for s in study.seeds)
    assert results.factor("ours") == 4.0
    run(study, results, worked)
    assert notes("begun") == begun, "nothing is done again"


def test_the_job_of_a_killed_process_is_free_again(study: Study, results: Results, capsys: pytest.CaptureFixture[str]):
    run(study, results, killed_once)
    assert Counter(notes("begun"))["ours.search-4"] == 2 and len(notes("done")) == 8
    assert "ours.search-4: its process was killed" in capsys.readouterr().out


def test_a_job_that_fails_does_not_stop_the_others(study: Study, results: Results):
    with pytest.raises(ConfigError, match=r"ours.search-4 with status 2 .*no such thing") as caught:
        run(study, results, failing)
    assert "\n" not in str(caught.value)
    assert sorted(notes("done")) == ["other.search-1", "other.search-4", "other.seed0", "other.seed1", "ours.search-1"]


def test_stopping_lets_all_save_and_the_same_command_goes_on(study: Study, results: Results):
    with pytest.raises(KeyboardInterrupt):
        run(study, results, stopped, count=2)
    assert sorted(notes("saved")) == sorted(notes("begun")) and len(notes("saved")) == 2
    Path("noted").unlink()
    run(study, results, worked)
    assert len(notes("done")) == 8


def test_a_job_that_another_command_has_is_left_to_it(study: Study, results: Results, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "AGAIN_S", 0.2)
    job = study.searches("ours")[0]
    held = FORK.Event()
    other = FORK.Process(target=hold_and_finish, args=(study, results.root, job, held))
    other.start()
    assert held.wait(10)
    run(study, results, worked)
    other.join()
    assert job.name not in notes("begun") and len(notes("done")) == 7, "the other command has done it"


def hold_and_finish(study: Study, root: Path, job: Job, held: Any) -> None:
    claim = workers.RUNS / study.name / "claims" / job.name
    claim.mkdir(parents=True)
    assert workers.try_to_hold(claim)
    held.set()
    time.sleep(1.0)
    Results(study, root).write(job, result(accuracy=0.5, fd=90.0, seconds=1.0))


def test_the_order_searches_seeds_and_the_longest_of_them_first(study: Study):
    jobs = [*study.searches("ours"), *(study.run(arm, seed, 1.0) for seed in (0, 1) for arm in ("ours", "other"))]
    prices = {"other": {"cpu_s_per_clip": 2.0, "digest": digest(study, "other")}, "ours": {"cpu_s_per_clip": 1.0}}
    found = [job.name for job in sorted(reversed(jobs), key=lambda job: workers.order(study, job, prices))]
    assert found == ["ours.search-1", "ours.search-4", "other.seed0", "ours.seed0", "other.seed1", "ours.seed1"]


def test_every_training_has_one_device(study: Study):
    assert workers.alone(study, 1000) == ["trainer.devices=1", "trainer.threads=1"]
