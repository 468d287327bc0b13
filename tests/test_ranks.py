"""Processes that others have started: who they are, and that they do what rank 0 decides."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from t2vgan import ranks
from t2vgan.config import ConfigError, load

NAMES = ("TORCHELASTIC_RUN_ID", "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_JOB_ID", "SLURM_NTASKS")
NAMES += ("SLURM_PROCID", "SLURM_STEP_ID", "SLURM_NNODES", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def told(monkeypatch: pytest.MonkeyPatch, **values: int | str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


def test_alone():
    smoke = load("smoke")
    assert ranks.launcher() is None and ranks.rank() == 0 and ranks.as_launched(smoke) == smoke
    assert ranks.decided(lambda: 3) == 3 and ranks.environments() == []
    with ranks.first_one_alone():
        pass


def test_several_nodes_need_a_launcher():
    with pytest.raises(ConfigError, match="several nodes are started by --launch slurm, by srun, or by torchrun"):
        ranks.as_launched(load("smoke", ["trainer.nodes=2"]))


def test_torchrun(monkeypatch: pytest.MonkeyPatch):
    told(monkeypatch, TORCHELASTIC_RUN_ID="x", RANK=5, LOCAL_RANK=1, WORLD_SIZE=8, LOCAL_WORLD_SIZE=4)
    assert ranks.launcher() == "torchrun" and ranks.rank() == 5
    found = ranks.as_launched(load("smoke")).trainer
    assert (found.devices, found.nodes) == (4, 2)


def test_srun_and_the_script_that_calls_it(monkeypatch: pytest.MonkeyPatch):
    told(monkeypatch, SLURM_JOB_ID=7, SLURM_NTASKS=4, SLURM_NNODES=2, SLURM_PROCID=0)
    assert ranks.launcher() is None, "the batch script is not one of the tasks"
    assert type(ranks.environments()[0]).__name__ == "LightningEnvironment"
    told(monkeypatch, SLURM_STEP_ID=0, SLURM_PROCID=3)
    with pytest.raises(ConfigError, match="have to be given --ntasks-per-node"):
        ranks.join("cpu")
    told(monkeypatch, SLURM_NTASKS_PER_NODE=2)
    assert ranks.launcher() == "slurm" and ranks.rank() == 3
    found = ranks.as_launched(load("smoke")).trainer
    assert (found.devices, found.nodes) == (2, 2)
    assert ranks.environments()[0].auto_requeue is False, "it is done after the round, by training"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (
            RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]"),
            True,
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_another_process_that_is_gone_is_known_by_its_error(error: BaseException, lost: bool):
    assert ranks.lost_another(error) == lost


def started(command: list[str], **options: Any) -> list[subprocess.Popen[str]]:
    """Two processes, as torchrun would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(Path(__file__).parent.parent)}
    return [
        subprocess.Popen(
            command, env={**shared, "RANK": str(i), "LOCAL_RANK": str(i)}, stderr=subprocess.PIPE, text=True, **options
        )
        for i in range(2)
    ]


SCRIPT = """
import os, sys
from t2vgan import ranks
from t2vgan.command import run_command

def main():
    ranks.join("cpu")
    with ranks.first_one_alone():
        with open(sys.argv[1], "a") as file:
            file.write(f"{ranks.rank()}\\n")
    assert ranks.decided(lambda: f"by {ranks.rank()}") == "by 0"
    if sys.argv[2:] == ["first"]:
        with ranks.first_one_alone():
            raise ValueError("a mistake")
    if sys.argv[2:] == ["bug"]:
        ranks.decided(lambda: {}["bug"])
    if sys.argv[2:] == ["killed"]:
        ranks.decided(lambda: os.kill(os.getpid(), 9))
    if len(sys.argv) > 2:
        ranks.decided(lambda: (_ for _ in ()).throw(ValueError("a mistake")))

run_command(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["", "decided", "first"])
def test_rank_zero_goes_first_and_decides(tmp_path: Path, mistake: str):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [
        sys.executable,
        str(tmp_path / "script.py"),
        str(tmp_path / "order.txt"),
        *([mistake] if mistake else []),
    ]
    processes = started(command)
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [p.returncode for p in processes] == ([2, 2] if mistake else [0, 0]), said
    assert [text.count("t2vgan: error: a mistake") for text in said] == ([1, 0] if mistake else [0, 0])
    assert (tmp_path / "order.txt").read_text().split() == ["0", "1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "codes", "told"), [("bug", [1, 2], ""), ("killed", [-9, 2], "the first process of the run")]
)
def test_the_others_end_with_rank_zero_however_it_ends(tmp_path: Path, how: str, codes: list[int], told: str):
    (tmp_path / "script.py").write_text(SCRIPT)
    processes = started([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "order.txt"), how])
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [p.returncode for p in processes] == codes, said
    assert told in said[1] and "Traceback" not in said[1]


@pytest.mark.slow
def test_a_process_of_a_run_that_dies_ends_the_other_one_which_says_so(tmp_path: Path):
    words = ["run_dir=run", "logger.wandb=off", "trainer.accelerator=cpu", "clips=8000", "trainer.threads=1"]
    words += ["trainer.checkpoint_every_clips=8", "evaluation.every_clips=8000", "samples.every_clips=8000"]
    first, second = started([sys.executable, "-m", "t2vgan.fit", "--experiment", "smoke", *words], cwd=tmp_path)
    until = time.monotonic() + 200
    try:
        while not (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file():
            assert time.monotonic() < until and first.poll() is second.poll() is None
            time.sleep(0.1)
        second.kill()
        said = first.communicate(timeout=60)[1]
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert first.returncode == 2, said
    assert "t2vgan: error: another process of the run has ended, and this one with it" in said
    assert said.rstrip().endswith("the same command goes on from the last checkpoint") and "Traceback" not in said
