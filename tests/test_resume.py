"""Which run a command goes on with, from which checkpoint, and that two processes never train one run."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2vgan import resume
from t2vgan.config import ConfigError, Experiment, load, to_dict, to_yaml
from t2vgan.runs import new_run_dir
from t2vgan.sealed import sealed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(experiment: Experiment, *, hour: int, finished: int = 0, run_dir: str | None = None) -> Path:
    run = new_run_dir(experiment.name, run_dir)
    (run / "config.yaml").write_text(to_yaml(dataclasses.replace(experiment, run_dir=None)))
    os.utime(run / "config.yaml", (3600 * hour, 3600 * hour))
    if finished:
        resume.mark_finished(run, finished)
    return run


# ---- the run


def test_the_newest_unfinished_run_of_the_same_settings():
    smoke = load("smoke")
    assert resume.existing(smoke) is None
    made(smoke, hour=1)
    run = made(smoke, hour=2)
    made(load("smoke", ["seed=1"]), hour=3)
    made(smoke, hour=4, finished=64)
    assert resume.existing(smoke) == resume.Found(run, finished=False)


def test_a_finished_run_is_found_when_there_is_no_other():
    run = made(load("smoke"), hour=1, finished=64)
    assert resume.existing(load("smoke")) == resume.Found(run, finished=True)
    assert resume.existing(load("smoke", ["clips=128"])) is None, (
        "longer is another experiment, unless --resume says so"
    )
    assert resume.is_finished(run, 64) and not resume.is_finished(run, 128)


@pytest.mark.parametrize("override", ["trainer.devices=2", "logger.wandb=off", "data.workers=2", "trainer.threads=1"])
def test_how_a_run_is_computed_does_not_make_another_of_it(override: str):
    run = made(load("smoke"), hour=1)
    assert resume.existing(load("smoke", [override])) == resume.Found(run, finished=False)


def test_a_folder_of_its_own():
    smoke = load("smoke", ["run_dir=mine"])
    assert resume.existing(smoke) is None
    run = made(smoke, hour=1, run_dir="mine")
    assert resume.existing(smoke) == resume.Found(run, finished=False)
    other = load("smoke", ["run_dir=mine", "g_optim.lr=1e-3", "seed=2"])
    with pytest.raises(
        ConfigError, match=r"g_optim.lr \(0.0002 there, 0.001 here\), seed \(0 there, 2 here\); name an"
    ):
        resume.existing(other)
    Path("other").mkdir()
    Path("other/notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        resume.existing(load("smoke", ["run_dir=other"]))


def test_a_run_of_another_version_is_left_alone():
    run = made(load("smoke"), hour=1)
    (run / "config.yaml").write_text("name: smoke\nno_longer_a_key: 3\n")
    assert resume.existing(load("smoke")) is None


def test_many_differences_are_cut_short():
    one, other = to_dict(load("smoke")), to_dict(load("lion_savanna"))
    assert resume.told(resume.differences(one, other)).endswith("more")
    assert resume.differences(one, one) == {}


# ---- the checkpoint


def checkpoint(run: Path, name: str, content: object) -> Path:
    path = run / "checkpoints" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sealed(content))
    return path


def test_the_newest_whole_checkpoint(capsys: pytest.CaptureFixture[str]):
    run = made(load("smoke"), hour=1)
    assert resume.newest_checkpoint(run) is None
    last, previous, older = (checkpoint(run, n, n) for n in ("last.ckpt", "previous.ckpt", "previous-2.ckpt"))
    (run / "checkpoints" / ".last.ckpt.123.part").write_bytes(b"half")
    assert resume.newest_checkpoint(run) == last and not list((run / "checkpoints").glob(".*"))
    last.write_bytes(last.read_bytes()[:-90] + b"?" + last.read_bytes()[-89:])
    assert resume.newest_checkpoint(run) == previous
    said = capsys.readouterr().out
    assert said.startswith(f"{last} is damaged (its checksum is that of other contents): it is now last.ckpt.damaged")
    assert not last.exists() and (run / "checkpoints" / "last.ckpt.damaged").is_file(), "else it would be passed on"
    previous.write_bytes(b"")
    assert resume.newest_checkpoint(run) == older
    older.write_bytes(older.read_bytes()[:50])
    with pytest.raises(ConfigError, match=r"every checkpoint is damaged \(previous-2.ckpt.damaged\)"):
        resume.newest_checkpoint(run)


# ---- one process at a time


def other_process(run: Path) -> subprocess.Popen[str]:
    code = (
        f"import sys, pathlib; from t2vgan import resume; resume.hold(pathlib.Path({str(run)!r})); "
        "print('held', flush=True); sys.stdin.read()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(resume.__file__).parent.parent)},
    )  # fmt: skip


def test_a_run_that_is_being_trained_is_refused_until_its_process_is_gone():
    run = made(load("smoke"), hour=1)
    with other_process(run) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(
            ConfigError, match=rf"is being trained by process {other.pid} on .*: wait for it or stop it"
        ):
            resume.hold(run)
        assert resume.is_held(run)
        other.kill()
        other.wait()
    assert not resume.is_held(run) and not resume.is_held(run.parent)
    resume.hold(run)
    assert (run / "lock").read_text().startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks_is_said_and_trained_on(monkeypatch: pytest.MonkeyPatch):
    def unknown(*args: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    run = made(load("smoke"), hour=1)
    monkeypatch.setattr("fcntl.lockf", unknown)
    with pytest.warns(
        UserWarning, match=r"keeps no locks \(Function not implemented\): a second process here would not"
    ):
        resume.hold(run)
    resume._held.clear()  # as another process sees it
    assert not resume.is_held(run)


def test_a_folder_that_cannot_be_written_to_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> int:
        raise OSError(30, "Read-only file system")

    run = made(load("smoke"), hour=1)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written to \(Read-only file system\); name another by run_dir="):
        resume.hold(run)
