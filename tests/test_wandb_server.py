"""Weights & Biases with a server, that of the tests: online runs, runs whose server goes away, and sweeps."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from t2vgan import tracking
from t2vgan.config import ConfigError, load, to_dict
from t2vgan.tracking import FINISH_TIMEOUT_S, ContinuedWandb
from tests.check_run import history
from tests.wandb_server import ENTITY, SWEEP, WandbServer

ROOT = Path(tracking.__file__).resolve().parent.parent
SHIPPED = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
SMALL = {
    "clips": 16,
    "data.val_clips": 8,
    "data.dataset.counts.train": 16,
    "data.dataset.counts.val": 8,
    "data.dataset.counts.probe": 8,
    "evaluation.every_clips": 16,
    "evaluation.probe.clips": 8,
    "samples.every_clips": 16,
    "samples.count": 1,
    "trainer.checkpoint_every_clips": 8,
    "trainer.log_every_steps": 1,
    "trainer.accelerator": "cpu",
    "trainer.threads": 1,
    "trainer.precision": "32-true",
}
WAITS = """
import time
from pathlib import Path
from t2vgan import fit
from t2vgan.command import run_command
from t2vgan.tracking import ContinuedWandb

flush, close = ContinuedWandb.flush, ContinuedWandb.close

def flush_and_wait(logger):
    flush(logger)
    while not Path("gone").exists():
        time.sleep(0.05)

def close_timed(logger):
    begun = time.monotonic()
    close(logger)
    Path("took").write_text(str(time.monotonic() - begun))

ContinuedWandb.flush, ContinuedWandb.close = flush_and_wait, close_timed
run_command(fit.main)
"""

pytestmark = pytest.mark.timeout(900)  # of processes that may have to share a core


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with WandbServer() as found:
        yield found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and nothing of W&B's that another test or the user has set."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WANDB", "T2VGAN", "NETRC"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def ran(server: WandbServer, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **server.environment, **variables}
    ended = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended


def small(**others: Any) -> list[str]:
    return [f"{key}={value}" for key, value in {**SMALL, **others}.items()]


def config_of(server: WandbServer, run: str) -> dict[str, Any]:
    """The settings that the server has of a run in the end."""
    sent = [json.loads(each["config"]) for each in server.of("UpsertBucket") if each["name"] == run]
    return {name: entry["value"] for name, entry in sent[-1].items()}


# ---- online


@pytest.mark.slow
def test_a_run_is_logged_with_its_settings_and_goes_on_as_the_same(server: WandbServer):
    ran(server, "-m", "t2vgan.fit", "--experiment", "smoke", *small(clips=8, run_dir="run"), "logger.job_type=tried")
    run = Path("run/wandb_id.txt").read_text().strip()
    begun = server.of("UpsertBucket")[0]
    assert (begun["name"], begun["groupName"], begun["jobType"]) == (run, "smoke", "tried")
    assert begun["project"] == "t2vgan" and begun["displayName"] == "smoke/run"
    wanted, there = to_dict(load("run/config.yaml")), config_of(server, run)
    for name in ("name", "seed", "clips", "data", "generator", "losses", "trainer"):
        assert there[name] == wanted[name]
    first = [dict(row) for row in server.rows[run]]
    assert {row["clips_seen"] for row in first} == {8} and server.ended.pop(run) == 0

    ran(server, "-m", "t2vgan.fit", "--resume", "run", "clips=16")
    assert list(server.rows) == [run] and server.ended == {run: 0}
    assert server.rows[run][: len(first)] == first and [row["_step"] for row in server.rows[run]] == list(
        range(len(server.rows[run]))
    )
    for name in ("d/total", "samples/video", "report"):
        assert [row["clips_seen"] for row in server.rows[run] if name in row] == [8, 16]
    assert [row["clips_seen"] for row in server.rows[run] if "val/kid_probe" in row] == [8, 16]
    models = [json.loads(asked["input"]["metadata"])["clips_seen"] for asked in server.of("CreateArtifact")]
    assert models == [8, 16]
    assert any(name.endswith(".mp4") for name in server.files)


@pytest.mark.slow
def test_the_parts_of_a_run_without_a_server_are_sent_as_one(server: WandbServer):
    """Two parts, each of which counts its steps from 0."""
    ran(server, "-m", "t2vgan.fit", "--experiment", "smoke", *small(clips=8, run_dir="run"), WANDB_MODE="offline")
    ran(server, "-m", "t2vgan.fit", "--resume", "run", "clips=16", WANDB_MODE="offline")
    assert not server.rows
    parts = sorted(str(path) for path in Path("run/wandb").glob("offline-run-*"))
    recorded = [row for part in parts for row in history(next(Path(part).glob("*.wandb")))]
    ran(server, "-m", "wandb", "sync", *parts)
    (rows,) = server.rows.values()
    assert len(parts) == 2 and [row["_step"] for row in rows] == list(range(len(recorded)))
    assert [row["clips_seen"] for row in rows] == [row["clips_seen"] for row in recorded]
    assert [row["clips_seen"] for row in rows if "d/total" in row] == [8, 16]


# ---- without the server from some moment on


@pytest.mark.parametrize("away", [WandbServer.vanish, pytest.param(WandbServer.hang, marks=pytest.mark.slow)])
def test_training_goes_on_and_ends_when_the_server_goes_away(server: WandbServer, away: Callable[[WandbServer], None]):
    said = trained_while(server, away)
    assert "Traceback" not in said and Path("run/finished.json").is_file()
    (record,) = Path("run").glob("wandb/run-*")
    model, rest = re.findall("^t2vgan: warning: (.*)$", said, re.MULTILINE)
    assert re.fullmatch(r"W&B has not taken the model \(.*\): it is in run/checkpoints", model)
    later = f"wandb sync --include-online {record}"
    assert rest == f"W&B has not taken all rows and media of this run (in 2 s); later: {later}"
    assert 2 <= float(Path("took").read_text()) < 60

    with Path("run/metrics.csv").open(newline="") as file:
        losses = {float(row["clips_seen"]): float(row["d/total"]) for row in csv.DictReader(file) if row["d/total"]}
    recorded = history(next(record.glob("*.wandb")))
    assert {row["clips_seen"]: row["d/total"] for row in recorded if "d/total" in row} == losses
    assert list(losses) == [8, 16] and [row["_step"] for row in recorded] == list(range(len(recorded)))
    assert [row["clips_seen"] for row in recorded if "val/kid_probe" in row or "report.path" in row] == [16, 16]
    (sent,) = server.rows.values()
    assert {row["clips_seen"] for row in sent} == {8}

    with WandbServer() as again:
        again.rows, again.asked = {run: list(rows) for run, rows in server.rows.items()}, list(server.asked)
        ran(again, "-m", *later.split())
        assert again.rows.keys() == server.rows.keys()
        (rows,) = again.rows.values()  # by their number, for W&B sends those again that were there
    assert {row["_step"]: row["clips_seen"] for row in rows} == {row["_step"]: row["clips_seen"] for row in recorded}


def trained_while(server: WandbServer, away: Callable[[WandbServer], None]) -> str:
    """What a run says that waits at its first checkpoint, with rows at the server, until that is away."""
    words = ["--experiment", "smoke", *small(run_dir="run"), "logger.wandb=online"]
    patience = {"WANDB_FINISH_TIMEOUT": "2", "WANDB_HTTP_TIMEOUT": "5"}
    with Path("said.txt").open("w") as said:
        training = subprocess.Popen(
            [sys.executable, "-c", WAITS, *words],
            env={**os.environ, **server.environment, **patience},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        server.wait_for(lambda: any(server.rows.values()) or training.poll() is not None)
        assert any(server.rows.values()), Path("said.txt").read_text()
        away(server)
        Path("gone").touch()
        assert training.wait(timeout=400) == 0, Path("said.txt").read_text()
    finally:
        training.kill()
        training.wait()
    return Path("said.txt").read_text()


LOGS = """
import sys
from pathlib import Path
from t2vgan.command import run_command
from t2vgan.tracking import ContinuedWandb

def main():
    logger = ContinuedWandb(Path("."), id="x", project="p", offline=False, resume="allow")
    logger.log_metrics({"clips_seen": 8.0, "d/x": 1.0}, step=0)
    logger.flush()
    raise SystemExit("broken")

run_command(main)
"""


@pytest.mark.slow
def test_a_server_that_never_answers_is_no_reason_not_to_train(server: WandbServer):
    server.hang()
    said = ran(server, "-c", LOGS, code=1, WANDB_INIT_TIMEOUT="2").stderr
    assert "Traceback" not in said and said.count("t2vgan: ") == 1
    assert re.search(r"^t2vgan: warning: W&B cannot be reached .* wandb sync ./wandb/offline-run-\*$", said, re.M)
    (record,) = Path("wandb").glob("offline-run-*/run-*.wandb")
    assert [(row["clips_seen"], row["d/x"]) for row in history(record)] == [(8, 1)]


def test_a_run_that_is_broken_off_has_not_ended_well_at_wandb(server: WandbServer):
    ran(server, "-c", LOGS, code=1)
    assert server.ended == {"x": 1} and [row["clips_seen"] for row in server.rows["x"]] == [8]


def test_the_end_of_a_run_is_not_waited_for_without_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def patience() -> float:
        return ContinuedWandb(tmp_path, id="x", offline=True)._wandb_init["settings"].finish_timeout

    assert patience() == FINISH_TIMEOUT_S <= 40, "beside 19 s for the model"
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "600")
    assert patience() == 600
    monkeypatch.setenv("WANDB_FINISH_TIMEOUT", "30s")
    with pytest.raises(ConfigError, match="WANDB_FINISH_TIMEOUT is '30s': give seconds"):
        patience()


SERVICE_ENDS = """
import os, signal, sys
from pathlib import Path
import wandb
from t2vgan.command import run_command
from t2vgan.tracking import ContinuedWandb

def main():
    logger = ContinuedWandb(Path("."), id="x", project="p", offline=True, resume="allow")
    logger.log_metrics({"clips_seen": 8.0, "d/x": 1.0}, step=0)
    logger.flush()
    service = wandb.setup().assert_service()._proc._process
    service.kill()
    service.wait()
    for seen in range(16, 80, 8):
        logger.log_metrics({"clips_seen": float(seen), "d/x": 1.0}, step=0)
        logger.flush()
    logger.finalize("success")

run_command(main)
"""


def test_training_goes_on_when_the_service_of_wandb_has_ended(server: WandbServer):
    said = ran(server, "-c", SERVICE_ENDS).stderr
    assert "Traceback" not in said
    ended, rest = re.findall("^t2vgan: warning: (.*)$", said, re.MULTILINE)
    assert re.fullmatch(r"W&B's service has ended \(.*\): from here on .* are in metrics.csv alone", ended)
    assert re.fullmatch(
        r"W&B has not taken all rows and media .*; later: wandb sync --include-online wandb/offline-run-\S+", rest
    )


# ---- sweeps


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_wandb_takes_the_sweep_files(server: WandbServer, path: Path):
    ran(server, "-m", "wandb", "sweep", str(path))
    (asked,) = server.of("UpsertSweep")
    assert yaml.safe_load(asked["config"]) == yaml.safe_load(path.read_text())


@pytest.mark.slow
def test_wandbs_agent_trains_what_the_sweep_file_says(server: WandbServer):
    plan = yaml.safe_load((ROOT / "experiments" / "sweeps" / "smoke.yaml").read_text())
    plan["parameters"] |= {name: {"value": value} for name, value in SMALL.items()}
    Path("tried.yaml").write_text(yaml.safe_dump({**plan, "project": "tried"}))
    ran(server, "-m", "wandb", "sweep", "tried.yaml")
    chosen = {"g_optim.lr": 1e-5, "seed": 1, **SMALL}
    arguments = {name: {"value": value} for name, value in chosen.items()}
    server.commands = [{"type": "run", "run_id": "trial1", "program": plan["program"], "args": arguments}]
    ran(server, "-m", "wandb", "agent", "--count", "1", f"{ENTITY}/tried/{SWEEP}")

    run = Path("runs/smoke/00000")
    assert (run / "wandb_id.txt").read_text().strip() == "trial1" and list(server.rows) == ["trial1"]
    trained = load(run / "config.yaml")
    assert (trained.g_optim.lr, trained.seed, trained.clips) == (1e-5, 1, 16)
    begun = next(asked for asked in server.of("UpsertBucket") if asked["name"] == "trial1")
    assert (begun["sweep"], begun["project"], begun["groupName"]) == (SWEEP, "tried", "smoke")
    there = config_of(server, "trial1")
    assert there["g_optim"]["lr"] == there["g_optim.lr"] == 1e-5 and there["seed"] == 1
    validations = [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]
    logged = [row[plan["metric"]["name"]] for row in server.rows["trial1"] if plan["metric"]["name"] in row]
    assert logged == pytest.approx([each["kid_probe"] for each in validations]) and len(logged) == 1
    assert server.ended == {"trial1": 0} and json.loads(server.of("Heartbeat")[-1]["runState"]) == {"trial1": True}
