"""What takes minutes: that the game learns, and that several processes play the same one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch


def fit(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", "t2vgan.fit", *arguments, "logger.wandb=off"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def last_validation(run: Path) -> dict[str, float]:
    return json.loads((run / "evaluation.jsonl").read_text().splitlines()[-1])


@pytest.mark.slow
def test_lion_savanna_learns_landscapes_and_times_of_day_in_a_thousand_rounds(tmp_path: Path):
    """A third of the clips; half an hour or so on two cores, with data and judge."""
    fit("--experiment", "lion_savanna", "clips=34000", "run_dir=run", folder=tmp_path)
    found = last_validation(tmp_path / "run")
    assert found["accuracy/time"] > 0.8 > 2 * found["floor/time"]
    assert found["accuracy/place"] > 0.6 > 2 * found["floor/place"]


@pytest.mark.slow
def test_two_processes_end_with_one_run(tmp_path: Path):
    fit("--experiment", "smoke", "run_dir=run", "trainer.devices=2", "trainer.accelerator=cpu", folder=tmp_path)
    found = last_validation(tmp_path / "run")
    assert found["clips_seen"] == 64
    assert len((tmp_path / "run" / "evaluation.jsonl").read_text().splitlines()) == 2, "rank zero alone writes"
    assert (tmp_path / "run" / "checkpoints" / "generator.safetensors").is_file()
    assert not (tmp_path / "runs").exists(), "no rank made a folder of its own"


@pytest.mark.gpu
def test_a_run_on_a_gpu(tmp_path: Path):
    assert torch.cuda.is_available(), "run without -m gpu where there is none"
    fit("--experiment", "lion_savanna", "--fast_dev_run", "trainer.accelerator=gpu", folder=tmp_path)
    fit("--experiment", "smoke", "run_dir=run", "trainer.accelerator=gpu", folder=tmp_path)
    assert last_validation(tmp_path / "run")["clips_seen"] == 64
