from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from t2vgan.comparisons import board, measure
from t2vgan.comparisons.results import Results
from t2vgan.comparisons.rows import Estimate, at_seconds, attributes, estimate, table, timed, verdict
from t2vgan.comparisons.study import Study, read_study

Made = Callable[..., dict[str, Any]]


def test_an_estimate_is_students():
    """Seeds 1, 2, 3: mean 2, deviation 1, t of two degrees of freedom 4.30: half an interval is 4.30 / sqrt(3)."""
    found = estimate([1.0, 2.0, 3.0, None])
    assert found.mean == 2.0 and found.half == pytest.approx(4.30 / math.sqrt(3))
    assert math.isnan(estimate([1.0]).half) and str(estimate([1.0])) == "1.000" and str(estimate([])) == ""


def test_reading_off_at_equal_seconds(made: Made):
    """Accuracy rises by 0.04 a second from a quarter of the way on; before the first validation nothing is known."""
    run = timed(made(accuracy=0.8, fd=40.0, seconds=20.0))
    assert at_seconds(run, "normalised/mean", 10.0) == pytest.approx(0.4)
    assert at_seconds(run, "normalised/mean", 12.5) == pytest.approx(0.5)
    assert at_seconds(run, "fd_probe", 20.0) == pytest.approx(40.0)
    assert math.isnan(at_seconds(run, "fd_probe", 4.0))


def test_the_table(study: Study, whole: Results):
    rows, seconds = table(study, whole)
    assert [row.arm for row in rows] == ["ours", "other"] and seconds == 10.0
    ours, other = rows
    assert ours.figures["normalised/mean"].mean == pytest.approx(0.805)
    assert ours.cheap["normalised/mean"].mean == pytest.approx(0.4025) and other.cheap["fd_probe"].mean == 100.5
    assert other.factor == 4.0 and ours.clips_per_s.mean == 64 / 20 and attributes(rows) == ["subject"]


def test_the_verdict_names_who_leads_where(study: Study, whole: Results):
    rows, _ = table(study, whole)
    clips_accuracy, clips_fd, seconds_accuracy, seconds_fd = verdict(rows, "ours")
    assert clips_accuracy.startswith("At equal clips, normalised accuracy: ours leads with 0.805")
    assert clips_fd.startswith("At equal clips, fd_probe: ours leads with 40.5")
    assert seconds_accuracy.startswith("At equal seconds, normalised accuracy: other leads with 0.505")
    assert "then ours with 0.403" in seconds_accuracy or "then ours with 0.402" in seconds_accuracy
    assert seconds_fd.startswith("At equal seconds, fd_probe: other leads with 100.5")


def test_arms_without_a_validation_by_then_are_named(study: Study, whole: Results):
    rows, _ = table(study, whole)
    late = dataclasses.replace(rows[0], arm="late", cheap=dict.fromkeys(rows[0].cheap, Estimate(math.nan, math.nan)))
    assert verdict([*rows, late], "ours")[2].endswith("Not known of late: no validation by then.")


def test_intervals_that_overlap_are_said_to(study: Study, results: Results, made: Made):
    for arm, shift in (("ours", 0.0), ("other", 0.01)):
        for job in study.searches(arm):
            results.write(job, made(accuracy=0.5, fd=50.0, seconds=5.0))
        for seed in study.seeds:
            found = made(accuracy=0.5 + shift + 0.1 * seed, fd=50.0 + seed, seconds=10.0)
            results.write(study.run(arm, seed, 1.0), found)
    said = verdict(table(study, results)[0], "ours")
    assert "other leads" in said[0] and "the intervals overlap" in said[0]


def test_of_a_single_seed_nothing_is_sure(study: Study, whole: Results):
    for arm in study.arms:
        whole.path(study.run(arm, 1, whole.factor(arm) or 0.0)).unlink()
    said = verdict(table(study, whole)[0], "ours")
    assert all("of a single seed, there is no interval" in line for line in said)


def test_seconds_of_a_gpu_are_those_on_the_clock(study: Study, whole: Results):
    """A GPU trained everything, twice as long on the clock as its processor was busy."""
    change(study, whole, study.arms, device="a GPU", gpu=True, clock=2.0)
    rows, seconds = table(study, whole)
    assert seconds == 20.0 and rows[0].curves[0][-1]["seconds"] == rows[0].seconds == 40.0


def test_seconds_of_several_machines_are_not_compared(study: Study, whole: Results, tmp_path: Path):
    change(study, whole, ["ours"], device="a GPU", gpu=True)
    rows, seconds = table(study, whole)
    assert math.isnan(seconds) and [row.arm for row in rows] == ["ours", "other"]
    for row in rows:
        told = (row.cheap["fd_probe"].mean, row.clips_per_s.mean, row.latency_ms.mean, row.peak_mb, row.seconds)
        assert all(map(math.isnan, told)) and not math.isnan(row.figures["fd_probe"].mean)
    paths = board.write(study, whole, pictures=tmp_path)
    page = paths[2].read_text()
    assert "the trainings ran on a GPU and x86_64" in page and "when training had taken" not in page
    assert "nan" not in paths[1].read_text() and json.loads(paths[0].read_text())["equal_seconds"] is None


def change(study: Study, results: Results, arms: Iterable[str], *, device: str, gpu: bool, clock: float = 1.0) -> None:
    """As if another machine had trained these arms."""
    for arm in arms:
        for seed in study.seeds:
            job = study.run(arm, seed, results.factor(arm) or 0.0)
            found = results.of(job)
            assert found is not None
            curve = [{**point, "wall_s": clock * point["cpu_s"]} for point in found["curve"]]
            results.write(job, {**found, "curve": curve, "machine": {**found["machine"], "device": device, "gpu": gpu}})


def test_a_run_that_diverged_before_any_validation_is_shown(study: Study, whole: Results, tmp_path: Path):
    job = study.run("ours", 0, 1.0)
    nothing = measure.cost(tmp_path, gpu=False)
    whole.write(job, {**(whole.of(job) or {}), "curve": [], "cost": nothing, "failed": "diverged"})
    rows, seconds = table(study, whole)
    assert rows[0].diverged == 1 and seconds == 10.0 and rows[0].peak_mb == 500.0
    assert "2, 1 diverged" in board.write(study, whole, pictures=tmp_path)[1].read_text()


def test_a_study_without_questions_has_a_picture_of_all_arms(study: Study, whole: Results, tmp_path: Path):
    paths = board.write(dataclasses.replace(study, questions=()), whole, pictures=tmp_path)
    assert paths[-1] == tmp_path / "small.png" and paths[-1].stat().st_size > 10_000


def test_what_is_written(study: Study, whole: Results, tmp_path: Path):
    paths = board.write(study, whole, pictures=tmp_path / "pictures")
    assert [p.name for p in paths] == ["leaderboard.json", "leaderboard.md", "leaderboard.html", "small_which.png"]
    content = json.loads(paths[0].read_text())
    assert [row["arm"] for row in content["rows"]] == ["ours", "other"] and content["trainings"]["finished"] == 4
    page = paths[2].read_text()
    assert "What is our own." in page and "Which one?" in page and "x 4" in page and page.count("data:image/png") >= 3
    assert not re.search(r"(src|href)=(?![\"']?data:)", page), "nothing beside it is needed"
    markdown = paths[1].read_text()
    table_lines = [line for line in markdown.splitlines() if line.startswith("| ours")]
    assert table_lines and len({line.count("|") for line in markdown.splitlines() if line.startswith("|")}) == 1
    assert "python -m t2vgan.compare" in markdown


def test_an_arm_shows_samples_of_the_study_that_trained_it(
    folder: Path, whole: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    twin = tmp_path / "twin"
    twin.mkdir()
    for name in ("ours.yaml", "study.yaml"):
        (twin / name).write_text((folder / name).read_text().replace("[ours, other]", "[ours]"))
    results = Results(read_study(twin), whole.root)
    rows, _ = table(results.study, results)
    assert "Its runs are not on this machine." in board.sheet(results, rows[0])
    samples = tmp_path / "runs" / "compare" / "small" / "ours.seed0" / "samples"
    samples.mkdir(parents=True)
    (samples / "0064.png").write_bytes(b"a picture")
    assert base64.b64encode(b"a picture").decode() in board.sheet(results, rows[0])


def test_part_of_it_is_shown_as_part(study: Study, whole: Results, tmp_path: Path):
    whole.path(study.run("ours", 1, 1.0)).unlink()
    page = board.write(study, whole, pictures=tmp_path)[2].read_text()
    assert "1 of 4 runs are not finished" in page


def test_a_data_set_without_held_out_combinations_or_names(study: Study, whole: Results, tmp_path: Path):
    for run in [run for arm in study.arms for run in whole.seeds(arm)]:
        figures = {k: v for k, v in run["figures"]["test"].items() if k != "normalised/all"}
        factor = whole.factor(run["arm"])
        assert factor is not None
        whole.write(study.run(run["arm"], run["seed"], factor), {**run, "figures": {"test": figures}})
    content = json.loads(board.write(study, whole, pictures=tmp_path)[0].read_text())
    assert content["rows"][0]["heldout"] == {} and "normalised/all" not in content["rows"][0]["test"]


def test_what_the_judge_misreads_does_not_count():
    found = {
        "normalised/mean": 9.0,
        "normalised/all": 9.0,
        "normalised/a": 0.5,
        "normalised/b": 0.1,
        "normalised/c": None,
    }
    assert measure.mean_normalised(found | {"ceiling/a": 0.99, "ceiling/b": 0.6, "ceiling/c": 1.0}) == 0.5
    assert math.isnan(measure.mean_normalised({"normalised/a": 0.5, "ceiling/a": None}))


def test_figures_that_could_not_be_had(study: Study, results: Results, made: Made, tmp_path: Path):
    """A judge that reads nothing leaves accuracies empty: the table then goes by what there is."""
    for arm in study.arms:
        for job in study.searches(arm):
            results.write(job, made(accuracy=0.1, fd=50.0, seconds=5.0))
        found = made(accuracy=math.nan, fd=50.0, seconds=10.0)
        results.write(study.run(arm, 0, 1.0), found)
    page = board.write(study, results, pictures=tmp_path)[2].read_text()
    assert "normalised accuracy: too few arms to say" in page


def test_the_command_says_what_changes_a_result(folder: Path):
    study = read_study(folder, overrides=["data.root=/elsewhere", "clips=16"])
    assert board.command(study) == f"python -m t2vgan.compare {folder.as_posix()} clips=16"


def test_nothing_to_report(study: Study, results: Results):
    with pytest.raises(ValueError, match=r"no arm of .* has a finished seed yet"):
        board.write(study, results)


def test_status_shows_what_is_left(study: Study, whole: Results, capsys: pytest.CaptureFixture[str]):
    whole.path(study.run("ours", 1, 1.0)).unlink()
    board.show(study, whole)
    said = capsys.readouterr().out
    assert "2 of 2" in said and "1 of 2" in said


def test_what_papers_were_changed_in(study: Study):
    zoo = study.folder / "mocogan.yaml"
    zoo.write_text("# M.\nextends: smoke\ngenerator: {name: mocogan, width: 4}\n"
                   "losses: {d/frames/hinge: 1, g/frames/hinge: 1}\n")  # fmt: skip
    study.arms["mocogan"] = zoo
    assert any("the caption is told to the image network" in line for line in board.deviations(study, "mocogan"))
