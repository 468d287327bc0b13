"""The command line, with the untrained generator of the smoke experiment."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from t2vgan import assemble, config, evaluate
from t2vgan.checkpoint import save_generator
from t2vgan.command import run_command
from t2vgan.metrics.attributes import Proportion, Row


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as `fit` leaves it, whose data are made beside it."""
    folder = tmp_path_factory.mktemp("evaluate")
    experiment = config.load("smoke", [f"data.root={folder / 'data'}"])
    game = assemble.model(experiment, assemble.text_pipeline(experiment))
    parts = {"generator": game.ema_generator, "text_encoder": game.ema_text_encoder}
    tensors = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    path = folder / "runs" / "smoke" / "00000"
    save_generator(path / "checkpoints" / "generator.safetensors", tensors, config.to_dict(experiment), {})
    return path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    run_command(evaluate.main)


def test_tables_and_file(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    call(monkeypatch, "--checkpoint", run, "--num_clips", 18)
    told = capsys.readouterr().out
    assert "smoke, 18 clips of test" in told and "fd_probe" in told and "subject" in told
    path = run / "evaluation" / "test_18" / "metrics.json"
    report = json.loads(path.read_text())
    assert (report["clips"], report["distance_clips"], report["judge"]["name"]) == (18, 9, "probe")
    assert report["judge"]["fingerprint"] and report["checkpoint"].endswith("00000/checkpoints/generator.safetensors")
    metrics, counts = report["metrics"], report["counts"]
    assert metrics["fd_probe"] > metrics["fd_probe_floor"] > 0
    assert 0 <= metrics["diversity"] < 2
    subject = counts["subject"]
    assert metrics["accuracy/subject"] == pytest.approx(subject["correct"] / subject["total"])
    assert counts["all"]["total"] == 18

    other = run.parent / "again"
    call(monkeypatch, "--checkpoint", run, "--num_clips", 18, "--output", other)
    assert json.loads((other / "metrics.json").read_text()) == report  # the same noise, the same judge


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--num_clips", "3"], "at least 4 clips"),
        (["--checkpoint", "x", "--experiment", "y"], "not both"),
        (["--checkpoint", "no/such/run"], "no/such/run"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and words in error and error.count("\n") == 1


def test_an_unknown_split_names_the_choices(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, "--checkpoint", run, "--split", "tset")
    assert "heldout" in capsys.readouterr().err


def test_real_figures_stand_beside_generated_ones() -> None:
    values = {
        "fd_probe": 9.0,
        "fd_probe_floor": 2.0,
        "accuracy/all": 0.5,
        "motion/static": 0.1,
        "motion/static_real": 0.0,
    }
    assert evaluate.paired(values) == [("fd_probe", 9.0, 2.0), ("motion/static", 0.1, 0.0)]


def test_missing_figures_are_null_in_json() -> None:
    report = evaluate.as_json([Row("all", Proportion(1, 2), 1.0, 0.5, 0.0)], {"fd_probe": math.nan})
    assert report["metrics"] == {"fd_probe": None}
    assert report["counts"]["all"]["correct"] == 1
    assert json.loads(json.dumps(report, allow_nan=False))["counts"]["all"]["interval"] == pytest.approx(
        [0.0945, 0.9055], abs=1e-4
    )


def test_output_goes_to_the_run_folder() -> None:
    assert evaluate.run_folder(Path("runs/a/00001/checkpoints/best_generator.safetensors")) == Path("runs/a/00001")
    assert evaluate.run_folder(Path("models/lion.safetensors")) == Path("models")
