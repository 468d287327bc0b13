"""What a run costs is counted round by round, and goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import lightning as L
import pytest
import torch

from t2vgan.callbacks.cost import Cost


def trainer(**state: bool) -> Any:
    return Mock(spec=L.Trainer, **{"sanity_checking": False, "is_global_zero": True, **state})


TRAINER = trainer()


def module(seen: int) -> Any:
    return SimpleNamespace(clips_seen=torch.tensor(seen), device=torch.device("cpu"))


def work(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(range(1000))


def play(cost: Cost, seen: int, *, seconds: float) -> None:
    cost.on_train_batch_start(TRAINER, module(seen), None, 0)
    work(seconds)
    cost.on_train_batch_end(TRAINER, module(seen), None, None, 0)


def test_rounds_count_and_what_lies_between_does_not(tmp_path: Path):
    cost = Cost(folder=tmp_path)
    play(cost, 8, seconds=0.05)
    work(0.2)
    play(cost, 16, seconds=0.05)
    cost.on_validation_epoch_start(TRAINER, module(16))
    (line,) = [json.loads(line) for line in (tmp_path / "cost.jsonl").read_text().splitlines()]
    assert line["clips_seen"] == 16 and line["peak_mb"] > 10
    assert 0.1 <= line["cpu_s"] < 0.2 and line["wall_s"] >= 0.09


def test_a_resumed_run_goes_on_counting(tmp_path: Path):
    first, second = Cost(folder=tmp_path), Cost(folder=tmp_path)
    play(first, 8, seconds=0.05)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    play(second, 16, seconds=0.05)
    assert second.cpu_s == pytest.approx(first.cpu_s + 0.05, abs=0.04)


def test_neither_rehearsals_nor_other_ranks_write(tmp_path: Path):
    cost = Cost(folder=tmp_path)
    cost.on_validation_epoch_start(trainer(sanity_checking=True), module(1))
    cost.on_validation_epoch_start(trainer(is_global_zero=False), module(1))
    assert not (tmp_path / "cost.jsonl").exists()


FORGETS = """
import sys, torch
from t2vgan.callbacks.cost import Cost, peak_mb
large = torch.ones(60_000_000)  # 229 MiB
high = peak_mb(torch.device("cpu"))
del large
Cost(folder=sys.argv[1]).on_fit_start(None, None)
print(high - peak_mb(torch.device("cpu")))
"""


def test_memory_counts_from_the_start_of_training(tmp_path: Path):
    """In a process of its own: one that has trained keeps what it frees (`spare_page_faults`)."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux can be told to forget")
    said = subprocess.run([sys.executable, "-c", FORGETS, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(said.stdout) > 150
