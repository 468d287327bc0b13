from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons.results import Results, read
from t2vgan.comparisons.rows import table
from t2vgan.comparisons.study import Study, read_study
from t2vgan.config import ConfigError

ROOT = Path(__file__).resolve().parents[2]
Made = Callable[..., dict[str, Any]]


def test_what_is_written_is_found_again(study: Study, results: Results, made: Made):
    job = study.run("ours", 1, 1.0)
    assert results.of(job) is None
    results.write(job, made(accuracy=0.5, fd=50.0, seconds=1.0))
    found = results.of(job)
    assert found is not None and found["seed"] == 1 and found["arm"] == "ours" and found["rates"]["generator"] == 1e-3
    assert results.path(job) == results.folder / "ours.seed1.json"


def test_an_arm_that_was_changed_since_is_not_taken_for_finished(study: Study, results: Results, made: Made):
    results.write(study.run("ours", 0, 1.0), made(accuracy=0.5, fd=50.0, seconds=1.0))
    study.arms["ours"].write_text(study.arms["ours"].read_text() + "clip: {frames: 4}\n")
    with pytest.raises(ConfigError, match=r"ours\.seed0\.json: made with other settings .* delete it"):
        results.of(study.run("ours", 0, 1.0))


def test_an_override_is_to_be_left_away_and_nothing_to_be_deleted(
    folder: Path, study: Study, results: Results, made: Made
):
    results.write(study.run("ours", 0, 1.0), made(accuracy=0.5, fd=50.0, seconds=1.0))
    other = read_study(folder, overrides=["clips=32", "trainer.graphs=true"])
    with pytest.raises(
        ConfigError, match=r"ours\.seed0\.json: not made with clips=32: leave that away, or take another"
    ):
        Results(other, results.root).of(other.run("ours", 0, 1.0))


@pytest.mark.parametrize("name", ["zoo", "essay_claims"])
def test_what_was_trained_before_still_counts(name: str):
    """A key that is added to the experiments must not make finished trainings worth nothing."""
    study = read_study(ROOT / "experiments" / name)
    results = Results(study, ROOT / "experiments" / "results")
    for path in results.folder.glob("*.search-*.json"):
        found = read(path)
        assert found and results.of(study.search_at(found["arm"], found["factor"])) == found
    finished = [read(path) for path in results.folder.glob("*.seed*.json")]
    assert finished
    for found in finished:
        assert found and results.of(study.run(found["arm"], found["seed"], found["factor"])) == found


def test_the_same_training_of_another_study_counts(folder: Path, tmp_path: Path, whole: Results, made: Made):
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "ours.yaml").write_text((folder / "ours.yaml").read_text())
    study = read_study(twin)
    found = Results(study, whole.root).of(study.run("ours", 0, 1.0))
    assert found is not None and found["study"] == "small"
    other = study.run("ours", 0, 2.0)
    assert Results(study, whole.root).of(other) is None


def test_the_best_rate_is_chosen_when_all_are_there(study: Study, results: Results, made: Made):
    one, four = study.searches("ours")
    results.write(one, made(accuracy=0.1, fd=90.0, seconds=1.0))
    assert results.factor("ours") is None
    results.write(four, made(accuracy=0.1, fd=80.0, seconds=1.0))
    assert results.factor("ours") == 4.0
    results.write(four, {**made(accuracy=0.1, fd=10.0, seconds=1.0), "failed": "diverged"})
    assert results.factor("ours") == 1.0, "what has failed is no good, however low its last figure was"


def test_a_best_rate_at_the_end_of_those_tried_is_looked_beyond(study: Study, results: Results, made: Made):
    search = dataclasses.replace(study.search, factors=(0.5, 1.0, 3.0), beyond=2)
    results = Results(dataclasses.replace(study, search=search), results.root)

    def write(factor: float, fd: float) -> None:
        results.write(results.study.search_at("ours", factor), made(accuracy=0.1, fd=fd, seconds=1.0))

    def tried() -> list[float]:
        return [job.factor for job in results.searches("ours")]

    for factor, fd in ((0.5, 90.0), (1.0, 80.0)):
        write(factor, fd)
    assert tried() == [0.5, 1.0, 3.0] and results.factor("ours") is None
    write(3.0, 70.0)
    assert tried() == [0.5, 1.0, 3.0, 9.0] and results.factor("ours") is None
    write(9.0, 60.0)
    assert tried()[-1] == 27.0 and results.factor("ours") is None
    write(27.0, 50.0)
    assert tried()[-1] == 27.0 and results.factor("ours") == 27.0, "no more than two"
    write(1.0, 10.0)
    assert tried() == [0.5, 1.0, 3.0] and results.factor("ours") == 1.0
    write(0.5, 5.0)
    assert tried()[-1] == 0.25


def test_a_run_at_a_rate_that_is_no_longer_the_best_is_told(study: Study, results: Results, made: Made):
    results.write(study.run("ours", 1, 1.0), made(accuracy=0.1, fd=90.0, seconds=1.0))
    with pytest.raises(ConfigError, match=r"seed1\.json: made at 1 times the arm's rates, and the search now says 4: "):
        results.of(study.run("ours", 1, 4.0))


def test_a_search_is_decided_by_three_validations(study: Study, results: Results, made: Made):
    for job, values in zip(study.searches("ours"), ([0.0, 60.0, 60.0, 60.0], [90.0, 90.0, 90.0, 10.0]), strict=True):
        found = made(accuracy=0.1, fd=values[-1], seconds=1.0)
        found["curve"] = [{**found["curve"][-1], "fd_probe": value} for value in values]
        results.write(job, found)
    assert results.factor("ours") == 1.0


def test_a_metric_that_there_is_not_is_said_at_the_first_result(study: Study, results: Results, made: Made):
    results.study = dataclasses.replace(study, search=dataclasses.replace(study.search, metric="fd_prob"))
    results.write(study.searches("ours")[0], made(accuracy=0.1, fd=90.0, seconds=1.0))
    with pytest.raises(ConfigError, match=r"search.metric 'fd_prob' is nothing .* did you mean 'fd_probe'\?"):
        results.factor("ours")


def test_more_can_be_better(study: Study, results: Results, made: Made):
    more = dataclasses.replace(study.search, metric="normalised/mean", goal="max")
    results.study = dataclasses.replace(study, search=more)
    for job, accuracy in zip(study.searches("ours"), (0.3, 0.2), strict=True):
        results.write(job, made(accuracy=accuracy, fd=50.0, seconds=1.0))
    assert results.factor("ours") == 1.0


def test_results_of_two_judges_are_not_ranked(study: Study, whole: Results, made: Made):
    """Another machine trains another judge; of results of before judges were noted, which it was is not known."""
    for arm, judge in (("ours", "aa"), ("other", "bb")):
        assert len(table(study, whole)[0]) == 2
        factor = whole.factor(arm)
        assert factor is not None
        whole.write(study.run(arm, 0, factor), {**made(accuracy=0.5, fd=50.0, seconds=9.0), "judge": judge})
    with pytest.raises(ConfigError, match=r"small: its results are of 2 judges.*aa: ours, seed 0, times 1; bb: other"):
        table(study, whole)
    for job, judge in zip(study.searches("ours"), ("aa", "bb"), strict=True):
        whole.write(job, {**made(accuracy=0.5, fd=50.0, seconds=9.0), "judge": judge})
    with pytest.raises(ConfigError, match="its results are of 2 judges"):
        whole.factor("ours")


def test_a_file_of_something_else_is_one_line(study: Study, results: Results):
    job = study.run("ours", 0, 1.0)
    results.folder.mkdir(parents=True)
    results.path(job).write_text("{}")
    with pytest.raises(ConfigError, match="not a result of a comparison"):
        results.of(job)


def test_seeds_are_those_of_the_chosen_rate(whole: Results):
    assert whole.factor("other") == 4.0 and [run["seed"] for run in whole.seeds("other")] == [0, 1]
