"""The command line of training, up to where training begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from t2vgan import config, fit, training
from t2vgan.command import run_command


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[config.Experiment, dict[str, Any]]]:
    """What would have been trained."""
    asked = []
    monkeypatch.setattr(training, "fit", lambda experiment, **options: asked.append((experiment, options)))
    monkeypatch.setattr(sys, "argv", ["fit", *arguments])
    run_command(fit.main)
    return asked


def test_an_experiment_with_overrides(monkeypatch: pytest.MonkeyPatch):
    ((experiment, options),) = call(
        monkeypatch, "clips=80", "--experiment", "smoke", "g_optim.lr=1e-3", "--fast_dev_run"
    )
    assert experiment == config.load("smoke", ["clips=80", "g_optim.lr=1e-3"])
    assert options == {"go_on": None, "fast_dev_run": True}


def test_a_run_goes_on_with_its_own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "config.yaml").write_text(config.to_yaml(config.load("smoke", ["seed=3"])))
    ((experiment, options),) = call(monkeypatch, "--resume", str(tmp_path), "clips=128")
    assert experiment == config.load("smoke", ["seed=3", "clips=128"])
    assert options == {"go_on": tmp_path, "fast_dev_run": False}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name either --experiment NAME or --resume RUN"),
        (("--experiment", "smoke", "--resume", "runs/smoke/00000"), "name either --experiment NAME or --resume RUN"),
        (("--resume", "runs/x", "--new"), "--resume runs/x: no config.yaml there"),
        (("--resume", "nowhere"), "--resume nowhere: no config.yaml there, so it is not a run folder"),
        (("--experiment", "smok"), "no experiment 'smok', did you mean 'smoke'?"),
        (("--experiment", "smoke", "clipz=3"), "command line: unknown key 'clipz', did you mean 'clip'?"),
        (("--experiment", "smoke", "clips"), "command line: 'clips' is not an override of the form key=value"),
    ],
)
def test_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
):
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith(f"t2vgan: error: {said}") and error.count("\n") == 1


def test_the_merged_experiment_is_printed_quickly_and_can_be_read_again(tmp_path: Path):
    """Neither torch nor Lightning is imported for it."""
    code = (
        "import sys; sys.argv = ['fit', '--experiment', 'smoke', 'seed=7', '--print_config']; "
        "from t2vgan import fit; fit.main(); assert not {'torch', 'lightning'} & sys.modules.keys()"
    )
    root = Path(fit.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    (tmp_path / "again.yaml").write_text(done.stdout)
    assert config.load(tmp_path / "again.yaml") == config.load("smoke", ["seed=7"])
