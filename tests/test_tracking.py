"""The curves' files: nothing twice, nothing left out, whole at any time; W&B without questions."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from t2vgan import tracking
from t2vgan.config import ConfigError, load
from t2vgan.runs import new_run_dir
from t2vgan.tracking import ContinuedCsv, ContinuedWandb, cut, lengths, loggers, seen_by_wandb, wandb_id, wandb_offline

ROOT = Path(tracking.__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and nobody logged in to W&B."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_usual_loggers():
    run_dir = new_run_dir("smoke")
    csv_logger, wandb_logger = loggers(load("smoke", ["logger.wandb=offline"]), run_dir)
    assert isinstance(csv_logger, ContinuedCsv) and Path(csv_logger.log_dir) == run_dir
    assert isinstance(wandb_logger, WandbLogger) and wandb_logger.version == wandb_id(run_dir)


def test_loggers_by_choice():
    run_dir = new_run_dir("smoke")
    assert loggers(load("smoke", ["logger.wandb=off", "logger.csv=false"]), run_dir) == []
    (found,) = loggers(load("smoke", ["logger.wandb=off", "logger.csv=false", "logger.tensorboard=true"]), run_dir)
    assert isinstance(found, TensorBoardLogger)


def test_a_resumed_run_goes_on_in_the_same_metrics(tmp_path: Path):
    for first in (0, 2):
        logger = ContinuedCsv(tmp_path)
        for step in (first, first + 1):
            logger.log_metrics({"d/total": step / 2, **({"late": 1.0} if step == 3 else {})}, step)
            logger.save()
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], float(row["d/total"]), row["late"]) for row in rows] == [
        ("0", 0.0, ""), ("1", 0.5, ""), ("2", 1.0, ""), ("3", 1.5, "1.0"),
    ]  # fmt: skip


def test_the_name_at_wandb_stays(tmp_path: Path):
    assert wandb_id(tmp_path) == wandb_id(tmp_path) and len(wandb_id(tmp_path)) == 8


def test_wandb_is_offline_unless_somebody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert wandb_offline("auto") and wandb_offline("offline")
    with pytest.raises(ConfigError, match="no key is configured: run 'wandb login', or take 'offline'"):
        wandb_offline("online")
    (tmp_path / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password x\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert not wandb_offline("auto") and not wandb_offline("online") and wandb_offline("offline")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert wandb_offline("auto"), "logged in elsewhere"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert not wandb_offline("auto") and not wandb_offline("online")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert wandb_offline("auto"), "as wandb itself would"


def test_a_killed_process_leaves_whole_rows_and_what_comes_again_is_taken_back(tmp_path: Path):
    logger = ContinuedCsv(tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    logger.save()
    (tmp_path / "evaluation.jsonl").write_text("one\n")
    marks = lengths(tmp_path)
    logger.log_metrics({"a": 2.0}, 1)
    logger.save()
    logger.log_metrics({"b": 3.0}, 2)  # a new column
    logger.save()
    (tmp_path / "evaluation.jsonl").write_text("one\ntwo\nthr")
    (tmp_path / "doctor.txt").write_text("a sentence\n")
    assert marks == {"metrics.csv": 2, "evaluation.jsonl": 1}
    cut(tmp_path, marks)
    assert (tmp_path / "metrics.csv").read_text().split() == ["a,b,step", "1.0,,0"]
    assert (tmp_path / "evaluation.jsonl").read_text() == "one\n" and not (tmp_path / "doctor.txt").exists()
    cut(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_comes_late_is_added_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    logger = ContinuedCsv(tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    logger.save()
    monkeypatch.setattr("os.replace", lambda *args: (_ for _ in ()).throw(RuntimeError("killed")))
    logger.log_metrics({"b": 1.0}, 1)
    with pytest.raises(RuntimeError, match="killed"):
        logger.save()
    assert (tmp_path / "metrics.csv").read_text().split() == ["a,step", "1.0,0"]


def test_what_wandb_has_already_is_not_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(WandbLogger, "log_metrics", lambda self, metrics, step=None: sent.append(dict(metrics)))

    def process(*rows: dict[str, Any], has: tuple[int, set[str]]) -> list[dict[str, Any]]:
        monkeypatch.setattr(tracking, "seen_by_wandb", lambda run_dir: has)
        sent.clear()
        logger = ContinuedWandb(tmp_path, id="x", offline=True)
        for row in rows:
            logger.log_metrics(row, step=0)
        return list(sent)

    rows = [{"clips_seen": 8.0, "d": 1}, {"clips_seen": 16.0, "d": 2}, {"clips_seen": 16.0, "epoch": 0, "val": 3}]
    assert process(*rows[:2], has=(-1, set())) == rows[:2]
    last = {"clips_seen": 24.0, "d": 4}
    assert process(*rows, last, has=(16, {"clips_seen", "d"})) == [rows[2], last], (
        "killed between two rows of one count"
    )
    assert process(*rows, last, has=(24, {"clips_seen", "d"})) == []


KILLED = """
import json, os, signal, sys
from pathlib import Path
from t2vgan.tracking import ContinuedWandb

logger = ContinuedWandb(Path("."), id="x", project="p", offline=True, resume="allow")
for row in json.loads(sys.argv[1]):
    logger.log_metrics(row, step=0)
logger.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_before_a_checkpoint_outlive_a_killed_process_and_come_once(tmp_path: Path):
    def process(*rows: dict[str, Any]) -> None:
        words = [sys.executable, "-c", KILLED, json.dumps(rows)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
        environment.pop("WANDB_SERVICE", None)  # of a run that another test began: it would outlive the kill
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    assert seen_by_wandb(tmp_path) == (-1, set())
    first, second = {"clips_seen": 8.0, "d/x": 1.0}, {"clips_seen": 16.0, "d/x": 2.0}
    process(first, second)
    until, names = seen_by_wandb(tmp_path)
    assert until == 16 and {"clips_seen", "d/x"} <= names
    process(second, {"clips_seen": 16.0, "val/y": 3.0})
    rows = [(row["clips_seen"], row.get("d/x"), row.get("val/y")) for row in wandb_rows(tmp_path)]
    assert rows == [(8, 1, None), (16, 2, None), (16, None, 3)]


UNREACHABLE = """
import sys
from pathlib import Path
from t2vgan.command import run_command
from t2vgan.tracking import ContinuedWandb

def main():
    logger = ContinuedWandb(Path("."), id="x", project="p", offline=False, resume="allow")
    logger.log_metrics({"clips_seen": 8.0, "d/x": 1.0}, step=0)
    logger.flush()

run_command(main)
"""


def test_a_server_that_does_not_answer_is_no_reason_not_to_train(tmp_path: Path):
    with socket.socket() as probe:  # a port at which nobody listens
        probe.bind(("127.0.0.1", 0))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true", "WANDB_INIT_TIMEOUT": "2"}
        environment |= {"WANDB_BASE_URL": f"http://127.0.0.1:{probe.getsockname()[1]}", "WANDB_API_KEY": "a" * 40}
        environment.pop("WANDB_SERVICE", None)
        command = [sys.executable, "-c", UNREACHABLE]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^t2vgan: warning: W&B cannot be reached .* later: wandb sync \S*wandb/offline-run-\*$",
                     ended.stderr, re.MULTILINE)  # fmt: skip
    assert "Traceback" not in ended.stderr and ended.stderr.count("t2vgan:") == 1
    assert [(row["clips_seen"], row["d/x"]) for row in wandb_rows(tmp_path)] == [(8, 1)]


def wandb_rows(run: Path) -> list[dict[str, Any]]:
    rows = []
    for record in sorted(run.glob("wandb/offline-run-*/run-*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(record)]
        said = subprocess.run(command, capture_output=True, check=False).stdout.splitlines()
        rows += [line["history"]["item"] for line in map(json.loads, said) if line["type"] == "history"]
    return rows
