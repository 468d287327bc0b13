"""Jobs of a cluster, as far as they can be looked at without one; tests/cluster/ has a real one."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

from t2vgan import cluster, fit, sweep
from t2vgan.command import run_command
from t2vgan.config import ConfigError, load

SMOKE_SWEEP = Path(__file__).resolve().parent.parent / "experiments" / "sweeps" / "smoke.yaml"
ASKED = [
    "trainer.nodes=2",
    "trainer.devices=4",
    "cluster.gpus_per_node=4",
    "cluster.partition=long",
    "cluster.mem_gb=60",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no SLURM to be found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster.shutil, "which", lambda name: None)


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["program", *words])
    run_command(program.main)
    return capsys.readouterr().out


def test_the_script_says_what_the_experiment_asks_for(monkeypatch, capsys):
    out = said(monkeypatch, capsys, fit, "--experiment", "smoke", "--launch", "slurm", "--print", *ASKED)
    for line in (
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gpus-per-node=4",
        "--partition=long",
        "--mem=60GB",
        "--requeue",
    ):
        assert f"#SBATCH {line}\n" in out
    assert "#SBATCH --signal=USR2@120\n" in out and "srun --unbuffered" in out
    assert " --kill-on-bad-exit=1 " in out, "a task that dies ends the job"
    assert not Path("runs").exists(), "looking leaves nothing behind"


def test_workers_of_a_sweep_are_an_array_of_single_tasks(monkeypatch, capsys):
    out = said(monkeypatch, capsys, sweep, str(SMOKE_SWEEP), "--workers", "3", "--launch", "slurm", "--print")
    assert "#SBATCH --array=0-2%3\n" in out and "#SBATCH --ntasks-per-node=1\n" in out
    assert "#SBATCH --job-name=sweep-smoke\n" in out


def test_further_options_and_lines():
    asked = load("smoke", ["cluster.options.account=lab", "cluster.setup=[module load cuda]"])
    text = cluster.script(Path("jobs"), cluster.parameters(asked, name="x"))
    assert "#SBATCH --account=lab\n" in text and "\nmodule load cuda\n" in text


def test_devices_have_to_be_a_number():
    assert cluster.parameters(load("smoke", ["trainer.devices=auto"]), name="x")["ntasks_per_node"] == 1
    with pytest.raises(ConfigError, match="a cluster's job needs a number"):
        cluster.parameters(load("smoke", ["trainer.devices=two"]), name="x")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--experiment", "smoke", "--launch", "slurm"), "there is no srun here; --print shows the script"),
        (("--experiment", "smoke", "--print"), "--print shows the script of --launch slurm"),
        (("--experiment", "smoke", "--launch", "slurm", "--fast_dev_run"), "leave --launch away"),
    ],
)
def test_mistakes(monkeypatch, capsys, words: tuple[str, ...], what: str):
    with pytest.raises(SystemExit) as stop:
        said(monkeypatch, capsys, fit, *words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and what in error and error.count("\n") == 1
    assert not Path("runs").exists()


def test_a_job_gives_the_same_command_whenever_it_is_started(monkeypatch):
    given = []
    monkeypatch.setattr(fit, "main", lambda: given.append(sys.argv))
    command = pickle.loads(pickle.dumps(cluster.Command("t2vgan.fit", ["--experiment", "smoke", "run_dir=x"])))
    monkeypatch.setattr(sys, "argv", ["submitit"])
    command()
    command.checkpoint().result()
    assert given == [["fit", "--experiment", "smoke", "run_dir=x"]] * 2


def test_what_slurm_says_when_it_takes_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("srun", "sbatch"):
        (programs / name).write_text("#!/bin/sh\necho 'sbatch: error: Invalid partition name specified' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(cluster.shutil, "which", lambda name, **more: str(programs / name))
    options = cluster.parameters(load("smoke"), name="x", alone=True)
    for jobs in (1, 2):
        with pytest.raises(ConfigError, match=r"the keys of `cluster` ask for: sbatch: error: Invalid partition name"):
            cluster.submit(tmp_path / "jobs", options, cluster.Command("t2vgan.fit", []), jobs=jobs)


@pytest.mark.parametrize("own", [(), ("run_dir=mine",)])
def test_a_run_that_a_job_trains_or_waits_for_is_not_queued_again(
    own: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """SLURM as three programs: `sbatch` takes job 17, `squeue` knows the jobs of a file."""
    programs, queue = tmp_path / "bin", tmp_path / "queue"
    programs.mkdir()
    taken = f"echo 17 >> {queue}\necho Submitted batch job 17\n"
    for name, does in {"srun": "", "sbatch": taken, "squeue": f"cat {queue}\n"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(cluster.shutil, "which", lambda name, **more: str(programs / name))
    run = own[0].removeprefix("run_dir=") if own else "runs/smoke/00000"
    words = ("--experiment", "smoke", "--launch", "slurm", "trainer.devices=auto", *own)
    assert said(monkeypatch, capsys, fit, *words).startswith(f"job 17: {run};")
    assert said(monkeypatch, capsys, fit, *words).startswith(f"job 17 trains {run} already: scancel 17 first")
    (programs / "squeue").write_text("#!/bin/sh\necho slurm_load_jobs error: timed out >&2; exit 1\n")
    with pytest.raises(SystemExit):
        said(monkeypatch, capsys, fit, *words)
    assert "error: squeue does not answer: slurm_load_jobs error: timed out; give" in capsys.readouterr().err
    (programs / "squeue").write_text(f"#!/bin/sh\ncat {queue}\n")
    queue.write_text("18\n")  # the job is over
    assert said(monkeypatch, capsys, fit, *words).startswith(f"job 17: {run};")
    assert [path.parent.name for path in tmp_path.glob("**/config.yaml")] == [Path(run).name], "one run all along"

    command = pickle.loads((tmp_path / run / "job" / "17_submitted.pkl").read_bytes()).function
    where = ["trainer.devices=auto", "trainer.nodes=1", "trainer.devices=1"]  # later ones hold
    assert command.arguments == ["--resume", run, *where]
    asked = load(tmp_path / run / "config.yaml", command.arguments[2:])
    cluster_run = load("smoke", ["trainer.devices=1"])
    assert asked == dataclasses.replace(cluster_run, extends=None)


@pytest.mark.parametrize(
    ("number", "preempt_time", "to_go_on"),
    [
        (signal.SIGTERM, "2026-11-27T21:00:00", True),
        (signal.SIGTERM, "None", False),  # scancel
        (signal.SIGINT, "2026-11-27T21:00:00", False),
        (None, "2026-11-27T21:00:00", False),
    ],
)
def test_a_job_that_another_takes_the_place_of_is_to_go_on(
    monkeypatch, tmp_path: Path, number: int | None, preempt_time: str, to_go_on: bool
):
    scontrol = tmp_path / "scontrol"
    told = f"  PreemptEligibleTime=x PreemptTime={preempt_time}"
    scontrol.write_text(f"#!/bin/sh\n[ \"$*\" = 'show job 7_2' ] && echo '{told}'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert not cluster.is_to_go_on(number), "no job of SLURM"
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert cluster.is_to_go_on(number) == to_go_on
