"""Runs of two processes that are killed, both at once, and runs that go on with another number of processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from t2vgan.checkpoint import load_generator
from tests.chaos.test_kills import assert_same_checkpoint

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = int(os.environ.get("T2VGAN_KILLS_OF_TWO", "8"))
PATIENCE_S = 900
COMMAND = [
    *("--experiment", "smoke", "data.batch=8", "trainer.checkpoint_every_clips=8", "trainer.log_every_steps=1"),
    *("trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.threads=1", "evaluation.every_clips=32"),
    *("samples.count=1", "logger.wandb=off", "run_dir=run"),
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]


def started(folder: Path, processes: int) -> subprocess.Popen[bytes]:
    """The command as a user gives it, in a session of its own, and what it says in `said.txt`."""
    words = [sys.executable, "-m", "t2vgan.fit", *COMMAND, f"trainer.devices={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=said, start_new_session=True)


def trained(folder: Path, processes: int) -> None:
    assert started(folder, processes).wait(PATIENCE_S) == 0, (folder / "said.txt").read_text()[-2000:]


def killed(folder: Path, processes: int, *, saves: int, delay_s: float) -> bool:
    """All processes of the run, `delay_s` after its `saves`-th checkpoint; False where it was at its end before."""
    last, run = folder / "run" / "checkpoints" / "last.ckpt", started(folder, processes)
    until, seen, counted = time.monotonic() + PATIENCE_S, _written(last), 0
    while run.poll() is None and counted < saves:
        assert time.monotonic() < until, "it hangs"
        time.sleep(0.005)
        if (now := _written(last)) != seen:
            seen, counted = now, counted + 1
    time.sleep(delay_s)
    alive = run.poll() is None
    if alive:
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return alive


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    trained(folder, 2)
    return folder


def beside(whole: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / "data").symlink_to(whole / "data")
    return folder


def test_two_processes_killed_at_once_again_and_again(whole: Path, tmp_path: Path):
    rng, done, runs = random.Random(3), 0, 0
    while done < KILLS:
        folder = beside(whole, tmp_path / f"run{runs}")
        for _ in range(min(4, KILLS - done)):
            done += killed(folder, 2, saves=rng.randint(1, 2), delay_s=rng.uniform(0, 0.6))
        trained(folder, 2)
        assert_same_checkpoint(folder / "run", whole / "run")
        runs += 1
        print(f"{done} kills, {runs} runs of two processes, all exact", flush=True)


@pytest.mark.parametrize("first", [1, 2])
def test_another_number_of_processes_goes_on_with_the_same_clips(whole: Path, tmp_path: Path, first: int):
    folder = beside(whole, tmp_path / "run")
    assert killed(folder, first, saves=3, delay_s=0.0)
    trained(folder, 3 - first)
    assert f"goes on with processes {3 - first} ({first} so far): the same clips" in (folder / "said.txt").read_text()
    mine, theirs = (load_generator(f / "run" / "checkpoints" / "generator.safetensors") for f in (folder, whole))
    assert mine[2]["clips_seen"] == theirs[2]["clips_seen"]
    apart = torch.cat([(mine[0][name] - value).flatten() for name, value in theirs[0].items()]).norm()
    size = torch.cat([value.flatten() for value in theirs[0].values()]).norm()
    print(f"weights of {first}, then {3 - first} processes: apart by {float(apart / size):.1e} of their size")
    assert 0 < apart / size < 1e-4
