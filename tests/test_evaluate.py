"""The command line, with the untrained generator of the smoke experiment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from t2vgan import assemble, config, evaluate
from t2vgan.checkpoint import save_generator
from t2vgan.command import run_command


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


def test_tables_files_and_an_unfinished_look_that_overwrites_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "--checkpoint", run, "--split", "test", "--num_clips", 18, "--quick", "--devices", 1)
    told = capsys.readouterr().out
    assert "test, 18 clips" in told and "fd_probe" in told and "subject" in told and "controls" in told
    folder = run / "evaluation" / "test_first_18_quick"
    assert {file.name for file in folder.iterdir()} == {"metrics.json", "report.html", "clips_test.npz"}
    report = json.loads((folder / "metrics.json").read_text())
    assert report["protocol"]["generated"].endswith("00000/checkpoints/generator.safetensors")
    figures = report["splits"]["test"]
    assert figures["clips"] == 18 and figures["all_correct"]["clips"] == 18
    assert "r_precision" not in figures and figures["second_judge"] is None
    assert 0 <= figures["diversity"]["value"] < 2

    other = run.parent / "again"
    call(monkeypatch, "--checkpoint", run, "--split", "test", "--num_clips", 18, "--quick", "--output", other)
    again = json.loads((other / "metrics.json").read_text())
    assert again["splits"]["test"]["attributes"] == figures["attributes"], "the same noise, the same judge"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--num_clips", "3"], "at least 8"),
        (["--checkpoint", "x", "--experiment", "y"], "not both"),
        (["--checkpoint", "no/such/run"], "no/such/run"),
        (["--generated", "clips"], "belong together"),
        (["--generated", "no/such", "--real", "no/such"], "no/such"),
        (["--generated", "x", "--real", "y", "--checkpoint", "z"], "either --checkpoint or --generated"),
        (["--devices", "0"], "at least 1"),
        (["--compare", "one"], "two runs"),
        (["--generated", "{}", "--real", "{}", "--size", "1"], "at least 8"),
        (["--generated", "{}", "--real", "{}", "--frames", "2"], "at least 3"),
        (["--generated", "{}", "--real", "{}", "--duration_s", "0"], "above 0"),
        (["--generated", "{}", "--real", "{}"], "1 generated clips; at least 8 are needed"),
        (["--generated", "{}/a.mp4", "--real", "{}"], "not a folder"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *(argument.format(tmp_path) for argument in arguments))
    error = capsys.readouterr().err
    assert stop.value.code == 2 and words in error and error.count("\n") == 1


def test_an_unknown_split_names_the_choices(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, "--checkpoint", run, "--split", "tset")
    assert "heldout" in capsys.readouterr().err
